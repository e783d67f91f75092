// What a sidecar must be able to enforce for a ruleset: one that lacks any of it refuses the ruleset.

import type { Feature, Ruleset, RulesetRule } from './ruleset.ts';

/** Sorted. */
export function requirements(ruleset: Ruleset): readonly Feature[] {
  const { guards, grants, credentials, destinations, observeUntilMs } = ruleset;
  const needed = new Set<Feature>(['rules/v1']);
  for (const rule of [...guards, ...grants]) for (const feature of ofRule(rule)) needed.add(feature);
  for (const { source, inject } of Object.values(credentials)) {
    needed.add(`source/${source.kind}`).add(`inject/${inject.kind}`);
  }
  if (Object.values(destinations).some(({ scheme }) => scheme !== 'https')) needed.add('destination/http');
  if (observeUntilMs !== null) needed.add('observe');
  return [...needed].toSorted();
}

function* ofRule(rule: RulesetRule): Generator<Feature> {
  const { action, audit, query, headers, body, mcp, github, when, limits, opens, statusOnly } = rule;
  if (query !== undefined || headers !== undefined || body !== undefined) yield 'rules/fields';
  if (mcp !== undefined) yield 'rules/mcp';
  if (github !== undefined) yield 'rules/github';
  if (when !== undefined) yield 'rules/cel';
  if (rule.during !== undefined || rule.outside !== undefined) yield 'rules/schedule';
  if (limits !== undefined) yield 'rules/limits';
  const isApproved = limits?.some(({ exceeded }) => exceeded === 'RequireApproval') ?? false;
  if (action === 'RequireApproval' || isApproved) yield 'rules/approval';
  if (audit !== undefined) yield 'rules/audit';
  if (opens !== undefined) yield 'rules/opens';
  if (statusOnly !== undefined) yield 'rules/status-only';
}
