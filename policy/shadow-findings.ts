// What other rules make of a rule: a Deny that leaves nothing of it, a wider one that makes it say nothing, another
// credential for the same requests.

import type { CheckContext } from './check-context.ts';
import { matchCovers, matchCoversWithin, matchesOverlapWithin } from './overlap.ts';
import { isParsed, parseOnce, type Finding } from './parse.ts';
import type { AgentPolicy, ClusterAgentPolicy } from './resources/kinds.ts';
import type { ClusterRule, Rule } from './resources/rule.ts';
import { selectsLabels, type AgentSelector } from './resources/selector.ts';
import type { RulesetMatch } from './ruleset.ts';

/** Comparing every rule with every other is quadratic; beyond so many the findings are not complete. */
const maxCompared = 4096;
/** Pairs of characters of patterns, for each rule: a policy of 64 that are as long as can be takes a second or two. */
const maxCharacters = 4_000_000;

export function findShadows(
  rule: Rule,
  at: string,
  policy: AgentPolicy,
  context: CheckContext,
): readonly Finding[] {
  const others = context.policies
    .map((raw) => parseOnce('AgentPolicy', raw))
    .filter((parsed) => isParsed<AgentPolicy>(parsed))
    .filter(
      ({ metadata, spec }) => metadata.namespace === policy.metadata.namespace && spec.mode === 'Enforce',
    );
  const siblings = others.some(({ metadata }) => metadata.name === policy.metadata.name)
    ? others
    : [policy, ...others];
  return [
    ...findDenied(rule, at, policy, siblings, context),
    ...findRepeated(rule, at, policy),
    ...findAmbiguous(rule, at, policy, siblings),
  ];
}

function findDenied(
  rule: Rule,
  at: string,
  policy: AgentPolicy,
  siblings: readonly AgentPolicy[],
  { clusterPolicies, namespaceLabels }: CheckContext,
): readonly Finding[] {
  if (rule.action === 'Deny' || rule.github !== undefined) return [];
  const own = siblings
    .filter(({ spec }) => selectsAll(spec.agents, policy.spec.agents))
    .flatMap(({ metadata, spec }) => (spec.rules ?? []).map((guard) => ({ by: metadata.name, guard })));
  const cluster = clusterPolicies
    .map((raw) => parseOnce('ClusterAgentPolicy', raw))
    .filter((parsed) => isParsed<ClusterAgentPolicy>(parsed))
    .filter(({ spec }) => spec.mode === 'Enforce' && spec.agents.serviceAccounts === undefined)
    .filter(({ spec }) => selectsLabels(spec.agents.namespaceSelector ?? {}, namespaceLabels))
    .flatMap(({ metadata, spec }) => (spec.rules ?? []).map((guard) => ({ by: metadata.name, guard })));
  const budget = { left: maxCharacters };
  const denying = [...own, ...cluster]
    .slice(0, maxCompared)
    .find(
      ({ guard }) =>
        guard.action === 'Deny' &&
        isUnconditional(guard) &&
        matchCoversWithin(matchOf(guard), matchOf(rule), budget),
    );
  if (denying === undefined) return [];
  return [
    {
      reason: 'Shadowed',
      field: at,
      message: `can never grant anything: the rule ${denying.guard.name} of ${denying.by} denies all that it matches`,
      blocking: false,
    },
  ];
}

/** Within one policy alone: what another policy grants is that one's to take back. */
function findRepeated(rule: Rule, at: string, { spec }: AgentPolicy): readonly Finding[] {
  if (!addsNothing(rule)) return [];
  const budget = { left: maxCharacters };
  const wider = (spec.rules ?? []).find(
    (other) =>
      other.name !== rule.name &&
      other.action === rule.action &&
      other.credential === rule.credential &&
      addsNothing(other) &&
      isUnconditional(other) &&
      matchCoversWithin(matchOf(other), matchOf(rule), budget) &&
      // Of two equal ones the first by name stays.
      (!matchCovers(matchOf(rule), matchOf(other)) || !isUnconditional(rule) || other.name < rule.name),
  );
  if (wider === undefined) return [];
  return [
    {
      reason: 'Shadowed',
      field: at,
      message: `changes nothing: the rule ${wider.name} matches all that it matches`,
      blocking: false,
    },
  ];
}

function findAmbiguous(
  rule: Rule,
  at: string,
  policy: AgentPolicy,
  siblings: readonly AgentPolicy[],
): readonly Finding[] {
  const { credential } = rule;
  if (credential === undefined || rule.github !== undefined) return [];
  const rivals = siblings
    .filter(({ spec }) => maySelectBoth(spec.agents, policy.spec.agents))
    .flatMap(({ metadata, spec }) => (spec.rules ?? []).map((other) => ({ by: metadata.name, other })))
    .slice(0, maxCompared);
  const budget = { left: maxCharacters };
  const rival = rivals.find(
    ({ other }) =>
      other.action !== 'Deny' &&
      other.github === undefined &&
      other.credential !== undefined &&
      other.credential !== credential &&
      matchesOverlapWithin(matchOf(rule), matchOf(other), budget) === true,
  );
  if (rival === undefined) return [];
  return [
    {
      reason: 'CredentialAmbiguous',
      field: `${at}.credential`,
      message: `meets the rule ${rival.other.name} of ${rival.by}, which names ${rival.other.credential}: where both match, a request is refused unless its placeholder says which one is meant; tell them apart by hosts, methods or paths`,
      blocking: false,
    },
  ];
}

function matchOf({ hosts, destination, methods, paths }: Rule | ClusterRule): RulesetMatch {
  return { hosts, destination, methods, paths } as RulesetMatch;
}

const conditions = ['query', 'headers', 'body', 'mcp', 'github', 'when', 'during', 'outside'] as const;

function isUnconditional(rule: Rule | ClusterRule): boolean {
  return conditions.every((key) => rule[key] === undefined);
}

/** Whether matching it twice is like matching it once. */
function addsNothing({ limits, approval, response, opens, message }: Rule): boolean {
  return [limits, approval, response, opens, message].every((field) => field === undefined);
}

/** Every agent of the second is one of the first. */
function selectsAll(wide: AgentSelector, narrow: AgentSelector): boolean {
  if (
    wide.podSelector !== undefined &&
    JSON.stringify(wide.podSelector) !== JSON.stringify(narrow.podSelector)
  ) {
    return Object.keys(wide.podSelector).length === 0;
  }
  const { serviceAccounts } = wide;
  if (serviceAccounts === undefined) return true;
  return narrow.serviceAccounts?.every((name) => serviceAccounts.includes(name)) ?? false;
}

function maySelectBoth(a: AgentSelector, b: AgentSelector): boolean {
  const [first, second] = [a.serviceAccounts, b.serviceAccounts];
  if (first !== undefined && second !== undefined && !first.some((name) => second.includes(name)))
    return false;
  const [labelsA, labelsB] = [a.podSelector?.matchLabels ?? {}, b.podSelector?.matchLabels ?? {}];
  return Object.entries(labelsA).every(([key, value]) => (labelsB[key] ?? value) === value);
}
