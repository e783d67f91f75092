// The order of rules in a ruleset: which of several that match is recorded.

import type { RulesetRule } from './ruleset.ts';

export function byRuleName(a: RulesetRule, b: RulesetRule): number {
  if (a.policy !== b.policy) return a.policy < b.policy ? -1 : 1;
  if (a.name !== b.name) return a.name < b.name ? -1 : 1;
  // A namespace's policy and the cluster's may have one name.
  return Number(a.cluster ?? false) - Number(b.cluster ?? false);
}
