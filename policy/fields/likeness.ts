// What some server could take for the value that a guard means: in another letter case, between spaces, converted as
// PHP and JavaScript do. Where nobody can say what becomes of a value, it counts.

import { isUnsafeNumber, readDecimal } from '../content/number.ts';
import { compilePattern } from '../pattern.ts';
import type { RulesetMatcher } from '../ruleset.ts';
import { isLonger, namedValues, numberTest, typeOf, type ValueTest } from './matcher.ts';
import { upToNul } from './spelling.ts';

export function compileLikeness(matcher: RulesetMatcher): ValueTest {
  const type = typeOf(matcher);
  if (type === 'Number') return numberLikeness(matcher);
  return type === 'Boolean' ? booleanLikeness(matcher) : stringLikeness(matcher);
}

function stringLikeness(matcher: RulesetMatcher): ValueTest {
  const { pattern, maxLength } = matcher;
  const startsWith = matcher.startsWith === undefined ? null : fold(matcher.startsWith).trimStart();
  const named = namedValues(matcher);
  const values = named === null ? null : new Set(named.map((value) => fold(value).trim()));
  const matches = pattern === undefined ? null : compilePattern(pattern);
  const matchesFolded = pattern === undefined ? null : compilePattern(pattern, { ignoreCase: true });

  function text(written: string): boolean {
    const value = upToNul(written).trim();
    const folded = fold(value);
    if (values !== null && !values.has(folded)) return false;
    if (startsWith !== null && !folded.startsWith(startsWith)) return false;
    if (maxLength !== undefined && isLonger(value, maxLength)) return false;
    if (pattern === undefined) return true;
    return [written, value].some((form) => (matches?.(form) ?? true) || (matchesFolded?.(form) ?? true));
  }

  return {
    text,
    json: (value) => {
      if (typeof value === 'string') return text(value);
      if (typeof value === 'number' || typeof value === 'boolean') return text(String(value));
      return isUnsafeNumber(value);
    },
  };
}

function numberLikeness(matcher: RulesetMatcher): ValueTest {
  const test = numberTest(matcher);

  function text(written: string): boolean {
    const value = upToNul(written).trim();
    const read = readDecimal(value);
    if (read !== null) return test(read);
    // `5e3`, `0x1388`, `5,000`, `5000abc`, digits of other scripts: each is a number to some.
    if (/\p{Nd}|inf/iu.test(value)) return true;
    // PHP makes 0 of all else.
    return test(0);
  }

  return {
    text,
    json: (value) => {
      if (typeof value === 'number') return test(value);
      if (typeof value === 'boolean') return test(value ? 1 : 0);
      return typeof value === 'string' ? text(value) : isUnsafeNumber(value);
    },
  };
}

/** Lists differ in what more is false; to JavaScript and Rails every other text is true. */
const falsehoods = new Set(['f', 'no', 'n', 'off', 'null', 'nil', 'none', '']);

function booleanLikeness(matcher: RulesetMatcher): ValueTest {
  const named = namedValues(matcher);
  const isMeant = (value: boolean): boolean => named === null || named.includes(String(value));

  function text(written: string): boolean {
    const value = fold(upToNul(written).trim());
    if (value === 'false') return isMeant(false);
    const read = readDecimal(value);
    if (read !== null) return isMeant(read !== 0);
    return isMeant(true) || falsehoods.has(value);
  }

  return {
    text,
    json: (value) => {
      if (typeof value === 'boolean') return isMeant(value);
      if (typeof value === 'number') return isMeant(value !== 0);
      return typeof value === 'string' ? text(value) : isUnsafeNumber(value);
    },
  };
}

/** As names are, so that the Kelvin sign is a `k`. */
function fold(text: string): string {
  return text.toUpperCase().toLowerCase();
}
