// JSON, read strictly (RFC 8259, and I-JSON, RFC 7493): what two parsers could take for two things is unreadable. A
// survey of 49 parsers found duplicate keys, lone surrogates and large numbers read in every way there is
// (https://bishopfox.com/blog/json-interoperability-vulnerabilities).

import type { Unreadable } from '../unreadable.ts';
import { maxDigits, powersOfTen, safeNumber, type UnsafeNumber } from './number.ts';
import { readUtf8 } from './utf8.ts';

export type { UnsafeNumber };

export type JsonObject = ReadonlyMap<string, JsonValue>;
export type JsonValue = null | boolean | string | number | UnsafeNumber | readonly JsonValue[] | JsonObject;

/** Objects and arrays inside each other; what is deeper makes some parsers fail and some stop looking. */
const maxDepth = 64;

/**
 * What may be built of one body, in units of about 48 bytes: an element is one, a member or a container four more
 * (a Map of one member takes about 190 bytes). `[[],[],…]` would else make 16 MiB of text more than 1 GiB of objects.
 */
const maxUnits = 1024 * 1024;
const containerUnits = 4;

export function readJson(bytes: Uint8Array): JsonValue | Unreadable {
  const text = readUtf8(bytes);
  return typeof text === 'string' ? createReader(text).document() : text;
}

export function isJsonObject(value: JsonValue | undefined): value is JsonObject {
  return value instanceof Map;
}

