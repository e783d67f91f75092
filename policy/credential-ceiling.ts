// Where a credential may go: its own `allow`, which no rule widens.

import { compileMethods } from './methods.ts';
import type { Reading } from './reading.ts';
import { createRuleIndex } from './rule-index.ts';
import { matchCovers } from './overlap.ts';
import type { Ruleset, RulesetCredential, RulesetMatch, RulesetRule } from './ruleset.ts';

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

  return (reading) => {
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
