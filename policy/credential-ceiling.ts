// Where a credential may go: its own `allow`, which no rule widens.

import { compilePatterns, pathParts, type Match } from './match.ts';
import { compileMethods } from './methods.ts';
import { compilePlace, openedReadings } from './place.ts';
import type { Condition, Reading } from './reading.ts';
import { createRuleIndex } from './rule-index.ts';
import { matchCovers } from './overlap.ts';
import type { Ruleset, RulesetMatch, RulesetRule } from './ruleset.ts';
import type { RulesetCredential } from './ruleset-credential.ts';

interface OpenedEntry {
  readonly isPlaced: Condition;
  readonly isMethod: Condition | null;
  readonly isPath: Match | null;
}

/**
 * Compiles a ceiling. Its entries prove like grants: a credential goes nowhere that is only likely to be inside.
 * @returns whether a request lies inside.
 */
export function compileCeiling(
  allow: readonly RulesetMatch[],
  ruleset: Pick<Ruleset, 'destinations'>,
): (reading: Reading) => boolean {
  const index = createRuleIndex(
    allow.map((rule) => ({ rule })),
    ruleset,
    'grant',
  );
  const methods = allow.map((entry) => compileMethods(entry.methods, 'grant'));
  let asked: Reading;
  let isInside = false;

  function visit(at: number): void {
    const condition = methods[at] ?? null;
    if (condition === null || condition(asked) === null) isInside = true;
  }

  /** A rule opens a path for itself; nobody opened the ceiling, so every reading of the path must lie inside. */
  function isInsideOpened(reading: Reading): boolean {
    const readings = openedReadings(reading.request.segments);
    return opened().some(
      ({ isPlaced, isMethod, isPath }) =>
        isPlaced(reading) === null &&
        (isMethod === null || isMethod(reading) === null) &&
        (isPath === null || readings.every(isPath)),
    );
  }

  /** Rarely asked for, so only made then. */
  let entries: readonly OpenedEntry[] | null = null;
  function opened(): readonly OpenedEntry[] {
    entries ??= allow.map((entry, at) => ({
      isPlaced: compilePlace(entry, ruleset, 'grant'),
      isMethod: methods[at] ?? null,
      isPath: entry.paths === undefined ? null : compilePatterns(entry.paths.map(pathParts)),
    }));
    return entries;
  }

  return (reading) => {
    if (reading.request.opens.length > 0) return isInsideOpened(reading);
    asked = reading;
    isInside = false;
    index.candidates(reading, visit);
    return isInside;
  };
}

/** Whether one entry covers all that a rule on public hosts can match; false where that is not certain. */
export function isInsideCeiling(rule: RulesetRule, credential: RulesetCredential | undefined): boolean {
  const { hosts, github } = rule;
  if (hosts === undefined || github !== undefined || credential === undefined) return false;
  return credential.allow.some((entry) => entry.hosts !== undefined && matchCovers(entry, rule));
}
