// Work by key: each key is in the queue once, is never worked on twice at the same time, and knows no event, only
// its name (controller-runtime's contract). Failures of one key delay that key alone.

import type { FastifyBaseLogger } from 'fastify';
import { backoffMs } from './backoff.ts';

/** What to do with the key next; a key that was added meanwhile is worked on again in any case. */
export type Next =
  | { readonly kind: 'forget' }
  /** Again, after this long. */
  | { readonly kind: 'later'; readonly afterMs: number }
  /** Again, after longer each time. */
  | { readonly kind: 'backoff' };

export interface Queue {
  /** Adds a key, now or after a while; of two times the earlier counts. */
  add(key: string, afterMs?: number): void;
  /** Keys that wait to be worked on now. */
  readonly depth: number;
  start(): void;
  /** Resolves when the work that had begun is done. Keys that wait are forgotten. */
  stop(): Promise<void>;
}

export interface QueueDeps {
  /** What it rejects with is logged and counts as `backoff`. */
  readonly work: (key: string) => Promise<Next>;
  readonly concurrency: number;
  readonly log: FastifyBaseLogger;
}

/** As client-go's default rate limiter, but slower to begin: an answer of the API server takes milliseconds. */
const retry = { baseMs: 50, maxMs: 60_000 };

export function createQueue({ work, concurrency, log }: QueueDeps): Queue {
  const ready = new Set<string>();
  const working = new Set<string>();
  const delayed = new Map<string, { readonly timer: NodeJS.Timeout; readonly dueAtMs: number }>();
  const failures = new Map<string, number>();
  let started = false;
  let pumping: NodeJS.Immediate | undefined;
  let idle = Promise.withResolvers<void>();

  function add(key: string, afterMs = 0): void {
    if (!started) return;
    const earlier = delayed.get(key);
    if (afterMs > 0) {
      const dueAtMs = performance.now() + afterMs;
      if (ready.has(key) || (earlier !== undefined && earlier.dueAtMs <= dueAtMs)) return;
      clearTimeout(earlier?.timer);
      delayed.set(key, { timer: setTimeout(add, afterMs, key), dueAtMs });
      return;
    }
    clearTimeout(earlier?.timer);
    delayed.delete(key);
    ready.add(key);
    // A burst of changes becomes one pass per key.
    pumping ??= setImmediate(pump);
  }

  function pump(): void {
    pumping = undefined;
    for (const key of ready) {
      if (!started || working.size >= concurrency) return;
      // It changed while it was worked on: again, afterwards.
      if (working.has(key)) continue;
      ready.delete(key);
      working.add(key);
      void settle(key);
    }
  }

  async function settle(key: string): Promise<void> {
    const next = await work(key).catch((error: unknown): Next => {
      log.error({ err: error, key }, 'the work on a key failed');
      return { kind: 'backoff' };
    });
    working.delete(key);
    if (next.kind === 'backoff') {
      const count = (failures.get(key) ?? 0) + 1;
      failures.set(key, count);
      add(key, backoffMs(count, retry));
    } else {
      failures.delete(key);
      if (next.kind === 'later') add(key, Math.max(1, next.afterMs));
    }
    if (working.size === 0) idle.resolve();
    // Not at once: a thousand keys whose work waits for nothing would hold up heartbeats and the lease.
    pumping ??= setImmediate(pump);
  }

  return {
    add,
    get depth() {
      return ready.size;
    },
    start: () => {
      started = true;
    },
    stop: async () => {
      started = false;
      for (const { timer } of delayed.values()) clearTimeout(timer);
      ready.clear();
      delayed.clear();
      failures.clear();
      idle = Promise.withResolvers();
      if (working.size > 0) await idle.promise;
    },
  };
}
