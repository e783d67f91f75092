// The compiled ruleset of every agent, kept while nothing that went into it changes. Agents of one namespace and
// ServiceAccount whose labels no policy tells apart share one, so a thousand pods of a StatefulSet, each with a label of
// its own, are compiled once.

import { compileRuleset, type CompileSettings } from '../../policy/compile.ts';
import { counterKey } from '../../policy/limits/charge.ts';
import {
  canonicalJson,
  emptyRuleset,
  rulesetRevision,
  type Ruleset,
  type RulesetLimit,
} from '../../policy/ruleset.ts';
import type { Agent } from '../../policy/selection.ts';
import type { Metrics } from '../metrics.ts';
import type { Informers, RawResource } from '../kube/informers.ts';
import type { Change } from '../kube/store.ts';
import { concernedNamespaces } from './concerned-namespaces.ts';

export interface CompiledRuleset {
  readonly revision: string;
  readonly requires: readonly string[];
  readonly halt: Ruleset['halt'];
  /** Credentials that the agent's grants name, whether or not they can be used. */
  readonly credentials: ReadonlySet<string>;
  /** Limits of its grants, by `counterKey`. */
  readonly limits: ReadonlyMap<string, RulesetLimit>;
  /** The ruleset as JSON, without line breaks. Made when it is sent: thousands of them would share most of their rules. */
  readonly json: () => string;
}

/** Which agents a change may concern; null is all. */
export type Scope = string | null;

export interface Rulesets {
  compile(agent: Agent): CompiledRuleset;
  /** Refuses everything, for the same reason if it is a halt: for a sidecar that cannot enforce what `compiled` needs. */
  refusal(agent: Agent, compiled: CompiledRuleset): CompiledRuleset;
  /** Called at once with every change of an input. */
  onChange(listener: (scope: Scope) => void): void;
  /** Some setting that goes into every ruleset has changed. */
  settingsChanged(): void;
}

interface Entry {
  readonly compiled: CompiledRuleset;
  readonly inputs: string;
  usedAtMs: number;
}

/** Long enough for every stream's and reconcile's next look; pods that have gone leave nothing behind. */
const unusedMs = 15 * 60_000;

