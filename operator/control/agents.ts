// The agents of the cluster: injected pods that have not ended.

import type { Agent } from '../../policy/selection.ts';
import { canonicalJson } from '../../policy/ruleset.ts';
import type { Labels } from '../../policy/resources/selector.ts';
import type { Informers, Pod } from '../kube/informers.ts';

export interface Agents {
  /** Pods of one namespace, or of all. */
  pods(namespace?: string): readonly Pod[];
  /** By the namespace and name that a token says; null when there is no such agent with this uid. */
  find(namespace: string, name: string, uid: string): Pod | null;
  /** @param labelsAtOpen the pod's labels when its stream opened, if it has one. */
  agentOf(pod: Pod, labelsAtOpen?: Labels): Agent;
}

export function createAgents({ pods, namespaces }: Pick<Informers, 'pods' | 'namespaces'>): Agents {
  return {
    pods: (namespace) =>
      (namespace === undefined ? pods.list() : pods.inNamespace(namespace)).filter(isRunning),
    find: (namespace, name, uid) => {
      const pod = pods.get(`${namespace}/${name}`);
      return pod !== undefined && pod.metadata.uid === uid && isRunning(pod) ? pod : null;
    },
    agentOf: (pod, labelsAtOpen) => {
      const { namespace = '', labels = {} } = pod.metadata;
      return {
        namespace,
        serviceAccount: pod.serviceAccount,
        namespaceLabels: namespaces.get(namespace)?.metadata.labels ?? {},
        podLabels:
          labelsAtOpen === undefined || isSame(labelsAtOpen, labels) ? [labels] : [labelsAtOpen, labels],
      };
    },
  };
}

/** A pod that is being deleted still runs, and still needs its policy. */
function isRunning({ phase }: Pod): boolean {
  return phase !== 'Succeeded' && phase !== 'Failed';
}

function isSame(a: Labels, b: Labels): boolean {
  return canonicalJson(a) === canonicalJson(b);
}
