// What objects of ours refer to, gathered from the informers' stores.

import type { CheckContext } from '../../policy/check-context.ts';
import type { KindName } from '../../policy/resources/kinds.ts';
import type { Informers } from '../kube/informers.ts';

export function gatherContext({ resources, namespaces }: Informers, namespace: string): CheckContext {
  return {
    namespaceLabels: namespaces.get(namespace)?.metadata.labels ?? {},
    credentials: resources.AgentCredential.inNamespace(namespace),
    policies: resources.AgentPolicy.inNamespace(namespace),
    stores: resources.AgentSecretStore.list(),
    destinations: resources.AgentDestination.list(),
    clusterPolicies: resources.ClusterAgentPolicy.list(),
  };
}

/** For a kind of the cluster, which refers to nothing in a namespace. */
export function gatherClusterContext({ resources }: Informers): CheckContext {
  return {
    namespaceLabels: {},
    credentials: [],
    policies: [],
    stores: resources.AgentSecretStore.list(),
    destinations: resources.AgentDestination.list(),
    clusterPolicies: resources.ClusterAgentPolicy.list(),
  };
}

/** True when an object of these kinds has the field `field` with the value `name` anywhere in its spec. */
export function isNamed(
  informers: Informers,
  kinds: readonly KindName[],
  field: string,
  name: string,
): boolean {
  return kinds.some((kind) =>
    informers.resources[kind].list().some(({ spec }) => hasField(spec, field, name)),
  );
}

/** Far deeper than any field of ours; what the API server stores can be deeper than a stack. */
const maxDepth = 16;

function hasField(value: unknown, field: string, name: string, depth = 0): boolean {
  if (typeof value !== 'object' || value === null || depth > maxDepth) return false;
  return Object.entries(value).some(
    ([key, inner]) => (key === field && inner === name) || hasField(inner, field, name, depth + 1),
  );
}
