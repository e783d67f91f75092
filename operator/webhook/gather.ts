// What the cluster says about a pod that is about to be created: gathered first, judged afterwards by the injector.

import { placeholder } from '../../policy/contract.ts';
import { isParsed, parseResource } from '../../policy/parse.ts';
import type { KindName, Resource } from '../../policy/resources/kinds.ts';
import type { Labels } from '../../policy/resources/selector.ts';
import { opensTo, selectAgent, type Agent } from '../../policy/selection.ts';
import { labels } from '../../policy/contract.ts';
import type { Placeholder } from '../injector/env.ts';
import type { Pod } from '../injector/pod.ts';
import type { StoreToken } from '../injector/volumes.ts';

/** The operator's view of the cluster; objects are raw, as the API server returns them. */
export interface AdmissionCluster {
  /** Null when there is no such namespace even after asking the API server itself. */
  namespaceLabels(namespace: string): Promise<Labels | null>;
  stores(): readonly unknown[];
  credentials(namespace: string): readonly unknown[];
  policies(namespace: string): readonly unknown[];
}

export interface Gathered {
  readonly stores: readonly StoreToken[];
  readonly placeholders: readonly Placeholder[];
}

export type Gather = (pod: Pod, namespace: string, namespaceLabels: Labels) => Gathered;

export function createGather(cluster: AdmissionCluster): Gather {
  const parsed = createParsed();
  return (pod, namespace, namespaceLabels) => {
    const agent: Agent = {
      namespace,
      namespaceLabels,
      serviceAccount: pod.spec.serviceAccountName ?? 'default',
      podLabels: [{ ...pod.metadata.labels, [labels.injected]: 'true' }],
    };
    const named = new Set(
      parsed('AgentPolicy', cluster.policies(namespace))
        .filter(({ spec }) => selectAgent(spec.agents, agent).forGrants)
        .flatMap(({ spec }) => (spec.rules ?? []).map(({ credential }) => credential)),
    );
    const credentials = parsed('AgentCredential', cluster.credentials(namespace)).filter(({ metadata }) =>
      named.has(metadata.name),
    );
    return {
      stores: parsed('AgentSecretStore', cluster.stores())
        .filter((store) => opensTo(store, namespaceLabels))
        .map(({ metadata, spec }) => ({ store: metadata.name, audience: spec.audience })),
      placeholders: placeholdersOf(credentials, namespace),
    };
  };
}

/** Of two credentials that ask for one variable the first by name gets it, on every replica alike. */
function placeholdersOf(
  credentials: readonly Resource<'AgentCredential'>[],
  namespace: string,
): readonly Placeholder[] {
  const byVariable = new Map<string, Placeholder>();
  for (const { metadata, spec } of credentials) {
    for (const env of spec.placeholderEnv ?? []) {
      const value = placeholder(namespace, metadata.name);
      if (!byVariable.has(env)) byVariable.set(env, { env, credential: metadata.name, value });
    }
  }
  return [...byVariable.values()].toSorted((a, b) => (a.env < b.env ? -1 : 1));
}

/** The well-formed ones by name. An informer replaces an object that changes, so each is parsed once. */
function createParsed() {
  const known = new WeakMap<object, unknown>();
  return <K extends KindName>(kind: K, objects: readonly unknown[]): readonly Resource<K>[] =>
    objects
      .flatMap((object): readonly Resource<K>[] => {
        if (typeof object !== 'object' || object === null) return [];
        let resource = known.get(object) as Resource<K> | null | undefined;
        if (resource === undefined) {
          const result = parseResource(kind, object);
          resource = isParsed<Resource<K>>(result) ? result : null;
          known.set(object, resource);
        }
        return resource === null ? [] : [resource];
      })
      .toSorted((a, b) => (a.metadata.name < b.metadata.name ? -1 : 1));
}
