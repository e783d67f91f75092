// `during` and `outside`: weekly windows of wall-clock time. What counts is what a clock on the wall there shows: a
// window in the hour that spring skips has no instant that day, one in the hour that autumn repeats has both.

import type { Condition, Miss, Stance } from './reading.ts';
import type { Day, RulesetSchedule } from './ruleset.ts';
import { createZoneOffset } from './time-zone.ts';

type Window = RulesetSchedule['windows'][number];

/** From the day that 1970-01-01 was. */
const days: readonly Day[] = ['Thu', 'Fri', 'Sat', 'Sun', 'Mon', 'Tue', 'Wed'];
const dayMs = 24 * 60 * 60 * 1000;

interface CompiledWindow {
  /** By the index in `days`. */
  readonly isOn: readonly boolean[];
  readonly fromMs: number;
  readonly toMs: number;
}

/** A schedule that is none (see findScheduleProblems) never lets a grant match and always lets a guard. */
export function compileSchedule(
  schedule: RulesetSchedule,
  field: 'during' | 'outside',
  stance: Stance,
): Condition {
  const miss: Miss = { field, message: describe(schedule, field) };
  const whenUnknown = stance === 'grant' ? miss : null;
  const offset = createZoneOffset(schedule.timeZone);
  if (offset === null || findScheduleProblems(schedule) !== null) return () => whenUnknown;
  const windows = schedule.windows.map(compileWindow);
  const wanted = field === 'during';
  return ({ nowMs }) => {
    if (nowMs === null) return whenUnknown;
    return isOpen(windows, nowMs + offset(nowMs)) === wanted ? null : miss;
  };
}

/** What makes a schedule useless, as the end of a sentence about it. */
export function findScheduleProblems(schedule: RulesetSchedule): string | null {
  if (createZoneOffset(schedule.timeZone) === null) {
    return `names the time zone ${schedule.timeZone}, which does not exist; write one such as Europe/Berlin`;
  }
  if (schedule.windows.length === 0) return 'has no windows';
  for (const [index, window] of schedule.windows.entries()) {
    if (timeMs(window.from) === null || window.from === '24:00' || timeMs(window.to) === null) {
      return `has the window ${window.from} to ${window.to}; times are from 00:00 to 23:59, the end may be 24:00`;
    }
    if (window.days?.some((day) => !days.includes(day))) {
      return `names a day that does not exist in windows[${index}]`;
    }
    if (window.days?.length === 0) return `is open on no day in windows[${index}]`;
  }
  return null;
}

function compileWindow(window: Window): CompiledWindow {
  return {
    isOn: days.map((day) => window.days === undefined || window.days.includes(day)),
    fromMs: timeMs(window.from) ?? 0,
    toMs: timeMs(window.to) ?? 0,
  };
}

function isOpen(windows: readonly CompiledWindow[], localMs: number): boolean {
  const dayNumber = Math.floor(localMs / dayMs);
  const timeOfDayMs = localMs - dayNumber * dayMs;
  const today = ((dayNumber % 7) + 7) % 7;
  const yesterday = (today + 6) % 7;
  for (const { isOn, fromMs, toMs } of windows) {
    if (fromMs < toMs) {
      if (isOn[today] && timeOfDayMs >= fromMs && timeOfDayMs < toMs) return true;
    } else if ((isOn[today] && timeOfDayMs >= fromMs) || (isOn[yesterday] && timeOfDayMs < toMs)) {
      return true;
    }
  }
  return false;
}

/** Of `HH:MM` or `24:00`; null for anything else. */
function timeMs(text: string): number | null {
  if (!/^(?:(?:[01]\d|2[0-3]):[0-5]\d|24:00)$/.test(text)) return null;
  const [hours = '', minutes = ''] = text.split(':');
  return (Number(hours) * 60 + Number(minutes)) * 60_000;
}

function describe(schedule: RulesetSchedule, field: 'during' | 'outside'): string {
  const windows = schedule.windows.map(
    (window) =>
      `${window.from} to ${window.to}${window.days === undefined ? '' : ` on ${window.days.join(', ')}`}`,
  );
  const when = field === 'during' ? 'be made within' : 'not be made within';
  return `The request must ${when} ${windows.join('; ')} (${schedule.timeZone}).`;
}
