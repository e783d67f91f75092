// Who the command is taken for in local mode, and the ruleset that follows.

import { compileRuleset, type Compiled } from '../policy/compile.ts';
import { labelName, objectName } from '../policy/resources/names.ts';
import type { Agent } from '../policy/selection.ts';
import type { AnyResource } from './resource-files.ts';
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
  const policies = resources.filter((resource) => resource.kind === 'AgentPolicy');
  const selecting = policies.find(
    ({ spec }) => spec.agents.podSelector !== undefined || spec.agents.serviceAccounts !== undefined,
  );
  const namespaces = [...new Set(policies.map(({ metadata }) => metadata.namespace ?? 'default'))];
  if (selecting !== undefined || namespaces.length > 1) {
    const why =
      selecting === undefined
        ? 'there are policies of several namespaces'
        : `the policy ${selecting.metadata.name} selects agents`;
    throw new UsageError(
      `--as is missing: ${why}, so say who the command is, such as --as research/triage,app=triage`,
    );
  }
  return agentOf(namespaces[0] ?? 'default', 'default', {});
}

function agentOf(namespace: string, serviceAccount: string, labels: Record<string, string>): Agent {
  return { namespace, serviceAccount, namespaceLabels: {}, podLabels: [labels] };
}

/** Compiles for an agent that every namespace selector lets in: there are no namespaces to have labels here. */
export function compileForAgent(resources: readonly AnyResource[], agent: Agent): Compiled {
  const ofKind = (kind: AnyResource['kind']): AnyResource[] =>
    resources.filter((resource) => resource.kind === kind);
  const opened = (kind: 'AgentSecretStore' | 'AgentDestination'): object[] =>
    ofKind(kind).map((resource) => ({ ...resource, spec: { ...resource.spec, namespaceSelector: {} } }));
  return compileRuleset({
    agent,
    policies: ofKind('AgentPolicy'),
    credentials: ofKind('AgentCredential'),
    stores: opened('AgentSecretStore'),
    destinations: opened('AgentDestination'),
    settings: { clusterDomain: 'cluster.local', telemetry: null, operatorCas: '' },
  });
}
