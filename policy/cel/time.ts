// Timestamps and durations, in nanoseconds.

import { createZoneOffset } from '../time-zone.ts';
import { fail } from './run.ts';
import type { CelValue } from './values.ts';

type Timestamp = Extract<CelValue, { readonly kind: 'timestamp' }>;
type Duration = Extract<CelValue, { readonly kind: 'duration' }>;

const nanosPerMs = 1_000_000n;
const nanosPerSecond = 1_000_000_000n;
/** From 0001-01-01T00:00:00Z to the end of 9999, as google.protobuf.Timestamp has it. */
const minTimestamp = -62_135_596_800n * nanosPerSecond;
const maxTimestamp = 253_402_300_800n * nanosPerSecond - 1n;

export function timestamp(nanos: bigint): Timestamp {
  return nanos >= minTimestamp && nanos <= maxTimestamp ? { kind: 'timestamp', nanos } : fail();
}

/** The specification has nanoseconds fit into 64 bits. */
export function duration(nanos: bigint): Duration {
  return BigInt.asIntN(64, nanos) === nanos ? { kind: 'duration', nanos } : fail();
}

export function timestampOfMs(epochMs: number): Timestamp {
  return timestamp(BigInt(Math.trunc(epochMs)) * nanosPerMs);
}

/** RFC 3339. */
export function parseTimestamp(text: string): Timestamp {
  const found =
    text.length > 40
      ? null
      : /^(\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d)(?:\.(\d{1,9}))?(?:Z|([+-])([01]\d|2[0-3]):([0-5]\d))$/.exec(text);
  if (found === null) return fail();
  const [, local = '', fraction = '', sign, hours = '0', minutes = '0'] = found;
  const epochMs = Date.parse(`${local}Z`);
  // Date takes the 30th of February for the 2nd of March.
  if (Number.isNaN(epochMs) || new Date(epochMs).toISOString().slice(0, 19) !== local) return fail();
  const offsetMs = (Number(hours) * 60 + Number(minutes)) * 60_000 * (sign === '-' ? -1 : 1);
  return timestamp(BigInt(epochMs - offsetMs) * nanosPerMs + BigInt(fraction.padEnd(9, '0')));
}

export function formatTimestamp({ nanos }: Timestamp): string {
  const fraction = remainder(nanos, nanosPerSecond);
  const text = new Date(Number((nanos - fraction) / nanosPerMs)).toISOString().slice(0, 19);
  return `${text}${formatFraction(fraction)}Z`;
}

const units: Readonly<Record<string, bigint>> = {
  h: 3600n * nanosPerSecond,
  m: 60n * nanosPerSecond,
  s: nanosPerSecond,
  ms: nanosPerMs,
  us: 1000n,
  µs: 1000n,
  ns: 1n,
};

/** `1h30m`, `-1.5s`, `0`. */
export function parseDuration(text: string): Duration {
  const found =
    text.length > 64 ? null : /^([+-]?)(0|(?:(?:\d+(?:\.\d*)?|\.\d+)(?:h|ms|us|µs|ns|m|s))+)$/.exec(text);
  if (found === null) return fail();
  let nanos = 0n;
  for (const [, whole = '', fraction = '', unit = ''] of (found[2] ?? '').matchAll(
    /(\d*)(?:\.(\d*))?(h|ms|us|µs|ns|m|s)/g,
  )) {
    const each = units[unit] ?? 0n;
    nanos +=
      BigInt(whole === '' ? '0' : whole) * each +
      (BigInt(fraction === '' ? '0' : fraction) * each) / 10n ** BigInt(fraction.length);
  }
  return duration(found[1] === '-' ? -nanos : nanos);
}

/** In seconds, as JSON has it: `5400s`. */
export function formatDuration({ nanos }: Duration): string {
  const positive = nanos < 0n ? -nanos : nanos;
  const fraction = formatFraction(positive % nanosPerSecond);
  return `${nanos < 0n ? '-' : ''}${positive / nanosPerSecond}${fraction}s`;
}

/** In groups of three digits, as protobuf writes them. */
function formatFraction(nanos: bigint): string {
  if (nanos === 0n) return '';
  return `.${nanos
    .toString()
    .padStart(9, '0')
    .replace(/(?:000){1,2}$/, '')}`;
}

export function seconds({ nanos }: Timestamp | Duration): bigint {
  return (nanos - remainder(nanos, nanosPerSecond)) / nanosPerSecond;
}

function remainder(nanos: bigint, by: bigint): bigint {
  return ((nanos % by) + by) % by;
}

/** `Europe/Berlin`, `UTC`, or an offset such as `-08:00`; null when it is neither. */
export function compileZone(name: string): ((epochMs: number) => number) | null {
  const fixed = /^([+-]?)(\d\d):([0-5]\d)$/.exec(name);
  if (fixed === null) return createZoneOffset(name);
  const offsetMs = (Number(fixed[2]) * 60 + Number(fixed[3])) * 60_000 * (fixed[1] === '-' ? -1 : 1);
  return () => offsetMs;
}

const dayMs = 86_400_000;
const dateParts: Readonly<Record<string, (local: Date) => number>> = {
  getFullYear: (local) => local.getUTCFullYear(),
  getMonth: (local) => local.getUTCMonth(),
  getDate: (local) => local.getUTCDate(),
  getDayOfMonth: (local) => local.getUTCDate() - 1,
  getDayOfWeek: (local) => local.getUTCDay(),
  getDayOfYear: (local) => {
    const start = new Date(local);
    start.setUTCMonth(0, 1);
    return Math.round((local.getTime() - start.getTime()) / dayMs);
  },
  getHours: (local) => local.getUTCHours(),
  getMinutes: (local) => local.getUTCMinutes(),
  getSeconds: (local) => local.getUTCSeconds(),
  getMilliseconds: (local) => local.getUTCMilliseconds(),
};

export const timeMethods = Object.keys(dateParts);

export function readTimePart(
  value: CelValue,
  method: string,
  zoneOffset: ((epochMs: number) => number) | null,
): bigint {
  if (value === null || typeof value !== 'object') return fail();
  if (value.kind === 'duration' && zoneOffset === null) return readDurationPart(value, method);
  const read = dateParts[method];
  if (value.kind !== 'timestamp' || read === undefined) return fail();
  const epochMs = Number((value.nanos - remainder(value.nanos, nanosPerMs)) / nanosPerMs);
  return BigInt(read(new Date(epochMs + (zoneOffset === null ? 0 : zoneOffset(epochMs)))));
}

/** The whole duration in a unit, but of milliseconds those that are left of a second. */
function readDurationPart({ nanos }: Duration, method: string): bigint {
  switch (method) {
    case 'getHours':
      return nanos / (3600n * nanosPerSecond);
    case 'getMinutes':
      return nanos / (60n * nanosPerSecond);
    case 'getSeconds':
      return nanos / nanosPerSecond;
    case 'getMilliseconds':
      return (nanos % nanosPerSecond) / nanosPerMs;
    default:
      return fail();
  }
}