export function createRulesets(deps: {
  readonly informers: Informers;
  /** Read at each compilation: the bundle of CAs changes. */
  readonly settings: () => CompileSettings;
  readonly metrics: Metrics;
}): Rulesets {
  const { resources, namespaces } = deps.informers;
  const entries = new Map<string, Entry>();
  const listeners: ((scope: Scope) => void)[] = [];
  /** Counts changes, for all agents and per namespace: a compiled ruleset is good while both stand still. */
  let clusterChanges = 0;
  const namespaceChanges = new Map<string, number>();
  const labelKeys = new Map<string, { readonly inputs: string; readonly keys: readonly string[] }>();
  let sweptAtMs = performance.now();

  function changed(scope: Scope): void {
    if (scope === null) clusterChanges += 1;
    else namespaceChanges.set(scope, (namespaceChanges.get(scope) ?? 0) + 1);
    for (const listener of listeners) listener(scope);
  }

  for (const kind of ['AgentPolicy', 'AgentCredential'] as const) {
    resources[kind].onChange((change) => {
      if (isOfSpec(change)) changed((change.current ?? change.previous)?.metadata.namespace ?? null);
    });
  }
  resources.ClusterAgentPolicy.onChange((change) => {
    if (!isOfSpec(change)) return;
    for (const scope of concernedNamespaces(change, namespaces.list())) changed(scope);
  });
  for (const kind of ['AgentSecretStore', 'AgentDestination'] as const) {
    resources[kind].onChange((change) => {
      if (isOfSpec(change)) changed(null);
    });
  }
  namespaces.onChange(({ key, current, previous }) => {
    if (canonicalJson(current?.metadata.labels) !== canonicalJson(previous?.metadata.labels)) changed(key);
  });

  function compileNow(agent: Agent): CompiledRuleset {
    const compiled = compileRuleset({
      agent,
      policies: resources.AgentPolicy.inNamespace(agent.namespace),
      clusterPolicies: resources.ClusterAgentPolicy.list(),
      credentials: resources.AgentCredential.inNamespace(agent.namespace),
      stores: resources.AgentSecretStore.list(),
      destinations: resources.AgentDestination.list(),
      settings: deps.settings(),
    });
    return render(compiled.ruleset, compiled.revision);
  }

  /** The labels that some policy of the namespace asks for; those of the cluster go by no label of a pod. */
  function labelKeysOf(namespace: string, inputs: string): readonly string[] {
    const known = labelKeys.get(namespace);
    if (known?.inputs === inputs) return known.keys;
    const keys = new Set(
      resources.AgentPolicy.inNamespace(namespace).flatMap(({ spec }) => selectedKeys(spec)),
    );
    labelKeys.set(namespace, { inputs, keys: [...keys].toSorted() });
    return labelKeysOf(namespace, inputs);
  }

  function sweep(now: number): void {
    if (now - sweptAtMs < unusedMs) return;
    sweptAtMs = now;
    for (const [key, { usedAtMs }] of entries) if (now - usedAtMs > unusedMs) entries.delete(key);
  }

  return {
    compile: (agent) => {
      const now = performance.now();
      sweep(now);
      const { namespace, serviceAccount, podLabels } = agent;
      const inputs = `${clusterChanges} ${namespaceChanges.get(namespace) ?? 0}`;
      const keys = labelKeysOf(namespace, inputs);
      const told = podLabels.map((labels) => keys.map((name) => labels[name] ?? null));
      const key = JSON.stringify([namespace, serviceAccount, ...told]);
      const known = entries.get(key);
      if (known?.inputs === inputs) {
        known.usedAtMs = now;
        return known.compiled;
      }
      const compiled = compileNow(agent);
      deps.metrics.rulesetCompilations.inc();
      entries.set(key, { compiled, inputs, usedAtMs: now });
      return compiled;
    },
    refusal: ({ namespace, serviceAccount }, { halt }) => {
      const { operatorCas, telemetry } = deps.settings();
      const ruleset = { ...emptyRuleset({ namespace, serviceAccount }, operatorCas), telemetry, halt };
      return render(ruleset, rulesetRevision(ruleset));
    },
    onChange: (listener) => void listeners.push(listener),
    settingsChanged: () => changed(null),
  };
}

function render(ruleset: Ruleset, revision: string): CompiledRuleset {
  return {
    revision,
    requires: ruleset.requires,
    halt: ruleset.halt,
    credentials: new Set(ruleset.grants.flatMap(({ credential }) => credential ?? [])),
    limits: new Map(
      ruleset.grants.flatMap(({ policy, name: rule, limits = [] }) =>
        limits.map((limit) => [counterKey({ policy, rule, limit: limit.name }), limit] as const),
      ),
    ),
    json: () => JSON.stringify(ruleset),
  };
}

/** Statuses, which the operator itself writes, leave the generation as it is. */
function isOfSpec({ current, previous }: Change<RawResource>): boolean {
  return (
    current?.metadata.uid !== previous?.metadata.uid ||
    current?.metadata.generation !== previous?.metadata.generation
  );
}

/** Of a selector as policy/ reads it; one that it cannot read looks at no label. */
function selectedKeys(spec: unknown): readonly string[] {
  const selector = memberOf(memberOf(spec, 'agents'), 'podSelector');
  const expressions = memberOf(selector, 'matchExpressions');
  const expressed = Array.isArray(expressions) ? expressions.map((each) => memberOf(each, 'key')) : [];
  return [
    ...Object.keys(memberOf(selector, 'matchLabels') ?? {}),
    ...expressed.filter((key) => typeof key === 'string'),
  ];
}

function memberOf(value: unknown, name: string): unknown {
  return (value as Readonly<Record<string, unknown>> | null | undefined)?.[name];
}
