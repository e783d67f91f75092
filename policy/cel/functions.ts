// The functions of CEL's standard library that take values and return one
// (https://github.com/google/cel-spec/blob/master/doc/langdef.md#list-of-standard-definitions).

import { toInt, toUint } from './arithmetic.ts';
import { fail, spend, spendOnText, type Run } from './run.ts';
import {
  duration,
  formatDuration,
  formatTimestamp,
  parseDuration,
  parseTimestamp,
  seconds,
  timestamp,
} from './time.ts';
import { typeName, type CelValue } from './values.ts';

type CelFunction = (run: Run, value: CelValue) => CelValue;

export const functions: Readonly<Record<string, CelFunction>> = {
  size,
  type: (_run, value) => ({ kind: 'type', name: typeName(value) }),
  dyn: (_run, value) => value,
  int: (run, value) => {
    if (typeof value === 'bigint') return value;
    if (typeof value === 'number') return toInt(truncate(value));
    if (typeof value === 'string') return toInt(parseInteger(run, value));
    if (value === null || typeof value !== 'object') return fail();
    if (value.kind === 'uint') return toInt(value.value);
    return value.kind === 'timestamp' ? seconds(value) : fail();
  },
  uint: (run, value) => {
    if (typeof value === 'bigint') return toUint(value);
    if (typeof value === 'number') return toUint(truncate(value));
    if (typeof value === 'string') return toUint(parseInteger(run, value));
    return value !== null && typeof value === 'object' && value.kind === 'uint' ? value : fail();
  },
  double: (run, value) => {
    if (typeof value === 'number') return value;
    if (typeof value === 'bigint') return Number(value);
    if (typeof value === 'string') return parseDouble(run, value);
    return value !== null && typeof value === 'object' && value.kind === 'uint'
      ? Number(value.value)
      : fail();
  },
  bool: (_run, value) => {
    if (typeof value === 'boolean') return value;
    if (['1', 't', 'true', 'TRUE', 'True'].some((text) => text === value)) return true;
    return ['0', 'f', 'false', 'FALSE', 'False'].some((text) => text === value) ? false : fail();
  },
  string: toText,
  bytes: (run, value) => {
    if (typeof value === 'string') {
      spendOnText(run, value.length);
      return { kind: 'bytes', bytes: Buffer.from(value, 'utf8') };
    }
    return value !== null && typeof value === 'object' && value.kind === 'bytes' ? value : fail();
  },
  timestamp: (_run, value) => {
    if (typeof value === 'string') return parseTimestamp(value);
    if (typeof value === 'bigint') return timestamp(value * 1_000_000_000n);
    return value !== null && typeof value === 'object' && value.kind === 'timestamp' ? value : fail();
  },
  duration: (_run, value) => {
    if (typeof value === 'string') return parseDuration(value);
    if (typeof value === 'bigint') return duration(value * 1_000_000_000n);
    return value !== null && typeof value === 'object' && value.kind === 'duration' ? value : fail();
  },
};

export const textMethods: Readonly<Record<string, (run: Run, text: string, part: string) => boolean>> = {
  startsWith: (run, text, part) => {
    spendOnText(run, part.length);
    return text.startsWith(part);
  },
  endsWith: (run, text, part) => {
    spendOnText(run, part.length);
    return text.endsWith(part);
  },
  contains: (run, text, part) => {
    // At worst a search compares each character with each: some 1,024 of these are as much as a step.
    spend(run, Math.ceil(text.length / 16 + (text.length * part.length) / 1024));
    return text.includes(part);
  },
};

function size(run: Run, value: CelValue): CelValue {
  if (typeof value === 'string') {
    spendOnText(run, value.length);
    let pairs = 0;
    for (let i = 0; i < value.length; i += 1) if ((value.codePointAt(i) ?? 0) > 0xffff) pairs += 1;
    return BigInt(value.length - pairs);
  }
  if (value === null || typeof value !== 'object') return fail();
  if (value.kind === 'list' || value.kind === 'map') return BigInt(value.size);
  return value.kind === 'bytes' ? BigInt(value.bytes.length) : fail();
}

function toText(run: Run, value: CelValue): CelValue {
  switch (typeof value) {
    case 'string':
      return value;
    case 'bigint':
    case 'boolean':
      return String(value);
    case 'number':
      return Number.isFinite(value) || Number.isNaN(value) ? String(value) : value > 0 ? '+Inf' : '-Inf';
    default:
  }
  if (value === null) return fail();
  switch (value.kind) {
    case 'uint':
      return String(value.value);
    case 'timestamp':
      return formatTimestamp(value);
    case 'duration':
      return formatDuration(value);
    case 'bytes':
      spendOnText(run, value.bytes.length);
      return decodeUtf8(value.bytes);
    default:
      return fail();
  }
}

function decodeUtf8(bytes: Uint8Array): string {
  try {
    return new TextDecoder('utf-8', { fatal: true, ignoreBOM: true }).decode(bytes);
  } catch {
    return fail();
  }
}

/** What rounds to the least int is refused with what lies below it. */
function truncate(value: number): bigint {
  return value > -(2 ** 63) && value < 2 ** 64 ? BigInt(Math.trunc(value)) : fail();
}

function parseInteger(run: Run, text: string): bigint {
  spendOnText(run, text.length);
  return /^[+-]?\d{1,20}$/.test(text) ? BigInt(text.replace(/^\+/, '')) : fail();
}

function parseDouble(run: Run, text: string): number {
  spendOnText(run, text.length);
  if (/^[+-]?(?:\d+(?:\.\d*)?|\.\d+)(?:[eE][+-]?\d+)?$/.test(text)) return Number(text);
  if (text === 'NaN') return Number.NaN;
  const infinite = /^([+-]?)(?:Inf|Infinity)$/.exec(text);
  return infinite === null ? fail() : infinite[1] === '-' ? -Infinity : Infinity;
}
