// Names and values of a query or a form (application/x-www-form-urlencoded), read strictly: what servers split or
// decode in different ways is unreadable.

import { isUnreadable, type Unreadable } from '../unreadable.ts';
import { readUtf8 } from './utf8.ts';

export type Pairs = readonly (readonly [name: string, value: string])[];

/** What comes after the thousandth is not read by PHP (max_input_vars) and Node's qs, and read by others. */
const maxPairs = 1000;

const none: Pairs = [];

export function readPairs(text: string): Pairs | Unreadable {
  if (text === '') return none;
  // HTML 4 asked servers to split there as well; some still do.
  if (text.includes(';')) return { unreadable: 'has a semicolon, where some servers split' };
  const pairs: (readonly [string, string])[] = [];
  let start = 0;
  while (start <= text.length) {
    if (pairs.length === maxPairs) return { unreadable: 'has more than 1000 parameters' };
    const found = text.indexOf('&', start);
    const end = found < 0 ? text.length : found;
    const pair = readPair(text.slice(start, end));
    if (isUnreadable(pair)) return pair;
    pairs.push(pair);
    start = end + 1;
  }
  return pairs;
}

export function readForm(bytes: Uint8Array): Pairs | Unreadable {
  const text = readUtf8(bytes);
  return typeof text === 'string' ? readPairs(text) : text;
}

function readPair(text: string): readonly [string, string] | Unreadable {
  const equals = text.indexOf('=');
  const name = decode(equals < 0 ? text : text.slice(0, equals));
  const value = equals < 0 ? '' : decode(text.slice(equals + 1));
  if (name === null || value === null) return { unreadable: 'has an escape that is not UTF-8' };
  if (name === '') return { unreadable: 'has a parameter without a name' };
  // Software written in C ends there.
  if (name.includes('\0') || value.includes('\0')) return { unreadable: 'has a NUL' };
  return [name, value];
}

function decode(text: string): string | null {
  const spaced = text.includes('+') ? text.replaceAll('+', ' ') : text;
  if (!spaced.includes('%')) return spaced;
  try {
    return decodeURIComponent(spaced);
  } catch {
    return null;
  }
}