/** Undefined stands for "cannot be read"; `problem` then says why. */
function createReader(text: string): { readonly document: () => JsonValue | Unreadable } {
  let at = 0;
  let units = maxUnits;
  let problem = 'is not JSON';
  /** The first backslash and control character at or after the last string looked at. */
  let backslash = -1;
  let control = -1;
  // eslint-disable-next-line no-control-regex -- control characters are what is looked for
  const controls = /[\u0000-\u001f]/g;

  function fail(why: string): undefined {
    problem = why;
    at = text.length;
    return undefined;
  }

  /** The code of the next character that is not white space; NaN at the end. */
  function next(): number {
    for (;;) {
      const code = text.charCodeAt(at);
      if (code !== Code.space && code !== Code.lineFeed && code !== Code.return && code !== Code.tab) {
        return code;
      }
      at += 1;
    }
  }

  function value(depth: number): JsonValue | undefined {
    units -= 1;
    if (units < 0) return fail('has more values than are looked at');
    const code = next();
    if (code === Code.quote) return string();
    if (code === Code.openBrace) return object(depth);
    if (code === Code.openBracket) return array(depth);
    if (code === Code.t) return literal('true', true);
    if (code === Code.f) return literal('false', false);
    if (code === Code.n) return literal('null', null);
    return number(code);
  }

  function literal<T>(word: string, meaning: T): T | undefined {
    if (!text.startsWith(word, at)) return undefined;
    at += word.length;
    return meaning;
  }

  function object(depth: number): JsonObject | undefined {
    if (!enter(depth)) return undefined;
    const members = new Map<string, JsonValue>();
    if (next() === Code.closeBrace) {
      at += 1;
      return members;
    }
    for (;;) {
      if (next() !== Code.quote) return undefined;
      const key = string();
      if (key === undefined || next() !== Code.colon) return undefined;
      at += 1;
      if (members.has(key)) return fail('has a key twice');
      units -= containerUnits;
      const member = value(depth + 1);
      if (member === undefined) return undefined;
      members.set(key, member);
      const code = next();
      at += 1;
      if (code === Code.closeBrace) return members;
      if (code !== Code.comma) return undefined;
    }
  }

  function array(depth: number): readonly JsonValue[] | undefined {
    if (!enter(depth)) return undefined;
    const elements: JsonValue[] = [];
    if (next() === Code.closeBracket) {
      at += 1;
      return elements;
    }
    for (;;) {
      const element = value(depth + 1);
      if (element === undefined) return undefined;
      elements.push(element);
      const code = next();
      at += 1;
      if (code === Code.closeBracket) return elements;
      if (code !== Code.comma) return undefined;
    }
  }

  function enter(depth: number): boolean {
    at += 1;
    units -= containerUnits;
    if (depth < maxDepth) return true;
    fail('is nested deeper than 64 levels');
    return false;
  }

  /**
   * From its opening quote, which is known to be there. Searched for by what V8 does in vector instructions: the next
   * quote with an even number of backslashes before it; each character is looked at a constant number of times.
   */
  function string(): string | undefined {
    const start = at;
    let end = start;
    do {
      end = text.indexOf('"', end + 1);
      if (end < 0) return fail('has a string without an end');
    } while (isEscaped(end, start));
    at = end + 1;
    if (backslash < start) {
      const found = text.indexOf('\\', start);
      backslash = found < 0 ? text.length : found;
    }
    if (backslash < end) return unescaped(start);
    if (control < start) {
      controls.lastIndex = start;
      control = controls.test(text) ? controls.lastIndex - 1 : text.length;
    }
    return control < end ? fail('has a control character in a string') : text.slice(start + 1, end);
  }

  function isEscaped(end: number, start: number): boolean {
    let before = end - 1;
    while (before > start && text.charCodeAt(before) === Code.backslash) before -= 1;
    return (end - before) % 2 === 0;
  }

  /** Strings are where JSON.parse is as strict as we are, but for lone surrogates. */
  function unescaped(start: number): string | undefined {
    try {
      const read = JSON.parse(text.slice(start, at)) as string;
      return read.isWellFormed() ? read : fail('has half a surrogate pair');
    } catch {
      return fail('has an escape that does not exist');
    }
  }

  function digitsEnd(from: number): number {
    let end = from;
    while (isDigit(text.charCodeAt(end))) end += 1;
    return end;
  }

  function number(first: number): number | UnsafeNumber | undefined {
    const start = at;
    const whole = first === Code.minus ? start + 1 : start;
    const point = text.charCodeAt(whole) === Code.zero ? whole + 1 : digitsEnd(whole);
    if (point === whole) return undefined;
    let end = point;
    if (text.charCodeAt(point) === Code.point) {
      end = digitsEnd(point + 1);
      if (end === point + 1) return undefined;
    }
    const code = text.charCodeAt(end);
    if (code === Code.e || code === Code.E) {
      const sign = text.charCodeAt(end + 1);
      const exponent = sign === Code.plus || sign === Code.minus ? end + 2 : end + 1;
      at = digitsEnd(exponent);
      return at === exponent ? undefined : safeNumber(text.slice(start, at));
    }
    at = end;
    if (end - whole > maxDigits) return safeNumber(text.slice(start, end));
    let read = 0;
    for (let digit = whole; digit < end; digit += 1) {
      if (digit !== point) read = read * 10 + text.charCodeAt(digit) - Code.zero;
    }
    // Both are exact, so that the division rounds once: it gives the double that is nearest.
    if (end > point) read /= powersOfTen[end - point - 1] ?? 1;
    if (first !== Code.minus) return read;
    return read === 0 ? { unsafeNumber: text.slice(start, end) } : -read;
  }

  function document(): JsonValue | Unreadable {
    const read = value(0);
    if (read === undefined) return { unreadable: problem };
    return Number.isNaN(next()) ? read : { unreadable: 'is more than one JSON document' };
  }

  return { document };
}

function isDigit(code: number): boolean {
  return code >= Code.zero && code <= Code.nine;
}

const Code = {
  tab: 9,
  lineFeed: 10,
  return: 13,
  space: 32,
  quote: 34,
  plus: 43,
  comma: 44,
  minus: 45,
  point: 46,
  zero: 48,
  nine: 57,
  colon: 58,
  E: 69,
  openBracket: 91,
  backslash: 92,
  closeBracket: 93,
  e: 101,
  f: 102,
  n: 110,
  t: 116,
  openBrace: 123,
  closeBrace: 125,
} as const;
