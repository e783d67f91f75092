// From the resources that concern one agent to its ruleset. Never throws: what is broken is left out where it
// grants and kept, as wide as it might be meant, where it guards. `check.ts` says so on the resource's status.

import { captureLevel, defaultCapture, type CaptureSettings } from './capture-level.ts';
import { compileCredential, compileStore } from './compile-credential.ts';
import { tokenEndpointOf } from './compile-inject.ts';
import { labels as namespaceLabels } from './contract.ts';
import { isUsable } from './credential-findings.ts';
import { isParsed, parseOnce } from './parse.ts';
import { readClusterPolicy, readPolicy } from './read-policy.ts';
import { requirements } from './requirements.ts';
import { byRuleName } from './rule-order.ts';
import type { AgentDestination } from './resources/kinds.ts';
import type { Labels } from './resources/selector.ts';
import { opensTo, type Agent } from './selection.ts';
import {
  canonicalJson,
  rulesetRevision,
  type Ruleset,
  type RulesetDestination,
  type RulesetTelemetry,
} from './ruleset.ts';

export interface CompileInput {
  readonly agent: Agent;
  /** Raw objects of the agent's namespace. */
  readonly policies: readonly unknown[];
  /** Raw objects of the cluster. */
  readonly clusterPolicies: readonly unknown[];
  readonly credentials: readonly unknown[];
  /** Raw objects of the cluster; those not open to the namespace are left out. */
  readonly stores: readonly unknown[];
  readonly destinations: readonly unknown[];
  readonly settings: CompileSettings;
}

export interface CompileSettings {
  readonly clusterDomain: string;
  readonly telemetry: RulesetTelemetry | null;
  readonly operatorCas: string;
  /** Sorted; see `Ruleset`. */
  readonly clusterRanges: readonly string[];
  /** Absent: `defaultCapture`. */
  readonly capture?: CaptureSettings;
}

export interface Compiled {
  readonly ruleset: Ruleset;
  readonly revision: string;
}

export function compileRuleset(input: CompileInput): Compiled {
  const { agent, settings } = input;
  const policies = [
    ...input.policies.filter(isOfNamespace(agent.namespace)).map((policy) => readPolicy(policy, agent)),
    ...input.clusterPolicies.map((policy) => readClusterPolicy(policy, agent)),
  ];
  const halt = policies
    .filter(({ halts }) => halts)
    .map(({ name }) => name)
    .toSorted()[0];
  const grants = policies.flatMap((policy) => policy.grants).toSorted(byRuleName);
  const guards = policies.flatMap((policy) => policy.guards).toSorted(byRuleName);

  const openDestinations = named(input.destinations, 'AgentDestination').filter((destination) =>
    opensTo(destination, agent.namespaceLabels),
  );
  const openStores = named(input.stores, 'AgentSecretStore').filter((store) =>
    opensTo(store, agent.namespaceLabels),
  );
  const level = captureLevel(settings.capture ?? defaultCapture, agent.namespaceLabels);
  const wanted = new Set(grants.map(({ credential }) => credential));
  const credentials = named(input.credentials, 'AgentCredential')
    .filter(({ metadata }) => metadata.namespace === agent.namespace && wanted.has(metadata.name))
    .filter((credential) =>
      isUsable(credential, { stores: openStores, destinations: openDestinations, level }),
    )
    .map((credential) => [credential.metadata.name, compileCredential(credential)] as const)
    .filter(([, { allow }]) => allow.length > 0);

  const usedStores = new Set(
    credentials.map(([, { source }]) => (source.kind === 'file' ? null : source.store)),
  );
  const usedDestinations = new Set([
    ...[...grants, ...guards, ...credentials.flatMap(([, { allow }]) => allow)].map(
      ({ destination }) => destination,
    ),
    ...credentials.map(([, { inject }]) => {
      const endpoint = tokenEndpointOf(inject);
      return endpoint !== null && 'destination' in endpoint ? endpoint.destination : undefined;
    }),
  ]);
  const stores = openStores.map((store) => [store.metadata.name, compileStore(store)] as const);
  const destinations = openDestinations.map(
    (destination) => [destination.metadata.name, compileDestination(destination, input)] as const,
  );
  const ruleset: Ruleset = {
    format: 1,
    requires: [],
    agent: { namespace: agent.namespace, serviceAccount: agent.serviceAccount },
    halt: halt === undefined ? null : { policy: halt },
    observeUntilMs: observeUntilMs(agent.namespaceLabels),
    guards,
    grants,
    credentials: Object.fromEntries(credentials),
    stores: Object.fromEntries(stores.filter(([name]) => usedStores.has(name))),
    destinations: Object.fromEntries(destinations.filter(([name]) => usedDestinations.has(name))),
    clusterRanges: settings.clusterRanges,
    telemetry: settings.telemetry,
    operatorCas: settings.operatorCas,
  };
  const whole = { ...ruleset, requires: requirements(ruleset) };
  return { ruleset: whole, revision: rulesetRevision(whole, withRules(whole)) };
}

/** The JSON of rules: agents share them, and most of a ruleset is rules. */
const rulesJson = new WeakMap<object, string>();

function withRules({ guards, grants }: Ruleset): typeof rulesJson {
  for (const rule of [...guards, ...grants]) {
    if (!rulesJson.has(rule)) rulesJson.set(rule, canonicalJson(rule));
  }
  return rulesJson;
}

function isOfNamespace(namespace: string): (policy: unknown) => boolean {
  return (policy) => {
    const { metadata } = (policy ?? {}) as { readonly metadata?: { readonly namespace?: unknown } | null };
    return metadata?.namespace === namespace;
  };
}

/**
 * The start, in UTC, of the day that the namespace's label names: until then what no grant matches is forwarded and
 * marked. Anything but a date is nothing.
 */
export function observeUntilMs(labels: Labels): number | null {
  const text = labels[namespaceLabels.observeUntil] ?? '';
  const ms = /^\d{4}-\d{2}-\d{2}$/.test(text) ? Date.parse(`${text}T00:00:00Z`) : NaN;
  return Number.isNaN(ms) ? null : ms;
}

function compileDestination(
  { spec }: AgentDestination,
  { agent, settings }: CompileInput,
): RulesetDestination {
  const bundle = spec.caBundle === undefined ? {} : { caBundle: spec.caBundle };
  if (spec.host !== undefined) {
    const { name, port, scheme, cidrs } = spec.host;
    return { names: [name], port, scheme, cidrs, ...bundle };
  }
  const { name = '', namespace = '', port = 443, scheme = 'https' } = spec.service ?? {};
  const full = `${name}.${namespace}.svc.${settings.clusterDomain}`;
  const names = [`${name}.${namespace}.svc`, full, `${name}.${namespace}`];
  // The short name means the Service of the pod's own namespace, as its resolver has it.
  if (namespace === agent.namespace) names.push(name);
  return { names, port, scheme, resolveAs: full, cidrs: null, ...bundle };
}

function named<K extends 'AgentCredential' | 'AgentSecretStore' | 'AgentDestination'>(
  objects: readonly unknown[],
  kind: K,
) {
  return objects
    .map((value) => parseOnce(kind, value))
    .filter((parsed) => isParsed(parsed))
    .toSorted((a, b) => (a.metadata.name < b.metadata.name ? -1 : 1));
}
