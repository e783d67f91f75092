// Keeps a local copy of one kind: list, then watch from there, for ever. Unlike the library's informers it never
// gives up, and it knows when it last proved that it still sees changes. docs/decisions/0002-reflector.md says why.

import { setTimeout as sleep } from 'node:timers/promises';
import type { FastifyBaseLogger } from 'fastify';
import { compareVersions } from '../../policy/contract.ts';
import { codeOf, OperatorError } from '../errors.ts';
import type { Metrics } from '../metrics.ts';
import { backoffMs } from './backoff.ts';
import { codeOfStatus, type KubeClient, type KubeList, type KubeObject } from './client.ts';
import { createStore, keyOf, type Change, type Store } from './store.ts';
import { readWatchEvents, type WatchEvent } from './watch-events.ts';

export interface Reflector<T extends KubeObject> extends Store<T> {
  readonly kind: string;
  /** True from the first complete list on. */
  synced(): boolean;
  /** Monotonic time (`performance.now`) at which the API server last showed that nothing is missing here. */
  lastProofMs(): number;
  /** Everything up to this resourceVersion is in the store; `'0'` before the first list. */
  progress(): string;
  /** The last resourceVersion at which something changed here, at most `progress()`. */
  lastChange(): string;
  /** Called after the store has changed. What it throws is logged and ends nothing. */
  onChange(listener: (change: Change<T>) => void): void;
  /** Lists again if need be; false when `version` is not reached by the deadline. */
  catchUp(version: string, timeoutMs: number): Promise<boolean>;
  start(): void;
  stop(): Promise<void>;
}

export interface ReflectorDeps<T extends KubeObject> {
  readonly client: KubeClient;
  readonly log: FastifyBaseLogger;
  readonly metrics: Metrics;
  readonly kind: string;
  /** Path of the collection, such as /api/v1/namespaces. */
  readonly path: string;
  readonly labelSelector?: string;
  /** Keeps what is needed of an object: thousands of pods are held in memory. */
  readonly project: (object: KubeObject) => T;
  /** For tests, which cannot wait so long. */
  readonly watchSeconds?: number | undefined;
}

/**
 * Every watch ends this soon and is taken up again, which proves an idle one live. Below `watchProofSeconds` by
 * enough for one reconnection; the API server also sends a bookmark shortly before it ends a watch.
 */
const defaultWatchSeconds = 10;
/** A watch that outlasts its own end by this much has gone silent. */
const silenceMs = 2_000;
/** Short at most: while a watch is down, heartbeats stop, and the lease of every sidecar runs (60 s). */
const retry = { baseMs: 200, maxMs: 5_000 };
const pageSize = 500;
const listTimeoutMs = 30_000;
/** A server that ends watches at once must not be asked in a tight loop. */
const minWatchMs = 1_000;
/** However many sidecars ask for a newer state than there is. */
const minRelistMs = 1_000;

