// The open ruleset streams of this replica: what each has been sent, and when it ends. Pushes go to the streams that a
// change concerns, heartbeats to all while this replica's view is live.

import type { ServerResponse } from 'node:http';
import { setImmediate as yieldToOthers, setTimeout as sleep } from 'node:timers/promises';
import { SpanStatusCode, trace } from '@opentelemetry/api';
import type { FastifyBaseLogger } from 'fastify';
import {
  heartbeatSeconds,
  leaseSeconds,
  type HeartbeatEvent,
  type Watermark,
} from '../../policy/contract.ts';
import type { Labels } from '../../policy/resources/selector.ts';
import { OperatorError } from '../errors.ts';
import type { Informers, Pod } from '../kube/informers.ts';
import type { Metrics } from '../metrics.ts';
import type { Agents } from './agents.ts';
import type { SidecarIdentity } from './identity.ts';
import type { Rulesets, Scope } from './rulesets.ts';
import type { WatermarkSource } from './watermark.ts';

export interface StreamRequest {
  readonly identity: SidecarIdentity;
  /** What the sidecar has seen already; covered by this replica. */
  readonly announced: Watermark;
  readonly features: ReadonlySet<string>;
  readonly response: ServerResponse;
}

export interface Streams {
  /** @throws {OperatorError} OVERLOADED, before anything is written. */
  open(request: StreamRequest): void;
  readonly count: number;
  /** Ends every stream, so that sidecars go to another replica. */
  close(): void;
}

export interface StreamsDeps {
  readonly informers: Informers;
  readonly agents: Agents;
  readonly rulesets: Rulesets;
  readonly watermark: WatermarkSource;
  readonly log: FastifyBaseLogger;
  readonly metrics: Metrics;
  readonly timing?: Partial<StreamTiming> | undefined;
}

export interface StreamTiming {
  readonly lifetimeMs: number;
  readonly heartbeatMs: number;
  /** What a reader does not take is held at most this long, and never more than one event of it. */
  readonly slowMs: number;
}

type EndReason =
  'lifetime' | 'token_expired' | 'pod_gone' | 'replaced' | 'slow' | 'closing' | 'failed' | 'client';

interface Stream {
  readonly uid: string;
  readonly podKey: string;
  readonly request: StreamRequest;
  readonly labelsAtOpen: Labels;
  readonly endsAtMs: number;
  revision: string;
  /** When the sidecar's lease last began. */
  renewedAtMs: number;
  blockedSinceMs: number | null;
  /** Something changed while the reader was behind. */
  behind: boolean;
}

const defaultTiming: StreamTiming = {
  lifetimeMs: 30 * 60_000,
  heartbeatMs: heartbeatSeconds * 1000,
  slowMs: 15_000,
};
/** Streams that began together end over a sixth of their lifetime, not together. */
const lifetimeJitter = 1 / 6;
const tickMs = 500;
/** A burst of changes (kubectl apply of a folder) is one push; far below the second that a change may take. */
const debounceMs = 50;
/** Other requests wait at most this long for a batch of compilations. */
const sliceMs = 10;
/** Three times the budget of one replica, which two others may have left alone. */
export const maxStreams = 3_000;

