// From the resources that concern one agent to its ruleset. Never throws: what is broken is left out where it
// grants and kept, as wide as it might be meant, where it guards. `check.ts` says so on the resource's status.

import { z } from 'zod';
import { isParsed, parseResource } from './parse.ts';
import { rule as ruleSchema, type Rule } from './resources/agent-policy.ts';
import type { AgentCredential, AgentDestination, AgentSecretStore } from './resources/kinds.ts';
import { durationMs, hostPattern } from './resources/names.ts';
import { agentSelector } from './resources/selector.ts';
import { opensTo, selectAgent, type Agent, type Selection } from './selection.ts';
import {
  rulesetRevision,
  type Feature,
  type Ruleset,
  type RulesetCredential,
  type RulesetDestination,
  type RulesetMatch,
  type RulesetRule,
  type RulesetStore,
  type RulesetTelemetry,
} from './ruleset.ts';
import { isTooWide } from './ceiling.ts';

export interface CompileInput {
  readonly agent: Agent;
  /** Raw objects of the agent's namespace. */
  readonly policies: readonly unknown[];
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
}

export interface Compiled {
  readonly ruleset: Ruleset;
  readonly revision: string;
}

export function compileRuleset(input: CompileInput): Compiled {
  const { agent, settings } = input;
  const policies = input.policies.map((policy) => readPolicy(policy, agent));
  const halt = policies
    .filter(({ halts }) => halts)
    .map(({ name }) => name)
    .toSorted()[0];
  const grants = policies.flatMap((policy) => policy.grants).toSorted(byPolicyAndName);
  const guards = policies.flatMap((policy) => policy.guards).toSorted(byPolicyAndName);

  const destinations = named(input.destinations, 'AgentDestination')
    .filter((destination) => opensTo(destination, agent.namespaceLabels))
    .map((destination) => [destination.metadata.name, compileDestination(destination, input)] as const);
  const stores = named(input.stores, 'AgentSecretStore')
    .filter((store) => opensTo(store, agent.namespaceLabels))
    .map((store) => [store.metadata.name, compileStore(store)] as const);
  const storeNames = new Set(stores.map(([name]) => name));
  const wanted = new Set(grants.map(({ credential }) => credential));
  const credentials = named(input.credentials, 'AgentCredential')
    .filter(({ metadata }) => metadata.namespace === agent.namespace && wanted.has(metadata.name))
    .map((credential) => [credential.metadata.name, compileCredential(credential)] as const)
    .filter(
      ([, { source, allow }]) => allow.length > 0 && (source.kind === 'file' || storeNames.has(source.store)),
    );

  const usedStores = new Set(
    credentials.map(([, { source }]) => (source.kind === 'vault' ? source.store : null)),
  );
  const usedDestinations = new Set(
    [...grants, ...guards, ...credentials.flatMap(([, { allow }]) => allow)].map(
      ({ destination }) => destination,
    ),
  );
  const ruleset: Ruleset = {
    format: 1,
    requires: requirements(credentials.map(([, credential]) => credential)),
    agent: { namespace: agent.namespace, serviceAccount: agent.serviceAccount },
    halt: halt === undefined ? null : { policy: halt },
    guards,
    grants,
    credentials: Object.fromEntries(credentials),
    stores: Object.fromEntries(stores.filter(([name]) => usedStores.has(name))),
    destinations: Object.fromEntries(destinations.filter(([name]) => usedDestinations.has(name))),
    telemetry: settings.telemetry,
    operatorCas: settings.operatorCas,
  };
  return { ruleset, revision: rulesetRevision(ruleset) };
}

interface ReadPolicy {
  readonly name: string;
  readonly halts: boolean;
  readonly grants: readonly RulesetRule[];
  readonly guards: readonly RulesetRule[];
}

// Built once: building a schema takes far longer than using it, and every agent is compiled at every change.
const selectorSchema = agentSelector();
const hostsSchema = z.array(hostPattern()).min(1);

/** Only what the reading needs: a rule that is broken must not take its siblings with it. */
const policyEnvelope = z.looseObject({
  metadata: z.looseObject({ name: z.string(), namespace: z.string().optional() }),
  spec: z.looseObject({
    agents: z.unknown(),
    haltAgents: z.boolean().optional().catch(true),
    rules: z.array(z.unknown()).optional().catch([]),
  }),
});

