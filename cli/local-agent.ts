// Who is taken for the agent where there is no pod, and the ruleset that follows.

import { compileRuleset, type Compiled } from '../policy/compile.ts';
import { labelName, objectName } from '../policy/resources/names.ts';
import type { LabelSelector } from '../policy/resources/selector.ts';
import type { Agent } from '../policy/selection.ts';
import { defaultNamespace, type AnyResource } from './resource-files.ts';
import { UsageError } from './usage-error.ts';

/**
 * Reads `namespace/serviceaccount[,label=value…]`.
 * @param text null when `--as` was not given, which is fine while no policy selects by anything.
 * @throws {UsageError}
 */
export function parseAgent(text: string | null, resources: readonly AnyResource[]): Agent {
  if (text === null) return defaultAgent(resources);
  const [identity = '', ...pairs] = text.split(',');
  const [namespace = '', serviceAccount = '', ...rest] = identity.split('/');
  const named = labelName().safeParse(namespace).success && objectName().safeParse(serviceAccount).success;
  if (!named || rest.length > 0) {
    throw new UsageError(
      `--as ${text}: write namespace/serviceaccount[,label=value…], such as research/triage,app=triage`,
    );
  }
  const labels = pairs.map((pair) => /^([^=]+)=([^=]*)$/.exec(pair) ?? pair);
  for (const pair of labels) {
    if (typeof pair === 'string')
      throw new UsageError(`--as ${text}: ${pair} is no label; write label=value`);
  }
  const entries = labels.map((pair) => [pair[1] ?? '', pair[2] ?? ''] as const);
  return agentOf(namespace, serviceAccount, Object.fromEntries(entries));
}

function defaultAgent(resources: readonly AnyResource[]): Agent {
  const selecting = resources.find(
    (resource) =>
      (resource.kind === 'AgentPolicy' && Object.keys(resource.spec.agents).length > 0) ||
      (resource.kind === 'ClusterAgentPolicy' && resource.spec.agents.serviceAccounts !== undefined),
  );
  const namespaces = [
    ...new Set(
      resources
        .filter(({ kind }) => kind === 'AgentPolicy')
        .map(({ metadata }) => metadata.namespace ?? defaultNamespace),
    ),
  ];
  if (selecting !== undefined || namespaces.length > 1) {
    const why =
      selecting === undefined
        ? 'there are policies of several namespaces'
        : `the policy ${selecting.metadata.name} selects agents`;
    throw new UsageError(
      `--as is missing: ${why}, so say who the agent is, such as --as research/triage,app=triage`,
    );
  }
  return agentOf(namespaces[0] ?? defaultNamespace, 'default', {});
}

function agentOf(namespace: string, serviceAccount: string, labels: Record<string, string>): Agent {
  return { namespace, serviceAccount, namespaceLabels: {}, podLabels: [labels] };
}

/**
 * What selects namespaces by label, such as `AgentDestination wiki`.
 * @param namespace only what can concern this one: guards of the cluster, and what objects of the namespace name.
 */
export function namespaceSelectors(resources: readonly AnyResource[], namespace?: string): string[] {
  const own = resources.filter(({ metadata }) => metadata.namespace === namespace);
  const named = new Set(own.flatMap(namesIn));
  return resources
    .filter((resource) => Object.keys(namespaceSelectorOf(resource) ?? {}).length > 0)
    .map((resource) => ({ resource, name: `${resource.kind} ${resource.metadata.name}` }))
    .filter(
      ({ resource, name }) =>
        namespace === undefined || resource.kind === 'ClusterAgentPolicy' || named.has(name),
    )
    .map(({ name }) => name);
}

/** The stores and destinations that a policy or credential names. */
function namesIn(resource: AnyResource): string[] {
  const destinations = (rules: readonly { readonly destination?: string | undefined }[]): string[] =>
    rules.flatMap(({ destination }) => (destination === undefined ? [] : `AgentDestination ${destination}`));
  if (resource.kind === 'AgentPolicy') return destinations(resource.spec.rules ?? []);
  if (resource.kind !== 'AgentCredential') return [];
  const { source, allow } = resource.spec;
  return [
    ...(source.vault === undefined ? [] : [`AgentSecretStore ${source.vault.store}`]),
    ...destinations(allow),
  ];
}

function namespaceSelectorOf(resource: AnyResource): LabelSelector | undefined {
  if (resource.kind === 'ClusterAgentPolicy') return resource.spec.agents.namespaceSelector;
  const isShared = resource.kind === 'AgentSecretStore' || resource.kind === 'AgentDestination';
  return isShared ? resource.spec.namespaceSelector : undefined;
}

/** Where no namespace is there to have labels, every namespace selector matches. */
export function openNamespaceSelectors(resources: readonly AnyResource[]): AnyResource[] {
  return resources.map((resource): AnyResource => {
    if (namespaceSelectorOf(resource) === undefined) return resource;
    if (resource.kind === 'ClusterAgentPolicy') {
      const { namespaceSelector: _, ...agents } = resource.spec.agents;
      return { ...resource, spec: { ...resource.spec, agents } };
    }
    return { ...resource, spec: { ...resource.spec, namespaceSelector: {} } } as AnyResource;
  });
}

export function compileForAgent(resources: readonly AnyResource[], agent: Agent): Compiled {
  const ofKind = (kind: AnyResource['kind']): AnyResource[] =>
    resources.filter((resource) => resource.kind === kind);
  return compileRuleset({
    agent,
    policies: ofKind('AgentPolicy'),
    clusterPolicies: ofKind('ClusterAgentPolicy'),
    credentials: ofKind('AgentCredential'),
    stores: ofKind('AgentSecretStore'),
    destinations: ofKind('AgentDestination'),
    settings: {
      clusterDomain: 'cluster.local',
      telemetry: null,
      operatorCas: '',
      clusterRanges: [],
      capture: { level: 'cooperative', allowCooperative: true },
    },
  });
}
