// Values that are what a grant asks for, to every server. Nothing converts: `"1"` is no number and `1` is no string, but
// in a query, a form or a header, where everything is written as text.

import { readDecimal } from '../content/number.ts';
import { compilePattern } from '../pattern.ts';
import type { RulesetMatcher } from '../ruleset.ts';
import { isLonger, namedValues, numberTest, typeOf, type ValueTest } from './matcher.ts';

export function compileExactness(matcher: RulesetMatcher): ValueTest {
  const type = typeOf(matcher);
  if (type === 'Number') {
    const test = numberTest(matcher);
    return {
      json: (value) => typeof value === 'number' && test(value),
      text: (value) => {
        const read = readDecimal(value);
        return read !== null && test(read);
      },
    };
  }
  if (type === 'Boolean') {
    const named = namedValues(matcher) ?? ['true', 'false'];
    return {
      json: (value) => typeof value === 'boolean' && named.includes(String(value)),
      text: (value) => (value === 'true' || value === 'false') && named.includes(value),
    };
  }
  const test = stringTest(matcher);
  return { json: (value) => typeof value === 'string' && test(value), text: test };
}

function stringTest(matcher: RulesetMatcher): (value: string) => boolean {
  const { startsWith, pattern, maxLength } = matcher;
  const named = namedValues(matcher);
  const values = named === null ? null : new Set(named);
  const matches = pattern === undefined ? null : compilePattern(pattern);
  return (value) => {
    // JSON can say it; what a server written in C then sees is another value.
    if (value.includes('\0')) return false;
    if (values !== null && !values.has(value)) return false;
    if (startsWith !== undefined && !value.startsWith(startsWith)) return false;
    if (maxLength !== undefined && isLonger(value, maxLength)) return false;
    return pattern === undefined || (matches?.(value) ?? false);
  };
}
