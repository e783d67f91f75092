// Which change makes which statuses worth another look. A trigger too many costs a comparison; one too few is made
// good by the controllers' resync.

import { canonicalJson } from '../../policy/ruleset.ts';
import type { KindName } from '../../policy/resources/kinds.ts';
import type { Aggregates } from '../control/aggregates.ts';
import type { Informers, Pod, RawResource } from '../kube/informers.ts';
import type { Change } from '../kube/store.ts';
import type { Controller } from './controller.ts';

/** A Deployment's rollout or a synced folder is many changes; statuses follow them together. */
const defaultGatherMs = 2_000;

export function connectTriggers(deps: {
  readonly informers: Informers;
  readonly aggregates: Aggregates;
  readonly controllers: Readonly<Record<KindName, Controller>>;
  readonly gatherMs?: number | undefined;
}): void {
  const { informers, aggregates, controllers, gatherMs = defaultGatherMs } = deps;
  const { AgentPolicy, ClusterAgentPolicy, AgentCredential, AgentSecretStore, AgentDestination } =
    controllers;
  const { resources, namespaces, pods } = informers;

  // Its own changes at once, another's status writes among them, which are then put right.
  for (const [kind, reflector] of Object.entries(resources)) {
    reflector.onChange(({ key }) => controllers[kind as KindName].enqueue(key));
  }
  resources.AgentPolicy.onChange((change) => {
    if (!concernsOthers(change)) return;
    // Rules shadow those of other policies.
    AgentPolicy.enqueueAll(gatherMs, namespaceOf(change));
    AgentCredential.enqueueAll(gatherMs, namespaceOf(change));
    AgentDestination.enqueueAll(gatherMs);
  });
  resources.ClusterAgentPolicy.onChange((change) => {
    if (!concernsOthers(change)) return;
    AgentPolicy.enqueueAll(gatherMs);
    AgentDestination.enqueueAll(gatherMs);
  });
  resources.AgentCredential.onChange((change) => {
    if (!concernsOthers(change)) return;
    AgentPolicy.enqueueAll(gatherMs, namespaceOf(change));
    // Of two that ask for one variable the first by name has it.
    AgentCredential.enqueueAll(gatherMs, namespaceOf(change));
    AgentSecretStore.enqueueAll(gatherMs);
    AgentDestination.enqueueAll(gatherMs);
  });
  resources.AgentSecretStore.onChange((change) => {
    if (concernsOthers(change)) AgentCredential.enqueueAll(gatherMs);
  });
  resources.AgentDestination.onChange((change) => {
    if (!concernsOthers(change)) return;
    AgentPolicy.enqueueAll(gatherMs);
    ClusterAgentPolicy.enqueueAll(gatherMs);
    AgentCredential.enqueueAll(gatherMs);
  });
  namespaces.onChange(({ key, current, previous }) => {
    if (canonicalJson(current?.metadata.labels) === canonicalJson(previous?.metadata.labels)) return;
    AgentPolicy.enqueueAll(gatherMs, key);
    ClusterAgentPolicy.enqueueAll(gatherMs);
    AgentCredential.enqueueAll(gatherMs, key);
  });
  pods.onChange((change) => {
    if (!isOfAgent(change)) return;
    AgentPolicy.enqueueAll(gatherMs, namespaceOf(change));
    ClusterAgentPolicy.enqueueAll(gatherMs);
    AgentCredential.enqueueAll(gatherMs, namespaceOf(change));
  });
  aggregates.onChange((namespace, credential) => AgentCredential.enqueue(`${namespace}/${credential}`));
  // Every agent's every report may move a count; names are what sidecars say.
  aggregates.onShadowChange((namespace, { policy, cluster }) => {
    const [kind, key] =
      cluster === true
        ? (['ClusterAgentPolicy', policy] as const)
        : (['AgentPolicy', `${namespace}/${policy}`] as const);
    if (resources[kind].get(key) !== undefined) controllers[kind].enqueue(key, gatherMs);
  });
}

function namespaceOf({ current, previous }: Change<RawResource | Pod>): string {
  return (current ?? previous)?.metadata.namespace ?? '';
}

/** Others depend on what an object says, not on its status. */
function concernsOthers({ current, previous }: Change<RawResource>): boolean {
  return (
    current?.metadata.generation !== previous?.metadata.generation ||
    current?.metadata.uid !== previous?.metadata.uid
  );
}

/** Pods change with every probe; of these only what selects them, and whether they run, counts. */
function isOfAgent({ current, previous }: Change<Pod>): boolean {
  const facts = (pod: Pod | undefined) =>
    canonicalJson([pod?.metadata.uid, pod?.metadata.labels, pod?.serviceAccount, pod?.phase]);
  return facts(current) !== facts(previous);
}