function readPolicy(value: unknown, agent: Agent): ReadPolicy {
  const envelope = policyEnvelope.safeParse(value);
  const nothing: ReadPolicy = { name: '', halts: false, grants: [], guards: [] };
  if (!envelope.success) return nothing;
  const { metadata, spec } = envelope.data;
  if (metadata.namespace !== agent.namespace) return nothing;
  const selection = readSelection(spec.agents, agent);
  const rules = (spec.rules ?? []).map((rule) => readRule(rule, metadata.name));
  return {
    name: metadata.name,
    halts: spec.haltAgents === true && selection.forGuards,
    grants: selection.forGrants ? rules.flatMap(({ grant }) => grant ?? []) : [],
    guards: selection.forGuards ? rules.flatMap(({ guard }) => guard ?? []) : [],
  };
}

/** A selector that cannot be read selects nobody for grants and everybody for guards. */
function readSelection(value: unknown, agent: Agent): Selection {
  const selector = selectorSchema.safeParse(value);
  return selector.success ? selectAgent(selector.data, agent) : { forGrants: false, forGuards: true };
}

function readRule(value: unknown, policy: string): { grant?: RulesetRule; guard?: RulesetRule } {
  const parsed = ruleSchema.safeParse(value);
  if (parsed.success) {
    const compiled = compileRule(parsed.data, policy);
    return parsed.data.action === 'Deny' ? { guard: compiled } : { grant: compiled };
  }
  const raw = (typeof value === 'object' && value !== null ? value : {}) as Record<string, unknown>;
  if (raw.action === 'Allow') return {};
  // Of a guard that cannot be read, the hosts hold if they can be, and everything is denied there.
  const hosts = hostsSchema.safeParse(raw.hosts);
  return {
    guard: {
      policy,
      name: typeof raw.name === 'string' ? raw.name : 'unreadable',
      message:
        'This rule cannot be read, so it denies all that it might be meant for; its policy’s status says why.',
      ...(hosts.success && raw.destination === undefined ? { hosts: hosts.data } : {}),
    },
  };
}

function compileRule(rule: Rule, policy: string): RulesetRule {
  return {
    policy,
    name: rule.name,
    ...(rule.message === undefined ? {} : { message: rule.message }),
    ...compileMatch(rule),
    ...(rule.credential === undefined ? {} : { credential: rule.credential }),
  };
}

function compileMatch({
  hosts,
  destination,
  methods,
  paths,
}: Pick<Rule, 'hosts' | 'destination' | 'methods' | 'paths'>): RulesetMatch {
  return {
    ...(hosts === undefined ? {} : { hosts }),
    ...(destination === undefined ? {} : { destination }),
    ...(methods === undefined ? {} : { methods }),
    ...(paths === undefined ? {} : { paths }),
  };
}

function compileCredential({ spec }: AgentCredential): RulesetCredential {
  const { vault, file } = spec.source;
  return {
    source:
      vault?.kv !== undefined
        ? { kind: 'vault', store: vault.store, role: vault.role, kv: { ...vault.kv } }
        : { kind: 'file', path: file?.path ?? '' },
    allow: spec.allow.filter(({ hosts }) => !isTooWide(hosts)).map(compileMatch),
    inject: { kind: 'bearer' },
    refreshIntervalMs: durationMs(spec.refreshInterval) ?? 300_000,
  };
}

function compileStore({ spec }: AgentSecretStore): RulesetStore {
  return {
    kind: 'vault',
    address: (spec.vault?.address ?? '').replace(/\/$/, ''),
    ...(spec.vault?.caBundle === undefined ? {} : { caBundle: spec.vault.caBundle }),
    ...(spec.vault?.namespace === undefined ? {} : { namespace: spec.vault.namespace }),
    auth: { kind: 'kubernetes', mount: spec.vault?.auth.kubernetes?.mount ?? 'kubernetes' },
  };
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

function requirements(credentials: readonly RulesetCredential[]): Feature[] {
  const needed = new Set<Feature>(['rules/v1']);
  for (const { source, inject } of credentials)
    needed.add(`source/${source.kind}`).add(`inject/${inject.kind}`);
  return [...needed].toSorted();
}

function named<K extends 'AgentCredential' | 'AgentSecretStore' | 'AgentDestination'>(
  objects: readonly unknown[],
  kind: K,
) {
  return objects
    .map((value) => parseResource(kind, value))
    .filter((parsed) => isParsed(parsed))
    .toSorted((a, b) => (a.metadata.name < b.metadata.name ? -1 : 1));
}

function byPolicyAndName(a: RulesetRule, b: RulesetRule): number {
  if (a.policy !== b.policy) return a.policy < b.policy ? -1 : 1;
  return a.name < b.name ? -1 : a.name > b.name ? 1 : 0;
}
