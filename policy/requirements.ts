// What a sidecar must be able to enforce for a ruleset: one that lacks any of it refuses the ruleset.

import type { RulesetCredential } from './ruleset-credential.ts';
import type { Feature, Ruleset, RulesetRule } from './ruleset.ts';

/** Sorted. */
export function requirements(ruleset: Ruleset): readonly Feature[] {
  const { guards, grants, credentials, stores, destinations, observeUntilMs } = ruleset;
  const needed = new Set<Feature>(['rules/v1']);
  for (const rule of [...guards, ...grants]) for (const feature of ofRule(rule)) needed.add(feature);
  // One that knows no minting endpoints would let a glob grant them.
  if (grants.length > 0) needed.add('rules/minting');
  for (const credential of Object.values(credentials)) {
    for (const feature of ofCredential(credential)) needed.add(feature);
  }
  for (const store of Object.values(stores)) {
    if (store.kind === 'vault' && store.auth.kind !== 'kubernetes')
      needed.add(`store/vault/${store.auth.kind}`);
  }
  const schemes = Object.values(destinations).map(({ scheme }) => scheme);
  if (schemes.some((scheme) => scheme !== 'https')) needed.add('destination/http');
  if (schemes.includes('tcp')) needed.add('destination/tcp');
  if (ruleset.clusterRanges.length > 0) needed.add('cluster-ranges');
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

function* ofCredential({ source, allow, inject, placeholderFile }: RulesetCredential): Generator<Feature> {
  yield `source/${source.kind}`;
  yield `inject/${inject.kind}`;
  for (const entry of allow) {
    if (entry.inject === undefined) continue;
    yield 'inject/per-entry';
    yield `inject/${entry.inject.kind}`;
  }
  if (placeholderFile !== undefined) yield 'placeholder-file';
  if (source.kind === 'vault') {
    if (source.dynamic !== undefined) yield 'source/vault/dynamic';
    // Of one field of a KV engine every version has known.
    const { fields, field } = source.dynamic ?? { fields: source.kv?.fields };
    if (fields !== undefined || field !== undefined) yield 'source/fields';
    return;
  }
  if (source.kind === 'file' && source.volume !== undefined) yield 'source/file/volume';
  if (source.fields !== undefined || source.field !== undefined) yield 'source/fields';
}
