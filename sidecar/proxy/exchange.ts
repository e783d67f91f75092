// The life of a request, top to bottom. It is decided by one snapshot; when another takes its place before the request
// is sent, the request is decided again. Whatever happens, the agent gets one answer and the audit one record.

import type { CaptureLevel } from '../../policy/capture-plan.ts';
import { isDecided } from '../../policy/decide.ts';
import type { BodyNeeded, Decision } from '../../policy/decision.ts';
import { isRefusal, refuse, type Refusal } from '../../policy/refusal.ts';
import { canonicalJson } from '../../policy/ruleset.ts';
import type { Audit } from '../audit/record.ts';
import type { Snapshot, SnapshotSource } from '../control/snapshot.ts';
import type { Credentials } from '../credentials/credentials.ts';
import { asSidecarError } from '../errors.ts';
import type { Clock } from '../clock.ts';
import type { Limits } from '../limits/limits.ts';
import { answerOwn, answerRefusal, endAnswer, letContinue, type Agent } from './agent.ts';
import { createBodyMemory, type BodyClaim } from './body-memory.ts';
import { createBodyReader, type BodyPrefix } from './body-prefix.ts';
import { createCharging, refuseSpent, type Charging } from './charging.ts';
import { readHead, type Head } from './head.ts';
import {
  destinationOf,
  isSameDestination,
  refusalOfDecision,
  refuseChanged,
  refuseStale,
  type InFlight,
} from './in-flight.ts';
import {
  createInjecting,
  isBodySigned,
  maxSignedBytes,
  placesIn,
  strayPlaceholder,
  type Injection,
} from './injecting.ts';
import { headersOf, outgoingOf, targetOf } from './outgoing.ts';
import { createRelay } from './relay.ts';
import { createRequestBody } from './request-body.ts';
import { dance, maxAssertionBytes, mayDance } from './token-dance.ts';
import { endTrail, startTrail, timed, type Trail } from './trail.ts';
import { createTurns } from './turns.ts';
import type { Upstreams } from './upstream.ts';

export interface ExchangeOptions {
  readonly snapshots: SnapshotSource;
  readonly credentials: Pick<Credentials, 'resolve' | 'replace'>;
  readonly limits: Limits;
  readonly upstreams: Upstreams;
  readonly inFlight: InFlight;
  readonly clock: Clock;
  readonly audit: Audit;
  readonly level: CaptureLevel;
  /** How long an agent may take for what rules need to see of a body. */
  readonly maxReadMs?: number;
  /** What bodies that rules look into may take together. */
  readonly maxHeldBytes?: number;
}

interface Allowed {
  readonly head: Head;
  readonly prefix: BodyPrefix | null;
  readonly charging: Charging;
  readonly snapshot: Snapshot;
  readonly decision: Decision;
  readonly outgoing: ReturnType<typeof outgoingOf>;
  readonly injection: Injection | null;
  /** Whether a 401 may still lead to a second try. */
  readonly mayRetry: boolean;
}

type Sent = 'answered' | 'try again' | Refusal;

/** Methods that may be sent twice (RFC 9110 section 9.2.2), here only with all of the body at hand. */
const idempotent = new Set(['GET', 'HEAD', 'OPTIONS', 'PUT', 'DELETE', 'QUERY']);

/** Settles when the exchange is over; never rejects. */
export type HandleExchange = (agent: Agent) => Promise<void>;

