import assert from 'node:assert/strict';
import { execFileSync } from 'node:child_process';
import { describe, it } from 'node:test';
import { createReading } from '../../policy/reading.ts';
import { noBody, type CanonicalRequest } from '../../policy/request.ts';
import type { Day, RulesetSchedule } from '../../policy/ruleset.ts';
import { compileSchedule, findScheduleProblems } from '../../policy/schedule.ts';

const request: CanonicalRequest = {
  scheme: 'https',
  host: 'api.example',
  port: 443,
  method: 'GET',
  path: '/',
  segments: [''],
  opens: [],
  query: null,
  headers: [],
  body: noBody,
  placeholder: null,
};
const workdays: Day[] = ['Mon', 'Tue', 'Wed', 'Thu', 'Fri'];
const office: RulesetSchedule = {
  timeZone: 'Europe/Berlin',
  windows: [{ days: workdays, from: '08:00', to: '18:00' }],
};

function isOpen(schedule: RulesetSchedule, instant: string): boolean {
  const reading = createReading(request, Date.parse(instant));
  const during = compileSchedule(schedule, 'during', 'grant')(reading) === null;
  // The four agree at any instant: a clock that is sure leaves nothing to doubt.
  assert.equal(compileSchedule(schedule, 'during', 'guard')(reading) === null, during);
  assert.equal(compileSchedule(schedule, 'outside', 'grant')(reading) === null, !during);
  assert.equal(compileSchedule(schedule, 'outside', 'guard')(reading) === null, !during);
  return during;
}

const daily = (timeZone: string, from: string, to: string, days?: Day[]): RulesetSchedule => ({
  timeZone,
  windows: [{ from, to, ...(days === undefined ? {} : { days }) }],
});

describe('a window is closed', () => {
  const closed: Record<string, [schedule: RulesetSchedule, instant: string]> = {
    'at its end, which is exclusive (P-14)': [office, '2026-11-18T17:00:00.000Z'],
    'a millisecond before its start (P-14)': [office, '2026-11-18T06:59:59.999Z'],
    'on another day (P-14)': [office, '2026-11-21T11:00:00Z'],
    'on a day that is another one in UTC (P-14)': [
      daily('Pacific/Auckland', '00:00', '24:00', ['Mon']),
      '2026-06-15T12:00:00Z',
    ],
    'in summer at the hour that would be inside it in winter (P-14)': [office, '2026-07-15T16:00:00Z'],
    'before the hour that spring skips (P-14)': [
      daily('Europe/Berlin', '02:00', '03:00'),
      '2026-03-29T00:59:59.999Z',
    ],
    'after the hour that spring skips, since no clock showed it (P-14)': [
      daily('Europe/Berlin', '02:00', '03:00'),
      '2026-03-29T01:00:00Z',
    ],
    'at midnight in a zone that skips it (P-14)': [
      daily('Africa/Cairo', '00:00', '01:00'),
      '2026-04-23T22:00:00Z',
    ],
    'between the end after midnight and the start before it (P-14)': [
      daily('Europe/Berlin', '22:00', '06:00'),
      '2026-11-18T05:00:00Z',
    ],
    'after midnight of a day on which it does not start (P-14)': [
      daily('Europe/Berlin', '22:00', '06:00', ['Fri']),
      '2026-11-20T00:00:00Z',
    ],
    'at half past by another zone’s half hour (P-14)': [
      daily('Asia/Kolkata', '09:00', '10:00'),
      '2026-11-18T03:29:59Z',
    ],
  };
  for (const [when, [schedule, instant]] of Object.entries(closed)) {
    it(when, () => assert.equal(isOpen(schedule, instant), false));
  }
});

describe('a window is open', () => {
  const open: Record<string, [schedule: RulesetSchedule, instant: string]> = {
    'at its start, which is inclusive (P-14)': [office, '2026-11-18T07:00:00.000Z'],
    'a millisecond before its end (P-14)': [office, '2026-11-18T16:59:59.999Z'],
    'in summer, an hour earlier by UTC (P-14)': [office, '2026-07-15T06:00:00Z'],
    'to the end of the day when it ends at 24:00 (P-14)': [
      daily('Europe/Berlin', '20:00', '24:00', ['Wed']),
      '2026-11-18T22:59:59.999Z',
    ],
    'before midnight when it ends after it (P-14)': [
      daily('Europe/Berlin', '22:00', '06:00', ['Fri']),
      '2026-11-20T22:30:00Z',
    ],
    'after midnight, on the day after the one that it starts on (P-14)': [
      daily('Europe/Berlin', '22:00', '06:00', ['Fri']),
      '2026-11-21T04:59:59Z',
    ],
    'for a whole day from a start that is also its end (P-14)': [
      daily('Europe/Berlin', '08:00', '08:00', ['Fri']),
      '2026-11-21T06:59:59Z',
    ],
    'in the hour that autumn repeats, the first time (P-14)': [
      daily('Europe/Berlin', '02:00', '03:00'),
      '2026-10-25T00:30:00Z',
    ],
    'in the hour that autumn repeats, the second time (P-14)': [
      daily('Europe/Berlin', '02:00', '03:00'),
      '2026-10-25T01:30:00Z',
    ],
    'in the southern hemisphere, whose summer is in January (P-14)': [
      daily('Australia/Sydney', '09:00', '10:00'),
      '2027-01-11T22:00:00Z',
    ],
    'in the southern hemisphere in July (P-14)': [
      daily('Australia/Sydney', '09:00', '10:00'),
      '2026-07-14T23:00:00Z',
    ],
    'on an island whose summer is half an hour (P-14)': [
      daily('Australia/Lord_Howe', '11:00', '11:30'),
      '2027-01-12T00:00:00Z',
    ],
    'in a zone a quarter of an hour apart (P-14)': [
      daily('Asia/Kathmandu', '05:45', '05:46'),
      '2026-11-18T00:00:00Z',
    ],
    'in a zone whose day is a day ahead (P-14)': [
      daily('Pacific/Kiritimati', '00:00', '01:00', ['Thu']),
      '2026-11-18T10:30:00Z',
    ],
  };
  for (const [when, [schedule, instant]] of Object.entries(open)) {
    it(when, () => assert.equal(isOpen(schedule, instant), true));
  }
});

