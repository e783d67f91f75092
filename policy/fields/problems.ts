// What can never match in conditions on fields. A rule with such a condition is broken: a grant grants nothing, a guard
// holds without it; the status of its policy says so.

import { readDecimal } from '../content/number.ts';
import { findPatternProblem } from '../pattern.ts';
import type { RulesetFields, RulesetMatcher } from '../ruleset.ts';
import { compileExactness } from './exactness.ts';
import { isLonger, namedValues, typeOf } from './matcher.ts';
import { parsePointer, type Token } from './pointer.ts';
import { foldHeader, partsOf } from './spelling.ts';

export interface FieldProblem {
  /** A field of the rule, such as `body.fields[/amount]`. */
  readonly field: string;
  /** What is wrong there, as a sentence without its subject. */
  readonly message: string;
}

/** @param where `query`, `headers`, or what has pointers: `body`, `mcp.tools[x].arguments`. */
export function findFieldProblems(fields: RulesetFields, where: string): FieldProblem[] {
  const problems: FieldProblem[] = [];
  const entries = Object.entries(fields.fields ?? {});
  for (const [key, matcher] of entries) {
    const isPointer = !isNamed(where);
    const message =
      isPointer && parsePointer(key) === null
        ? 'is no JSON pointer: write such as /amount, with ~0 for ~ and ~1 for / inside a name'
        : findMatcherProblem(matcher);
    if (message !== null) problems.push({ field: `${where}.fields[${key}]`, message });
  }
  for (const [at, [key, matcher]] of entries.entries()) {
    const rival = entries
      .slice(at + 1)
      .find(([other, its]) => areRivals([key, matcher], [other, its], where));
    if (rival === undefined) continue;
    problems.push({
      field: `${where}.fields[${rival[0]}]`,
      message: `cannot be there together with ${key}, of which it is another spelling, a member or the whole`,
    });
  }
  return problems;
}

function isNamed(where: string): boolean {
  return /(?:^|\.)(?:query|headers)$/.test(where);
}

function findMatcherProblem(matcher: RulesetMatcher): string | null {
  const { absent, min, max, pattern, startsWith, maxLength } = matcher;
  const others = Object.keys(matcher).filter((key) => key !== 'absent' && key !== 'optional');
  if (absent === true) {
    return others.length === 0
      ? null
      : `has absent beside ${others.join(' and ')}: what must be absent has no value`;
  }
  const type = typeOf(matcher);
  const isText = startsWith !== undefined || pattern !== undefined || maxLength !== undefined;
  if (isText && type !== 'String') return 'asks for a string and for something else: no value is both';
  if ((min !== undefined || max !== undefined) && type !== 'Number') {
    return 'has min or max, which only numbers have';
  }
  if (min !== undefined && max !== undefined && min > max) return 'has a min above its max';
  if (pattern !== undefined) {
    const problem = findPatternProblem(pattern);
    if (problem !== null) return `has a pattern that ${problem}`;
  }
  if (startsWith !== undefined && maxLength !== undefined && isLonger(startsWith, maxLength)) {
    return 'has a maxLength that is shorter than its startsWith';
  }
  return findValueProblem(matcher);
}

/** Whether any of the values that it names passes all else that it asks for. */
function findValueProblem(matcher: RulesetMatcher): string | null {
  const named = namedValues(matcher);
  if (named === null) return null;
  const test = compileExactness(matcher);
  if (named.some((value) => test.text(value))) return null;
  const type = typeOf(matcher);
  if (type === 'Boolean') return 'compares a Boolean with something else than "true" or "false"';
  if (type === 'Number' && named.some((value) => readDecimal(value) === null)) {
    return 'compares a number with what is no plain decimal of at most 15 digits';
  }
  return 'names no value that passes the rest of it';
}

type Entry = readonly [key: string, matcher: RulesetMatcher];

/** Of two spellings of one name, or of a value and a member of it, one at most can be there. */
function areRivals(one: Entry, other: Entry, where: string): boolean {
  const [first, second] = [one, other].map(([key]) => placeOf(key, where));
  if (first === undefined || second === undefined) return false;
  const [outer, inner] = first.length <= second.length ? [one, other] : [other, one];
  const length = Math.min(first.length, second.length);
  for (let at = 0; at < length; at += 1) if (first[at] !== second[at]) return false;
  // An optional one beside another spelling only says that it is not there.
  if (first.length === second.length) {
    return (isRequired(one[1]) || isRequired(other[1])) && !isOptional(one[1]) && !isOptional(other[1]);
  }
  if (isRequired(inner[1])) return true;
  return isRequired(outer[1]) && inner[1].absent !== true;
}

function isRequired({ optional, absent }: RulesetMatcher): boolean {
  return optional !== true && absent !== true;
}

function isOptional({ optional, absent }: RulesetMatcher): boolean {
  return optional === true && absent !== true;
}

function placeOf(key: string, where: string): readonly string[] | undefined {
  if (where.endsWith('headers')) return [foldHeader(key)];
  if (isNamed(where)) return partsOf(key);
  return parsePointer(key)?.map(({ folded }: Token) => folded);
}