export function createExchangeHandler(options: ExchangeOptions): HandleExchange {
  const { snapshots, limits, upstreams, inFlight, audit, clock, level } = options;
  const injecting = createInjecting(options);
  const bodies = createBodyReader(options);
  const memory = createBodyMemory(options.maxHeldBytes);
  const turns = createTurns();

  return async (agent) => {
    const trail = startTrail(agent.message, agent.entry, level);
    try {
      const refusal = await forward(agent, trail);
      if (refusal !== null) answerRefusal(agent, trail, refusal);
    } catch (error) {
      trail.errorCode = asSidecarError(error).code;
      answerRefusal(agent, trail, refuse('sidecar_failed', 'Outrider failed to handle the request.'));
    }
    if (!agent.response.writableEnded) await endAnswer(agent);
    // Node reads the next request only once this one's body is out of the way.
    if (!agent.message.readableEnded) agent.message.resume();
    audit.record(endTrail(trail));
  };

  /** @returns why the agent has no answer yet, or null. */
  async function forward(agent: Agent, trail: Trail): Promise<Refusal | null> {
    const head = readHead(agent.message, agent.entry);
    if (isRefusal(head)) return head;
    trail.request = head.request;
    const charging = createCharging(limits);
    const claim = memory.claim();
    try {
      return await forwardRead(head, agent, trail, charging, claim);
    } finally {
      charging.end();
      claim.end();
    }
  }

  /** Each turn is one snapshot, one decision and at most one try; what was read and charged before counts on. */
  async function forwardRead(
    read: Head,
    agent: Agent,
    trail: Trail,
    charging: Charging,
    claim: BodyClaim,
  ): Promise<Refusal | null> {
    let head = read;
    let prefix: BodyPrefix | null = null;
    let mayRetry = true;
    for (;;) {
      const snapshot = snapshots.current();
      if (snapshot === null || !snapshots.fresh()) return refuseStale();
      const decision = decide(head, snapshot, trail);
      if (!isDecided(decision)) {
        const outcome = await bodies.readNeeded(head, agent, decision, prefix, claim, trail);
        if (outcome === 'gone') return null;
        if (isRefusal(outcome)) return outcome;
        prefix = outcome;
        head = withBody(head, bodies.asNeeded(outcome, decision));
        await turns.next(outcome.bytes.length);
        continue;
      }
      if (mayDance(head.request, decision, snapshot)) {
        const outcome = await bodies.readWhole(agent, prefix, claim, trail, maxAssertionBytes);
        if (outcome === 'gone') return null;
        if (isRefusal(outcome)) return outcome;
        prefix = outcome;
        // An agent may take a minute over its body, and be halted meanwhile.
        if (snapshots.current() !== snapshot) continue;
        const answer = dance(outcome.bytes, head.request, snapshot, clock.nowMs() ?? Date.now());
        if (answer !== null) return answerOwn(agent, trail, decision, answer);
      }
      const refusal = refusalOfDecision(decision) ?? strayPlaceholder(head, decision.inject);
      if (refusal !== null) return refusal;
      const spent = await charging.take(decision);
      if (spent !== null) return refuseSpent(decision, spent, trail);
      let outgoing = outgoingOf(head, charging.countsTokens(), placesIn(decision));
      if (isBodySigned(decision, outgoing)) {
        const outcome = await bodies.readWhole(agent, prefix, claim, trail, maxSignedBytes(decision));
        if (outcome === 'gone') return null;
        if (isRefusal(outcome)) return outcome;
        prefix = outcome;
        outgoing = { ...outgoing, body: prefix.bytes };
      }
      const injection = await injecting.inject(decision, snapshot, outgoing, trail);
      // Recheck: what was decided and fetched under one policy is not sent, nor refused, under another.
      if (snapshots.current() !== snapshot) continue;
      if (injection !== null && isRefusal(injection)) return injection;
      const allowed = { head, prefix, charging, snapshot, decision, outgoing, injection, mayRetry };
      const sent = await send(allowed, agent, trail);
      if (sent !== 'try again') return sent === 'answered' ? null : sent;
      mayRetry = false;
    }
  }

  function decide({ request }: Head, snapshot: Snapshot, trail: Trail): Decision | BodyNeeded {
    const end = timed(trail, 'decide');
    const decision = snapshot.decide(request, clock.nowMs());
    end();
    if (isDecided(decision)) trail.decision = decision;
    trail.revision = snapshot.revision;
    return decision;
  }

  async function send(allowed: Allowed, agent: Agent, trail: Trail): Promise<Sent> {
    const { head, prefix, charging, snapshot, decision, outgoing } = allowed;
    const filled = allowed.injection?.filled ?? null;
    const { message, response } = agent;
    const { request } = head;
    if (response.destroyed) return 'answered';
    if (agent.broken !== undefined) return agent.broken;
    letContinue(agent);
    const sentBody = filled?.body === undefined ? prefix : { bytes: filled.body, isWhole: true };
    const body = head.hasBody ? createRequestBody(message, sentBody, filled?.transform) : null;
    const destination = destinationOf(decision, snapshot);
    const { statusOnly } = decision;
    const relay = createRelay({
      host: request.host,
      response,
      recheck: () => recheck(allowed) ?? commit(allowed, trail),
      inject: decision.inject,
      onRotated: () => replaceSecret(allowed, trail),
      isBodyRead: () => message.complete,
      statusOnly,
      readUsage: charging.readUsage,
    });
    const leave = inFlight.add({ request, statusOnly, destination, cut: relay.cut });
    agent.cut = relay.cut;
    const end = timed(trail, 'upstream');
    upstreams.dispatch(
      {
        host: request.host,
        port: request.port,
        scheme: request.scheme === 'http' ? 'http' : 'https',
        destination,
        credential: decision.credential,
        revision: snapshot.revision,
      },
      {
        method: request.method,
        target: targetOf(outgoing, filled),
        headers: headersOf(outgoing, filled, trail.trace),
        body: body?.stream ?? null,
      },
      relay.handler,
    );
    const outcome = await relay.done;
    body?.stream.destroy();
    leave();
    trail.requestBytes = Math.max(trail.requestBytes, body?.bytes() ?? 0);
    trail.responseBytes += relay.bytes();
    trail.upstreamStatus = relay.status();
    if (outcome.kind === 'refused') {
      end(outcome.refusal.reason);
      trail.refusal = outcome.refusal;
      if (!response.headersSent) return outcome.refusal;
    } else end(outcome.kind === 'abandoned' ? 'agent_left' : undefined);
    if (outcome.kind === 'retry') return 'try again';
    trail.status = response.headersSent ? (relay.status() ?? 0) : 0;
    return 'answered';
  }

  /** The last moment to say no: the connection is there, nothing is written yet. */
  function recheck({ head, decision, snapshot, charging }: Allowed): Refusal | null {
    const now = snapshots.current();
    if (now === null || !snapshots.fresh()) return refuseStale();
    if (now === snapshot) return null;
    const again = now.decide(head.request, clock.nowMs());
    if (!isDecided(again)) return refuseChanged();
    const same =
      again.credential === decision.credential &&
      canonicalJson(again.inject) === canonicalJson(decision.inject) &&
      isSameDestination(destinationOf(again, now), destinationOf(decision, snapshot)) &&
      again.statusOnly === decision.statusOnly &&
      charging.covers(again);
    return refusalOfDecision(again) ?? (same ? null : refuseChanged());
  }

  /** @returns whether the request should be sent once more, with another secret. */
  async function replaceSecret(allowed: Allowed, trail: Trail): Promise<boolean | Refusal> {
    const { head, prefix, snapshot, injection, mayRetry } = allowed;
    if (injection === null || !mayRetry) return false;
    const isRepeatable = idempotent.has(head.request.method) && (!head.hasBody || prefix?.isWhole === true);
    // The next request profits even where this one cannot be sent twice, but what comes of it is not this one's record.
    const another = injecting.replace(injection, snapshot, isRepeatable ? trail : null);
    return isRepeatable ? another : false;
  }
}

function withBody(head: Head, body: BodyPrefix): Head {
  return { ...head, request: { ...head.request, body: { kind: 'read', ...body } } };
}

function commit({ charging, decision }: Allowed, trail: Trail): Refusal | null {
  const spent = charging.commit();
  return spent === null ? null : refuseSpent(decision, spent, trail);
}
