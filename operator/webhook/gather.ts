// What the cluster says about a pod that is about to be created: gathered first, judged afterwards by the injector.

import { placeholdersOf, type Placeholder } from '../../policy/agent-environment.ts';
import type { PlannedDestination } from '../../policy/capture-plan.ts';
import { labels, podPaths } from '../../policy/contract.ts';
import { isParsed, parseResource } from '../../policy/parse.ts';
import type { KindName, Resource } from '../../policy/resources/kinds.ts';
import type { Labels } from '../../policy/resources/selector.ts';
import { opensTo, selectAgent, type Agent } from '../../policy/selection.ts';
import { plannedDestination } from '../injector/capture.ts';
import type { SelectedBy } from '../injector/pod-changes.ts';
import type { Pod } from '../injector/pod.ts';
import type { SecretNeed } from '../injector/secret-volumes.ts';
import type { StoreToken } from '../injector/volumes.ts';
import { secretsFor, tokenFor } from '../injector/store-access.ts';

/** The operator's view of the cluster; objects are raw, as the API server returns them. */
export interface AdmissionCluster {
  /** Null when there is no such namespace even after asking the API server itself. */
  namespaceLabels(namespace: string): Promise<Labels | null>;
  stores(): readonly unknown[];
  destinations(): readonly unknown[];
  /** Asks the API server itself where its own view has no such pod. */
  isInjected(namespace: string, pod: string): Promise<boolean>;
  credentials(namespace: string): readonly unknown[];
  policies(namespace: string): readonly unknown[];
}

export interface Gathered {
  readonly stores: readonly StoreToken[];
  readonly secrets: readonly SecretNeed[];
  readonly placeholders: readonly Placeholder[];
  readonly destinations: readonly PlannedDestination[];
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
    const stores = parsed('AgentSecretStore', cluster.stores()).filter((store) =>
      opensTo(store, namespaceLabels),
    );
    return {
      stores: stores.map(tokenFor).filter((token) => token !== null),
      secrets: credentials.flatMap((credential) => secretsFor(credential, stores)),
      placeholders: placeholdersOf(credentials, { namespace, trustDirectory: podPaths.trust }),
      destinations: parsed('AgentDestination', cluster.destinations())
        .filter((destination) => opensTo(destination, namespaceLabels))
        .map(plannedDestination),
    };
  };
}

/** Of a pod that is there already, by the labels that it has or would have. */
export function createSelectedBy(cluster: AdmissionCluster) {
  const parsed = createParsed();
  return (agent: Omit<Agent, 'podLabels'>): SelectedBy =>
    (podLabels) =>
      new Set(
        parsed('AgentPolicy', cluster.policies(agent.namespace))
          .filter(({ spec }) => selectAgent(spec.agents, { ...agent, podLabels: [podLabels] }).forGrants)
          .map(({ metadata }) => metadata.name),
      );
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
