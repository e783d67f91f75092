// What a reflector holds: objects by namespace and name. Objects are never changed in place, so whoever holds one
// holds a snapshot, and identity tells whether it is still the same version.

import type { KubeObject } from './client.ts';

export interface Change<T> {
  /** `namespace/name`, or `name` of a cluster-scoped object. */
  readonly key: string;
  /** Undefined: it was deleted. */
  readonly current: T | undefined;
  /** Undefined: it is new. */
  readonly previous: T | undefined;
}

export interface Store<T extends KubeObject> {
  get(key: string): T | undefined;
  list(): readonly T[];
  inNamespace(namespace: string): readonly T[];
  readonly size: number;
}

export interface WritableStore<T extends KubeObject> extends Store<T> {
  put(object: T): Change<T> | null;
  remove(object: KubeObject): Change<T> | null;
  /** Makes the store hold exactly these, as after a list; returns what that changed. */
  replace(objects: readonly T[]): readonly Change<T>[];
}

export function keyOf({ metadata }: KubeObject): string {
  return metadata.namespace === undefined ? metadata.name : `${metadata.namespace}/${metadata.name}`;
}

export function createStore<T extends KubeObject>(): WritableStore<T> {
  const objects = new Map<string, T>();
  const namespaces = new Map<string, Map<string, T>>();

  function put(object: T): Change<T> | null {
    const key = keyOf(object);
    const previous = objects.get(key);
    if (previous?.metadata.resourceVersion === object.metadata.resourceVersion && previous !== undefined)
      return null;
    objects.set(key, object);
    const { namespace } = object.metadata;
    if (namespace !== undefined) {
      let siblings = namespaces.get(namespace);
      if (siblings === undefined) namespaces.set(namespace, (siblings = new Map<string, T>()));
      siblings.set(key, object);
    }
    return { key, current: object, previous };
  }

  function remove(object: KubeObject): Change<T> | null {
    const key = keyOf(object);
    const previous = objects.get(key);
    if (previous === undefined) return null;
    objects.delete(key);
    const { namespace } = object.metadata;
    if (namespace !== undefined) {
      const siblings = namespaces.get(namespace);
      siblings?.delete(key);
      if (siblings?.size === 0) namespaces.delete(namespace);
    }
    return { key, current: undefined, previous };
  }

  return {
    get: (key) => objects.get(key),
    list: () => [...objects.values()],
    inNamespace: (namespace) => [...(namespaces.get(namespace)?.values() ?? [])],
    get size() {
      return objects.size;
    },
    put,
    remove,
    replace: (listed) => {
      const kept = new Set(listed.map(keyOf));
      const gone = [...objects.values()].filter((object) => !kept.has(keyOf(object)));
      return [...gone.map(remove), ...listed.map(put)].filter((change) => change !== null);
    },
  };
}
