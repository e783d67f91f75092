// Where a credential may go, and how it is put on a request there: its own `allow`, which no rule widens.

import { compilePatterns, pathParts, type Match } from './match.ts';
import { compileMethods } from './methods.ts';
import { openedReadings } from './path-readings.ts';
import { compilePlace } from './place.ts';
import type { Condition, Reading } from './reading.ts';
import { createRuleIndex } from './rule-index.ts';
import { matchCovers, matchesOverlap } from './overlap.ts';
import { canonicalJson, type Ruleset, type RulesetRule } from './ruleset.ts';
import type { RulesetCeilingEntry, RulesetCredential, RulesetInject } from './ruleset-credential.ts';

/** Entries contain the request that say different things of how the credential is put on it. */
export const ambiguous = 'ambiguous';

export interface Ceiling {
  /** How the credential is put on the request; null when that lies outside. */
  injectFor(reading: Reading): RulesetInject | typeof ambiguous | null;
  /**
   * The same for all that a rule on public hosts can match of paths that open nothing; null where that is not certain,
   * and each request has to be looked at. Most rules ask for no more than one entry gives.
   */
  injectForAll(rule: RulesetRule): RulesetInject | null;
}

interface OpenedEntry {
  readonly inject: RulesetInject;
  readonly isPlaced: Condition;
  readonly isMethod: Condition | null;
  readonly isPath: Match | null;
}

/** Compiles a ceiling. Its entries prove like grants: a credential goes nowhere that is only likely to be inside. */
export function compileCeiling(
  { allow, inject: own }: Pick<RulesetCredential, 'allow' | 'inject'>,
  ruleset: Pick<Ruleset, 'destinations'>,
): Ceiling {
  const index = createRuleIndex(
    allow.map((rule) => ({ rule })),
    ruleset,
    'grant',
  );
  const methods = allow.map((entry) => compileMethods(entry.methods, 'grant'));
  const injects = injectsOf(allow, own);
  let asked: Reading;
  let found: RulesetInject | typeof ambiguous | null = null;

  function take(inject: RulesetInject): void {
    found = found === null || found === inject ? inject : ambiguous;
  }

  function visit(at: number): void {
    const condition = methods[at] ?? null;
    if (condition === null || condition(asked) === null) take(injects[at] ?? own);
  }

  /** A rule opens a path for itself; nobody opened the ceiling, so every reading of the path must lie inside. */
  function visitOpened(reading: Reading): void {
    const readings = openedReadings(reading.request.segments);
    for (const { inject, isPlaced, isMethod, isPath } of opened()) {
      const isInside =
        isPlaced(reading) === null &&
        (isMethod === null || isMethod(reading) === null) &&
        (isPath === null || readings.every(isPath));
      if (isInside) take(inject);
    }
  }

  /** Rarely asked for, so only made then. */
  let entries: readonly OpenedEntry[] | null = null;
  function opened(): readonly OpenedEntry[] {
    entries ??= allow.map((entry, at) => ({
      inject: injects[at] ?? own,
      isPlaced: compilePlace(entry, ruleset, 'grant'),
      isMethod: methods[at] ?? null,
      isPath: entry.paths === undefined ? null : compilePatterns(entry.paths.map(pathParts)),
    }));
    return entries;
  }

  return {
    injectFor: (reading) => {
      asked = reading;
      found = null;
      if (reading.request.opens.length > 0) visitOpened(reading);
      else index.candidates(reading, visit);
      return found;
    },
    injectForAll: (rule) => {
      if (rule.hosts === undefined || rule.github !== undefined) return null;
      const covering = allow.findIndex((entry) => entry.hosts !== undefined && matchCovers(entry, rule));
      const inject = injects[covering];
      if (inject === undefined) return null;
      // A destination may be one of the rule's hosts by another name.
      const isContested = allow.some(
        (entry, at) =>
          injects[at] !== inject && (entry.destination !== undefined || matchesOverlap(entry, rule)),
      );
      return isContested ? null : inject;
    },
  };
}

/** What holds in each entry: one object where several say the same. */
function injectsOf(allow: readonly RulesetCeilingEntry[], own: RulesetInject): readonly RulesetInject[] {
  if (allow.every(({ inject }) => inject === undefined)) return allow.map(() => own);
  const known = new Map([[canonicalJson(own), own]]);
  return allow.map(({ inject = own }) => {
    const text = canonicalJson(inject);
    const same = known.get(text) ?? inject;
    known.set(text, same);
    return same;
  });
}
