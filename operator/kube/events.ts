// Kubernetes Events (events.k8s.io/v1), as client-go's recorder makes them: what repeats becomes one series with a count,
// and nobody waits for them. An event that the API server does not take is lost; the status says the same.
// https://kubernetes.io/docs/reference/kubernetes-api/cluster-resources/event-v1/

import { randomBytes } from 'node:crypto';
import { setTimeout as sleep } from 'node:timers/promises';
import type { FastifyBaseLogger } from 'fastify';
import { codeOf, OperatorError } from '../errors.ts';
import type { Metrics } from '../metrics.ts';
import { backoffMs } from './backoff.ts';
import type { KubeClient } from './client.ts';

export interface NewEvent {
  readonly regarding: {
    readonly apiVersion: string;
    readonly kind: string;
    readonly namespace: string;
    readonly name: string;
    readonly uid: string;
  };
  readonly type: 'Normal' | 'Warning';
  readonly reason: string;
  /** What was being done, in UpperCamelCase. */
  readonly action: string;
  readonly note: string;
  /** Events of one object and reason are one series where this is the same. */
  readonly about?: string;
}

export interface EventRecorder {
  /** Outside a term nothing is recorded. */
  record(event: NewEvent): void;
  begin(term: AbortSignal): void;
}

export interface EventTiming {
  /** A series is written no more often. */
  readonly seriesMs: number;
  /** One that was quiet for so long is over: client-go's finishTime. */
  readonly quietMs: number;
  /** Between two writes. */
  readonly gapMs: number;
}

const defaultTiming: EventTiming = { seriesMs: 60_000, quietMs: 6 * 60_000, gapMs: 100 };
const controller = 'outrider.dev/operator';
const path = (namespace: string): string => `/apis/events.k8s.io/v1/namespaces/${namespace}/events`;

/** Each is below 2 KiB, so this is 2 MiB at most; a cluster with more credentials changing state at once has other troubles. */
const maxSeries = 1_000;
/** The API server's limit (ValidateEventCreate). */
const maxNoteBytes = 1_024;
const retry = { attempts: 3, baseMs: 500, maxMs: 5_000 } as const;

interface Series {
  readonly event: NewEvent;
  readonly name: string;
  readonly firstAtMs: number;
  lastAtMs: number;
  count: number;
  /** Of what the API server has; 0 before there is anything. */
  writtenCount: number;
  writtenAtMs: number;
}

export function createEventRecorder(deps: {
  readonly client: KubeClient;
  /** Name of this replica's pod. */
  readonly instance: string;
  readonly log: FastifyBaseLogger;
  readonly metrics: Metrics;
  readonly timing?: Partial<EventTiming> | undefined;
}): EventRecorder {
  const { client, instance, log, metrics } = deps;
  const timing = { ...defaultTiming, ...deps.timing };
  /** The oldest first. */
  const known = new Map<string, Series>();
  let term: AbortSignal = AbortSignal.abort();
  let wake = (): void => {};

  function nextDue(now: number): Series | undefined {
    for (const [key, series] of known) {
      const isDue = series.writtenCount === 0 || now - series.writtenAtMs >= timing.seriesMs;
      if (series.count > series.writtenCount && isDue) return series;
      if (series.count === series.writtenCount && now - series.lastAtMs > timing.quietMs) known.delete(key);
    }
    return undefined;
  }

  async function run(signal: AbortSignal): Promise<void> {
    while (!signal.aborted) {
      const woken = new Promise<void>((resolve) => (wake = resolve));
      const series = nextDue(Date.now());
      if (series === undefined) {
        await Promise.race([woken, pause(timing.seriesMs / 4, signal)]);
        continue;
      }
      await write(series, signal);
      await pause(timing.gapMs, signal);
    }
  }

  async function write(series: Series, signal: AbortSignal): Promise<void> {
    const { count } = series;
    for (let attempt = 1; !signal.aborted; attempt++) {
      try {
        await send(series, signal);
        metrics.events.inc({ outcome: 'written' });
        break;
      } catch (error) {
        // It lives for an hour by default (--event-ttl), while a series may go on.
        if (codeOf(error) === 'KUBE_NOT_FOUND' && series.writtenCount > 0) {
          series.writtenCount = 0;
          continue;
        }
        // An answer that did not reach us: the name is random, so what is there is ours.
        if (codeOf(error) === 'KUBE_CONFLICT' && attempt > 1) break;
        const isFinal = error instanceof OperatorError && !error.retryable;
        if (isFinal || attempt === retry.attempts) {
          metrics.events.inc({ outcome: 'dropped' });
          if (!signal.aborted) log.warn({ err: error, reason: series.event.reason }, 'an event was dropped');
          break;
        }
        await pause(backoffMs(attempt, retry), signal);
      }
    }
    series.writtenCount = count;
    series.writtenAtMs = Date.now();
  }

  async function send({ event, name, ...series }: Series, signal: AbortSignal): Promise<void> {
    const { namespace } = event.regarding;
    const repeated =
      series.count > 1
        ? { series: { count: series.count, lastObservedTime: microTime(series.lastAtMs) } }
        : {};
    if (series.writtenCount > 0) {
      const target = `${path(namespace)}/${name}`;
      await client.request({ method: 'PATCH', path: target, patch: 'merge-patch', body: repeated, signal });
      return;
    }
    const body = {
      metadata: { name, namespace },
      eventTime: microTime(series.firstAtMs),
      reportingController: controller,
      reportingInstance: instance,
      regarding: event.regarding,
      type: event.type,
      reason: event.reason,
      action: event.action,
      note: shortened(event.note),
      ...repeated,
    };
    await client.request({ method: 'POST', path: path(namespace), body, signal });
  }

  return {
    record: (event) => {
      if (term.aborted) return;
      const now = Date.now();
      const { regarding, type, reason, about = '' } = event;
      const key = JSON.stringify([regarding.uid, type, reason, about]);
      const series = known.get(key);
      if (series !== undefined) {
        series.count += 1;
        series.lastAtMs = now;
        return;
      }
      if (known.size >= maxSeries) {
        metrics.events.inc({ outcome: 'dropped' });
        return;
      }
      const suffix = randomBytes(8).toString('hex');
      // Of 253 characters that an object's name may have.
      const name = `${regarding.name.slice(0, 230).replace(/[.-]+$/, '')}.${suffix}`;
      const fresh = { firstAtMs: now, lastAtMs: now, count: 1, writtenCount: 0, writtenAtMs: 0 };
      known.set(key, { event, name, ...fresh });
      wake();
    },
    begin: (signal) => {
      term = signal;
      known.clear();
      void run(signal);
    },
  };
}

async function pause(ms: number, signal: AbortSignal): Promise<void> {
  await sleep(ms, undefined, { signal, ref: false }).catch(() => undefined);
}

/** metav1.MicroTime has six digits. */
function microTime(ms: number): string {
  return new Date(ms).toISOString().replace(/Z$/, '000Z');
}

function shortened(note: string): string {
  let text = note.slice(0, maxNoteBytes);
  while (Buffer.byteLength(text) > maxNoteBytes) text = text.slice(0, -1);
  return text;
}