it('A zone’s clock is followed back and forth over a change (P-14)', () => {
  const schedule = compileSchedule(daily('Europe/Berlin', '12:00', '13:00'), 'during', 'grant');
  const openAt = (instant: string): boolean => schedule(createReading(request, Date.parse(instant))) === null;
  for (const instant of [
    '2026-07-15T10:30Z',
    '2026-12-15T11:30Z',
    '2026-07-15T10:30Z',
    '2026-03-28T11:30Z',
  ]) {
    assert.ok(openAt(instant), instant);
  }
  assert.ok(!openAt('2026-03-29T11:30Z'));
});

it('The time zone of the container does not matter (P-14)', () => {
  const script = `
    const { compileSchedule } = await import('./policy/schedule.ts');
    const office = ${JSON.stringify(office)};
    const at = (instant) => compileSchedule(office, 'during', 'grant')({ nowMs: Date.parse(instant) }) === null;
    console.log(at('2026-11-18T07:00:00Z'), at('2026-11-18T06:59:59Z'), at('2026-07-15T06:00:00Z'));`;
  for (const TZ of ['America/New_York', 'Asia/Kathmandu', 'nonsense']) {
    const output = execFileSync(process.execPath, ['--input-type=module', '-e', script], {
      env: { ...process.env, TZ },
      cwd: new URL('../..', import.meta.url),
      timeout: 20_000,
      encoding: 'utf8',
    });
    assert.equal(output.trim(), 'true false true', TZ);
  }
});

it('A clock in doubt closes a grant and leaves a guard in force (P-14)', () => {
  const reading = createReading(request, null);
  for (const field of ['during', 'outside'] as const) {
    assert.equal(compileSchedule(office, field, 'grant')(reading)?.field, field);
    assert.equal(compileSchedule(office, field, 'guard')(reading), null);
  }
});

describe('a schedule is of no use', () => {
  const broken: Record<string, [schedule: RulesetSchedule, problem: RegExp]> = {
    'with a time zone that does not exist': [daily('Europe/Atlantis', '08:00', '18:00'), /Europe\/Atlantis/],
    'with an offset for a time zone': [daily('+01:00', '08:00', '18:00'), /such as Europe\/Berlin/],
    'without windows': [{ timeZone: 'UTC', windows: [] }, /no windows/],
    'with a window on no day': [daily('UTC', '08:00', '18:00', []), /no day in windows\[0\]/],
    'with a time that no clock shows': [daily('UTC', '08:60', '18:00'), /08:60 to 18:00/],
    'with a start at the end of the day': [daily('UTC', '24:00', '18:00'), /24:00 to 18:00/],
    'with a time of one digit': [daily('UTC', '8:00', '18:00'), /8:00 to 18:00/],
  };
  for (const [how, [schedule, problem]] of Object.entries(broken)) {
    it(`${how}: its grant is gone and its guard holds`, () => {
      assert.match(findScheduleProblems(schedule) ?? '', problem);
      const reading = createReading(request, Date.parse('2026-11-18T12:00:00Z'));
      for (const field of ['during', 'outside'] as const) {
        assert.equal(compileSchedule(schedule, field, 'grant')(reading)?.field, field);
        assert.equal(compileSchedule(schedule, field, 'guard')(reading), null);
      }
    });
  }

  it('but not with windows, days and a zone', () => assert.equal(findScheduleProblems(office), null));
});

it('A miss says when', () => {
  const reading = createReading(request, Date.parse('2026-11-21T12:00:00Z'));
  assert.deepEqual(compileSchedule(office, 'during', 'grant')(reading), {
    field: 'during',
    message: 'The request must be made within 08:00 to 18:00 on Mon, Tue, Wed, Thu, Fri (Europe/Berlin).',
  });
});

it('Zones have no changes within a minute, and those of Temporal are those of Intl', () => {
  for (const timeZone of Intl.supportedValuesOf('timeZone')) {
    const format = new Intl.DateTimeFormat('en-US', { timeZone, timeZoneName: 'longOffset' });
    const offsetOf = (epochMs: number): string =>
      format.formatToParts(epochMs).find((part) => part.type === 'timeZoneName')?.value ?? '';
    let change = Temporal.Instant.from('2024-01-01T00:00:00Z').toZonedDateTimeISO(timeZone);
    for (;;) {
      const next = change.getTimeZoneTransition('next');
      if (next === null || next.year > 2028) break;
      assert.equal(next.epochMilliseconds % 60_000, 0, timeZone);
      for (const epochMs of [next.epochMilliseconds - 1, next.epochMilliseconds]) {
        const { offset } = Temporal.Instant.fromEpochMilliseconds(epochMs).toZonedDateTimeISO(timeZone);
        assert.equal(offsetOf(epochMs).replace(/^GMT$/, 'GMT+00:00'), `GMT${offset}`, timeZone);
      }
      change = next;
    }
  }
});