export function createReflector<T extends KubeObject>(deps: ReflectorDeps<T>): Reflector<T> {
  const { client, metrics, kind, path, watchSeconds = defaultWatchSeconds } = deps;
  const log = deps.log.child({ kind });
  const store = createStore<T>();
  const listeners: ((change: Change<T>) => void)[] = [];
  const stopping = new AbortController();
  const selector = deps.labelSelector === undefined ? {} : { labelSelector: deps.labelSelector };
  let progress = '0';
  let lastChange = '0';
  let proofMs = -Infinity;
  let listedAtMs = -Infinity;
  /** Null: nothing to resume from, so list. */
  let resumeFrom: string | null = null;
  let watching: AbortController | undefined;
  let advanced = Promise.withResolvers<void>();
  let running: Promise<void> = Promise.resolve();

  function proveTo(version: string): void {
    proofMs = performance.now();
    progress = resumeFrom = version;
  }

  function tell(change: Change<T> | null): void {
    if (change === null) return;
    for (const listener of listeners) {
      try {
        listener(change);
      } catch (error) {
        log.error({ err: error, key: change.key }, 'a listener failed on a change');
      }
    }
  }

  /** Without a resourceVersion the API server answers with nothing older than any write before (a quorum read). */
  async function list(): Promise<void> {
    const askedAtMs = performance.now();
    const objects: T[] = [];
    let version = '0';
    let next: string | undefined;
    do {
      const query = {
        ...selector,
        limit: String(pageSize),
        ...(next === undefined ? {} : { continue: next }),
      };
      const page: KubeList<KubeObject> = await client.request({
        method: 'GET',
        path,
        query,
        signal: stopping.signal,
        timeoutMs: listTimeoutMs,
      });
      for (const item of page.items) objects.push(...project(item));
      version = page.metadata.resourceVersion;
      next = page.metadata.continue === '' ? undefined : page.metadata.continue;
    } while (next !== undefined);
    const changes = store.replace(objects);
    if (compareVersions(version, progress) < 0) {
      // Only a restored etcd does this. Claiming the old progress would be a lie, so sidecars refuse what comes next.
      log.error({ before: progress, now: version }, 'the API server has gone back in time');
    }
    // Deletions leave no trace in a list, so any list may be a change.
    progress = lastChange = resumeFrom = version;
    proofMs = askedAtMs;
    listedAtMs = performance.now();
    for (const change of changes) tell(change);
  }

  /** None for an object that cannot be read: it must not take the others with it. */
  function project(object: KubeObject): T[] {
    try {
      return [deps.project(object)];
    } catch (error) {
      log.error({ err: error, key: keyOf(object) }, 'an object cannot be read');
      return [];
    }
  }

  function apply({ type, object }: WatchEvent): void {
    if (type === 'ERROR') {
      throw new OperatorError(codeOfStatus(object.code ?? 500), {
        detail: String(object.message).slice(0, 500),
      });
    }
    const version = object.metadata.resourceVersion ?? '';
    if (!/^[1-9]\d*$/.test(version))
      throw new OperatorError('KUBE_INVALID', { detail: 'An event has no version.' });
    if (type === 'BOOKMARK') return proveTo(version);
    const [known] = type === 'DELETED' ? [] : project(object);
    const change = known === undefined ? store.remove(object) : store.put(known);
    lastChange = version;
    proveTo(version);
    tell(change);
  }

  /** One watch, from where the last one ended to its clean end. */
  async function watch(from: string): Promise<void> {
    const startedAtMs = performance.now();
    watching = new AbortController();
    const silence = AbortSignal.timeout(watchSeconds * 1000 + silenceMs);
    const signal = AbortSignal.any([stopping.signal, watching.signal, silence]);
    const query = {
      ...selector,
      watch: 'true',
      allowWatchBookmarks: 'true',
      resourceVersion: from,
      timeoutSeconds: String(watchSeconds),
    };
    for await (const event of readWatchEvents(await client.watch(path, query, signal))) apply(event);
    // The end arrived in order behind every event, so nothing is missing up to now.
    proofMs = performance.now();
    const restMs = minWatchMs - (proofMs - startedAtMs);
    if (restMs > 0) await sleep(restMs, undefined, { signal });
  }

  async function run(): Promise<void> {
    let failures = 0;
    while (!stopping.signal.aborted) {
      try {
        if (resumeFrom === null) {
          await list();
          advanced.resolve();
          advanced = Promise.withResolvers();
        }
        if (resumeFrom !== null) await watch(resumeFrom);
        failures = 0;
      } catch (error) {
        if (stopping.signal.aborted) return;
        resumeFrom = null;
        // Asked to list again: no failure.
        if (watching?.signal.aborted === true) {
          watching = undefined;
          const restMs = minRelistMs - (performance.now() - listedAtMs);
          await sleep(Math.max(0, restMs), undefined, { signal: stopping.signal }).catch(() => undefined);
          continue;
        }
        failures += 1;
        metrics.watchRestarts.inc({ kind, code: codeOf(error) });
        const retryAfterMs = error instanceof OperatorError ? (error.retryAfterMs ?? 0) : 0;
        const delayMs = Math.min(retry.maxMs, Math.max(retryAfterMs, backoffMs(failures, retry)));
        log.warn({ err: error, failures, delayMs: Math.round(delayMs) }, 'the watch ended; listing again');
        await sleep(delayMs, undefined, { signal: stopping.signal }).catch(() => undefined);
      }
    }
  }

  return {
    kind,
    get: (key) => store.get(key),
    list: () => store.list(),
    inNamespace: (namespace) => store.inNamespace(namespace),
    get size() {
      return store.size;
    },
    synced: () => listedAtMs > 0,
    lastProofMs: () => proofMs,
    progress: () => progress,
    lastChange: () => lastChange,
    onChange: (listener) => void listeners.push(listener),
    catchUp: async (version, timeoutMs) => {
      const deadline = sleep(timeoutMs, 'late' as const, { ref: false });
      // Two lists at most: one that had begun before this call proves nothing about it.
      for (let attempt = 0; compareVersions(progress, version) < 0 && attempt < 2; attempt += 1) {
        watching?.abort();
        if ((await Promise.race([advanced.promise, deadline])) === 'late') break;
      }
      return compareVersions(progress, version) >= 0;
    },
    start: () => {
      running = run();
    },
    stop: async () => {
      stopping.abort();
      await running;
    },
  };
}
