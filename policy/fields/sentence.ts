// What a rule asks for, in words that an agent and a person can act on.

import type { RulesetMatcher } from '../ruleset.ts';
import { namedValues, typeOf } from './matcher.ts';

/** Enough to act on; a rule's sixty values are not recited to an agent. */
const maxListed = 8;

/** @param subject such as `The query's prefix`. */
export function describeField(subject: string, matcher: RulesetMatcher): string {
  if (matcher.absent === true) return `${subject} must be left out, in every spelling.`;
  const subordinate = matcher.optional === true ? ', if it is there,' : '';
  return `${subject}${subordinate} must be ${describeValue(matcher)}.`;
}

function describeValue(matcher: RulesetMatcher): string {
  const named = namedValues(matcher);
  const type = typeOf(matcher);
  if (named !== null) return oneOf(named, type === 'String');
  if (type === 'Boolean') return 'true or false';
  if (type === 'Number') return `a number${range(matcher)}`;
  const { startsWith, pattern, maxLength } = matcher;
  const asked = [
    startsWith === undefined ? null : `starts with ${JSON.stringify(startsWith)}`,
    pattern === undefined ? null : `matches the pattern ${pattern}`,
    maxLength === undefined ? null : `has at most ${maxLength} characters`,
  ].filter((part) => part !== null);
  return asked.length === 0 ? 'a string' : `a string that ${asked.join(' and ')}`;
}

function range({ min, max }: RulesetMatcher): string {
  if (min !== undefined && max !== undefined) return ` from ${min} to ${max}`;
  if (min !== undefined) return ` of at least ${min}`;
  return max === undefined ? '' : ` of at most ${max}`;
}

function oneOf(values: readonly string[], isQuoted: boolean): string {
  const written = isQuoted ? values.map((value) => JSON.stringify(value)) : values;
  return written.length === 1 ? (written[0] ?? '') : `one of ${listed(written)}`;
}

/** @param subject such as `The query`. */
export function describeOthers(subject: string, names: readonly string[]): string {
  return names.length === 0
    ? `${subject} must be empty.`
    : `${subject} may have nothing but ${listed(names)}.`;
}

function listed(words: readonly string[]): string {
  const shown = words.slice(0, maxListed).join(', ');
  return words.length > maxListed ? `${shown} and ${words.length - maxListed} more` : shown;
}
