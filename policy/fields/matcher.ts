// What is common to a matcher for a grant (`exactness.ts`) and for a guard (`likeness.ts`).

import type { JsonValue } from '../content/json.ts';
import { readDecimal } from '../content/number.ts';
import type { RulesetMatcher } from '../ruleset.ts';

export interface ValueTest {
  readonly json: (value: JsonValue) => boolean;
  /** Of a query, a form or a header, where everything is written as text. */
  readonly text: (value: string) => boolean;
}

export type ValueType = 'String' | 'Number' | 'Boolean';

export function typeOf({ type, min, max }: RulesetMatcher): ValueType {
  return type ?? (min === undefined && max === undefined ? 'String' : 'Number');
}

/** The values that `equals` and `oneOf` name; null when neither is there. */
export function namedValues({ equals, oneOf }: RulesetMatcher): readonly string[] | null {
  if (equals === undefined) return oneOf ?? null;
  return oneOf === undefined || oneOf.includes(equals) ? [equals] : [];
}

export function numberTest(matcher: RulesetMatcher): (value: number) => boolean {
  const { min = -Infinity, max = Infinity } = matcher;
  const named = namedValues(matcher);
  const numbers = named === null ? null : new Set(named.map(readDecimal));
  return (value) => value >= min && value <= max && (numbers === null || numbers.has(value));
}

/** In code points, of which each takes one or two of a string's units. */
export function isLonger(value: string, maxLength: number): boolean {
  if (value.length <= maxLength) return false;
  if (value.length > 2 * maxLength) return true;
  let count = 0;
  for (let at = 0; at < value.length; at += 1) {
    const unit = value.charCodeAt(at);
    const isSecondHalf = unit >= 0xdc00 && unit <= 0xdfff;
    if (!isSecondHalf) count += 1;
    if (count > maxLength) return true;
  }
  return false;
}