export function createStreams(deps: StreamsDeps): Streams {
  const { informers, agents, rulesets, watermark, log, metrics } = deps;
  const timing = { ...defaultTiming, ...deps.timing };
  const tracer = trace.getTracer('outrider-operator');
  const streams = new Map<string, Stream>();
  /** Namespaces, or null for all, whose rulesets may have changed; and pods whose own labels have. */
  let dirtyScopes = new Set<Scope>();
  let dirtyPods = new Set<string>();
  let dirtySinceMs: number | null = null;
  let flushing = false;
  let ticking = false;
  let closed = false;

  function podOf({ podKey, uid }: Stream): Pod | undefined {
    const pod = informers.pods.get(podKey);
    const { namespace = '', name = '' } = pod?.metadata ?? {};
    return agents.find(namespace, name, uid) ?? undefined;
  }

  function write(stream: Stream, event: string, json: string): void {
    const { response } = stream.request;
    if (!response.write(`event: ${event}\ndata: ${json}\n\n`)) stream.blockedSinceMs ??= performance.now();
  }

  /** Sends the ruleset if it is another than the last one. */
  function push(stream: Stream): void {
    if (stream.blockedSinceMs !== null) {
      stream.behind = true;
      return;
    }
    stream.behind = false;
    const pod = podOf(stream);
    if (pod === undefined) return end(stream, 'pod_gone');
    const agent = agents.agentOf(pod, stream.labelsAtOpen);
    const compiled = rulesets.compile(agent);
    const enforceable = compiled.requires.every((feature) => stream.request.features.has(feature));
    // Less than what is meant must never be enforced, and the last ruleset may be less (threat O-11).
    const { revision, json } = enforceable ? compiled : rulesets.refusal(agent, compiled);
    if (revision === stream.revision) return;
    if (!enforceable)
      log.warn({ pod: stream.podKey, requires: compiled.requires }, 'a sidecar is too old for its ruleset');
    // A push while the view is not live says what is known, but must not lengthen the lease.
    if (watermark.live()) stream.renewedAtMs = performance.now();
    const leaseLeft = leaseSeconds - (performance.now() - stream.renewedAtMs) / 1000;
    const mark = JSON.stringify(watermark.current(stream.request.announced));
    const lease = Math.max(0, Math.floor(leaseLeft + 0.001));
    write(
      stream,
      'ruleset',
      `{"revision":"${revision}","watermark":${mark},"time":${Date.now()},"lease":${lease},"ruleset":${json()}}`,
    );
    stream.revision = revision;
    metrics.rulesetPushes.inc();
  }

  /** A ruleset that cannot be made must not leave the last one in force. */
  function pushOrEnd(stream: Stream): void {
    try {
      push(stream);
    } catch (error) {
      log.error({ err: error, pod: stream.podKey }, 'a ruleset cannot be made');
      end(stream, 'failed');
    }
  }

  function end(stream: Stream, reason: EndReason): void {
    if (streams.get(stream.uid) !== stream) return;
    streams.delete(stream.uid);
    metrics.streams.set(streams.size);
    metrics.streamEnds.inc({ reason });
    log.info({ pod: stream.podKey, reason }, 'a stream ended');
    const { response } = stream.request;
    // What a slow reader has not taken would be held until it does.
    if (reason === 'slow') response.destroy();
    else response.end();
  }

  function markDirty(mark: () => void): void {
    mark();
    dirtySinceMs ??= performance.now();
    if (!flushing) {
      flushing = true;
      void flush();
    }
  }

  /** All streams, with room for everything else in between: a compilation takes milliseconds, and there are thousands. */
  async function inSlices(visit: (stream: Stream) => void): Promise<void> {
    let sliceEndsMs = performance.now() + sliceMs;
    for (const stream of streams.values()) {
      visit(stream);
      if (performance.now() < sliceEndsMs) continue;
      await yieldToOthers();
      sliceEndsMs = performance.now() + sliceMs;
    }
  }

  async function tick(): Promise<void> {
    if (ticking) return;
    ticking = true;
    await inSlices(look);
    ticking = false;
  }

  async function flush(): Promise<void> {
    while (dirtySinceMs !== null) {
      await sleep(debounceMs);
      if (closed) return;
      const [scopes, pods, sinceMs] = [dirtyScopes, dirtyPods, dirtySinceMs];
      [dirtyScopes, dirtyPods, dirtySinceMs] = [new Set(), new Set(), null];
      const span = tracer.startSpan('ruleset push', { root: true });
      await inSlices((stream) => {
        const [namespace = ''] = stream.podKey.split('/');
        if (scopes.has(null) || scopes.has(namespace) || pods.has(stream.podKey)) pushOrEnd(stream);
      });
      metrics.pushDuration.observe((performance.now() - sinceMs) / 1000);
      span.setAttribute('outrider.streams', streams.size).end();
    }
    flushing = false;
  }

  /** What time alone does to a stream. */
  function look(stream: Stream): void {
    const now = performance.now();
    if (Date.now() >= stream.request.identity.expiresAtMs) end(stream, 'token_expired');
    else if (now >= stream.endsAtMs) end(stream, 'lifetime');
    else if (stream.blockedSinceMs !== null) {
      if (now - stream.blockedSinceMs > timing.slowMs) end(stream, 'slow');
    } else if (now - stream.renewedAtMs >= timing.heartbeatMs && watermark.live()) confirm(stream);
  }

  /** A change that waits for its push goes first: a heartbeat must not confirm what it replaces. */
  function confirm(stream: Stream): void {
    pushOrEnd(stream);
    if (stream.blockedSinceMs !== null || !streams.has(stream.uid)) return;
    stream.renewedAtMs = performance.now();
    const heartbeat: HeartbeatEvent = {
      watermark: watermark.current(stream.request.announced),
      time: Date.now(),
    };
    write(stream, 'heartbeat', JSON.stringify(heartbeat));
  }

  rulesets.onChange((scope) => markDirty(() => dirtyScopes.add(scope)));
  informers.pods.onChange(({ key, current, previous }) => {
    const uid = previous?.metadata.uid;
    const stream = uid === undefined ? undefined : streams.get(uid);
    if (stream === undefined) return;
    if (podOf(stream) === undefined) end(stream, 'pod_gone');
    else if (JSON.stringify(current?.metadata.labels) !== JSON.stringify(previous?.metadata.labels)) {
      markDirty(() => dirtyPods.add(key));
    }
  });
  let ticker: NodeJS.Timeout | undefined;

  return {
    open: (request) => {
      const { identity, response } = request;
      if (closed) throw new OperatorError('SHUTTING_DOWN');
      ticker ??= setInterval(() => void tick(), tickMs);
      if (streams.size >= maxStreams) throw new OperatorError('OVERLOADED');
      // The sidecar may have gone while this replica caught up.
      if (response.destroyed) return;
      const { namespace = '', name, labels = {} } = identity.pod.metadata;
      const span = tracer.startSpan('stream', {
        root: true,
        attributes: { 'k8s.namespace.name': namespace, 'k8s.pod.name': name },
      });
      const before = streams.get(identity.uid);
      // A restarted sidecar: its pod has one stream (threat O-05).
      if (before !== undefined) end(before, 'replaced');
      const now = performance.now();
      const stream: Stream = {
        uid: identity.uid,
        podKey: `${namespace}/${name}`,
        request,
        labelsAtOpen: labels,
        endsAtMs: now + timing.lifetimeMs * (1 - Math.random() * lifetimeJitter),
        revision: '',
        renewedAtMs: now,
        blockedSinceMs: null,
        behind: false,
      };
      streams.set(identity.uid, stream);
      metrics.streams.set(streams.size);
      response.on('drain', () => {
        stream.blockedSinceMs = null;
        if (stream.behind) pushOrEnd(stream);
      });
      response.on('close', () => end(stream, 'client'));
      // A socket that breaks is told by `close`.
      response.on('error', () => undefined);
      response.writeHead(200, { 'content-type': 'text/event-stream', 'cache-control': 'no-store' });
      pushOrEnd(stream);
      const sent = stream.revision !== '';
      span.setAttribute('outrider.revision', stream.revision);
      if (!sent) span.setStatus({ code: SpanStatusCode.ERROR });
      span.end();
      log.info({ pod: stream.podKey, revision: stream.revision }, 'a stream opened');
    },
    get count() {
      return streams.size;
    },
    close: () => {
      closed = true;
      clearInterval(ticker);
      for (const stream of streams.values()) end(stream, 'closing');
    },
  };
}
