// What limits count, one ConfigMap per namespace of agents, in the operator's own namespace. Every write names the version
// that it replaces, so of two replicas that both believe they lead, only one can go on. The namespace of the agents owns
// it, so that Kubernetes removes it with that namespace.

import type { KubeClient, KubeList, KubeObject } from '../kube/client.ts';

export interface StoredLimits {
  readonly namespace: string;
  /** Null when the object has no such key. */
  readonly text: string | null;
  readonly configMap: ConfigMap;
}

export interface LimitStore {
  list(): Promise<readonly StoredLimits[]>;
  read(namespace: string): Promise<StoredLimits | null>;
  /**
   * @param previous what was read or written last; null: there was nothing.
   * @throws {OperatorError} KUBE_CONFLICT when somebody has written since, KUBE_NOT_FOUND when somebody removed it; any
   * other when it may have been written.
   */
  write(namespace: string, text: string, previous: StoredLimits | null): Promise<StoredLimits>;
}

interface ConfigMap extends KubeObject {
  readonly data?: Readonly<Record<string, string>>;
}

const prefix = 'outrider-limits.';
const key = 'counters';
const labels = { 'app.kubernetes.io/name': 'outrider', 'app.kubernetes.io/component': 'limits' };
const labelSelector = Object.entries(labels)
  .map(([name, value]) => `${name}=${value}`)
  .join(',');

export function createLimitStore(deps: {
  readonly kube: KubeClient;
  /** The operator's own. */
  readonly namespace: string;
  /** Uid of a namespace of agents. */
  readonly uidOf: (namespace: string) => string | undefined;
}): LimitStore {
  const { kube, uidOf } = deps;
  const path = `/api/v1/namespaces/${encodeURIComponent(deps.namespace)}/configmaps`;

  function describe(configMap: ConfigMap): StoredLimits {
    const namespace = configMap.metadata.name.slice(prefix.length);
    return { namespace, text: configMap.data?.[key] ?? null, configMap };
  }

  /** One verb for all reading; `get` could not be limited to names that are not known in advance either. */
  async function list(query: Readonly<Record<string, string>>): Promise<readonly StoredLimits[]> {
    const { items } = await kube.request<KubeList<ConfigMap>>({ method: 'GET', path, query });
    return items.filter(({ metadata }) => metadata.name.startsWith(prefix)).map(describe);
  }

  function create(namespace: string): ConfigMap {
    const uid = uidOf(namespace);
    const owner = { apiVersion: 'v1', kind: 'Namespace', name: namespace, uid };
    const metadata = {
      name: `${prefix}${namespace}`,
      namespace: deps.namespace,
      labels,
      ...(uid === undefined ? {} : { ownerReferences: [owner] }),
    };
    return { apiVersion: 'v1', kind: 'ConfigMap', metadata };
  }

  return {
    list: () => list({ labelSelector }),
    read: async (namespace) => {
      const fieldSelector = `metadata.name=${prefix}${namespace}`;
      return (await list({ fieldSelector }))[0] ?? null;
    },
    write: async (namespace, text, previous) => {
      const body = { ...(previous?.configMap ?? create(namespace)), data: { [key]: text } };
      const written = await kube.request<ConfigMap>(
        previous === null
          ? { method: 'POST', path, body }
          : { method: 'PUT', path: `${path}/${prefix}${namespace}`, body },
      );
      return describe(written);
    },
  };
}
