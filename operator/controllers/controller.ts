// The shape of every controller: take a name, gather what the object refers to, decide its status purely, write it.
// Levels, not edges: a reconcile knows no event, so a missed one costs a delay and never a wrong state.

import { SpanStatusCode, trace } from '@opentelemetry/api';
import type { FastifyBaseLogger } from 'fastify';
import type { KindName } from '../../policy/resources/kinds.ts';
import { codeOf, OperatorError } from '../errors.ts';
import type { RawResource } from '../kube/informers.ts';
import { createQueue, type Next } from '../kube/queue.ts';
import type { DesiredStatus, StatusWriter } from '../kube/status.ts';
import { keyOf, type Store } from '../kube/store.ts';
import type { Metrics } from '../metrics.ts';

/** How one reconcile ends. */
export type Outcome =
  | { readonly kind: 'done' }
  /** Nothing failed; look again later. */
  | { readonly kind: 'requeue'; readonly afterMs: number }
  /** Failed for now; again with backoff. */
  | { readonly kind: 'retry'; readonly error: unknown }
  /** Failed until somebody changes something; only a change brings the key back. */
  | { readonly kind: 'terminal'; readonly error: unknown };

export interface Controller {
  readonly kind: KindName;
  enqueue(key: string, afterMs?: number): void;
  /** Enqueues every object of the kind, or of one namespace. */
  enqueueAll(afterMs?: number, namespace?: string): void;
  /** Works until the term ends. */
  begin(term: AbortSignal): void;
}

export interface ControllerDeps {
  readonly kind: KindName;
  readonly objects: Store<RawResource>;
  readonly status: StatusWriter;
  /** Gathers and decides; reads the informers' stores, and nothing else. */
  readonly decide: (object: RawResource) => DesiredStatus;
  readonly log: FastifyBaseLogger;
  readonly metrics: Metrics;
}

/** Status writes are waits for the API server; more at once would only queue there. */
const concurrency = 4;
const conflictMs = 250;
/** Everything once more, in case that something outside changed a status, or a trigger is missing. */
const resyncMs = 10 * 60_000;

export function createController(deps: ControllerDeps): Controller {
  const { kind, objects, status, metrics } = deps;
  const log = deps.log.child({ controller: kind });
  const tracer = trace.getTracer('outrider-operator');
  let term: AbortSignal = AbortSignal.abort();
  const queue = createQueue({ work, concurrency, log });

  async function reconcile(key: string): Promise<Outcome> {
    const object = objects.get(key);
    // Deleted: there is no status to write, and what named it was enqueued by its deletion.
    if (object === undefined) return { kind: 'done' };
    try {
      const result = await status.write(kind, object, deps.decide(object), term);
      return result.kind === 'wait' ? { kind: 'requeue', afterMs: result.afterMs } : { kind: 'done' };
    } catch (error) {
      // The object is newer than what was decided by; the watch brings it.
      if (codeOf(error) === 'KUBE_CONFLICT') return { kind: 'requeue', afterMs: conflictMs };
      const final = error instanceof OperatorError && !error.retryable;
      return { kind: final ? 'terminal' : 'retry', error };
    }
  }

  async function work(key: string): Promise<Next> {
    const endTimer = metrics.reconcileDuration.startTimer({ kind });
    const outcome = await tracer.startActiveSpan('reconcile', { root: true }, async (span) => {
      const settled = await reconcile(key);
      span.setAttributes({ 'outrider.kind': kind, 'outrider.object': key, 'outrider.outcome': settled.kind });
      if ('error' in settled) span.setStatus({ code: SpanStatusCode.ERROR, message: codeOf(settled.error) });
      span.end();
      return settled;
    });
    endTimer();
    metrics.reconciles.inc({ kind, outcome: outcome.kind });
    metrics.queueDepth.set({ kind }, queue.depth);
    switch (outcome.kind) {
      case 'done':
        return { kind: 'forget' };
      case 'requeue':
        return { kind: 'later', afterMs: outcome.afterMs };
      case 'retry':
        if (!term.aborted) log.warn({ err: outcome.error, key }, 'a reconcile failed and is tried again');
        return { kind: 'backoff' };
      case 'terminal':
        log.error({ err: outcome.error, key }, 'a reconcile failed and waits for a change');
        return { kind: 'forget' };
    }
  }

  function enqueueAll(afterMs = 0, namespace?: string): void {
    for (const object of namespace === undefined ? objects.list() : objects.inNamespace(namespace)) {
      queue.add(keyOf(object), afterMs);
    }
  }

  return {
    kind,
    enqueue: (key, afterMs) => queue.add(key, afterMs),
    enqueueAll,
    begin: (signal) => {
      term = signal;
      queue.start();
      enqueueAll();
      const resync = setInterval(enqueueAll, resyncMs);
      signal.addEventListener('abort', () => {
        clearInterval(resync);
        void queue.stop();
      });
    },
  };
}
