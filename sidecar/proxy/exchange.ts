// The life of a request, top to bottom. It is decided by one snapshot; when another takes its place before the request
// is sent, the request is decided again. Whatever happens, the agent gets one answer and the audit one record.

import { isDecided } from '../../policy/decide.ts';
import type { BodyNeeded, Decision } from '../../policy/decision.ts';
import { applyCounters, type LimitRefusal } from '../../policy/limits/apply.ts';
import { isRefusal, refuse, type Refusal } from '../../policy/refusal.ts';
import type { Audit } from '../audit/record.ts';
import type { Snapshot, SnapshotSource } from '../control/snapshot.ts';
import type { Credentials } from '../credentials/credentials.ts';
import { renderSlot } from '../credentials/inject/inject.ts';
import type { Secret } from '../credentials/secret.ts';
import { asSidecarError } from '../errors.ts';
import type { Clock } from '../clock.ts';
import type { Limits } from '../limits/limits.ts';
import { answerRefusal, endAnswer, letContinue, type Agent } from './agent.ts';
import { createBodyMemory, type BodyClaim } from './body-memory.ts';
import {
  defaultMaxReadMs,
  prefixByLength,
  readPrefix,
  type BodyPrefix,
  type PrefixOutcome,
} from './body-prefix.ts';
import { createCharging, type Charging } from './charging.ts';
import { readHead, type Head } from './head.ts';
import { refusalOfDecision, refuseChanged, refuseStale, type InFlight } from './in-flight.ts';
import { findStrayPlaceholder } from './placeholder.ts';
import { createRelay } from './relay.ts';
import { createRequestBody } from './request-body.ts';
import { endTrail, startTrail, timed, type Trail } from './trail.ts';
import { buildHeaders, type Slot } from './upstream-headers.ts';
import type { Upstreams } from './upstream.ts';

export interface ExchangeOptions {
  readonly snapshots: SnapshotSource;
  readonly credentials: Pick<Credentials, 'resolve' | 'replace'>;
  readonly limits: Limits;
  readonly upstreams: Upstreams;
  readonly inFlight: InFlight;
  readonly clock: Clock;
  readonly audit: Audit;
  /** How long an agent may take for what rules need to see of a body. */
  readonly maxReadMs?: number;
  /** What bodies that rules look into may take together. */
  readonly maxHeldBytes?: number;
}

/** What goes into the request's one authentication slot. */
interface Injection {
  readonly credential: string;
  readonly secret: Secret;
  readonly slot: Slot;
}

interface Allowed {
  readonly head: Head;
  readonly prefix: BodyPrefix | null;
  readonly charging: Charging;
  readonly snapshot: Snapshot;
  readonly decision: Decision;
  readonly injection: Injection | null;
  /** Whether a 401 may still lead to a second try. */
  readonly mayRetry: boolean;
}

type Sent = 'answered' | 'try again' | Refusal;

/** Methods that may be sent twice (RFC 9110 section 9.2.2), here only without a body. */
const idempotent = new Set(['GET', 'HEAD', 'OPTIONS', 'PUT', 'DELETE', 'QUERY']);

/** Settles when the exchange is over; never rejects. */
export type HandleExchange = (agent: Agent) => Promise<void>;

export function createExchangeHandler(options: ExchangeOptions): HandleExchange {
  const { snapshots, credentials, limits, upstreams, inFlight, audit, clock } = options;
  const { maxReadMs = defaultMaxReadMs } = options;
  const memory = createBodyMemory(options.maxHeldBytes);

  return async (agent) => {
    const trail = startTrail(agent.message, agent.tunnel);
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
    const head = readHead(agent.message, agent.tunnel);
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
        const outcome = await readBody(head, agent, decision, claim, trail);
        if (outcome === 'gone') return null;
        if (isRefusal(outcome)) return outcome;
        prefix = outcome;
        head = { ...head, request: { ...head.request, body: { kind: 'read', ...prefix } } };
        continue;
      }
      const refusal = refusalOfDecision(decision) ?? strayPlaceholder(head);
      if (refusal !== null) return refusal;
      const spent = await charging.take(decision);
      if (spent !== null) return refuseSpent(decision, spent, trail);
      const injection = await resolve(decision, snapshot, trail);
      if (injection !== null && isRefusal(injection)) return injection;
      // Recheck: what was decided and fetched under one policy is not sent under another.
      if (snapshots.current() !== snapshot) continue;
      const allowed = { head, prefix, charging, snapshot, decision, injection, mayRetry };
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

  /** What the head alone can refuse has been, so the agent may now send what it held back. */
  async function readBody(
    { headers }: Head,
    agent: Agent,
    need: BodyNeeded,
    claim: BodyClaim,
    trail: Trail,
  ): Promise<PrefixOutcome> {
    const known = prefixByLength(headers, need);
    if (known !== null) return known;
    letContinue(agent);
    const outcome = await readPrefix(agent, need, claim, maxReadMs);
    // Whoever left half of a body must not be told that all is well.
    if (outcome === 'gone') agent.response.destroy();
    else if (!isRefusal(outcome)) trail.requestBytes = outcome.bytes.length;
    return outcome;
  }

  async function resolve(
    { credential }: Decision,
    snapshot: Snapshot,
    trail: Trail,
  ): Promise<Injection | Refusal | null> {
    if (credential === null) return null;
    const end = timed(trail, 'resolve');
    try {
      const secret = await credentials.resolve(credential, snapshot);
      const inject = snapshot.ruleset.credentials[credential]?.inject;
      if (inject === undefined) throw new Error('a decision named a credential that its ruleset lacks');
      const injection = { credential, secret, slot: renderSlot(inject, secret) };
      end();
      return injection;
    } catch (error) {
      const { code } = asSidecarError(error);
      end(code);
      trail.errorCode = code;
      // The code alone: what a source says may name paths of a store that the agent need not know.
      return refuse('secret_unavailable', `The secret of ${credential} could not be had (${code}).`);
    }
  }

  async function send(allowed: Allowed, agent: Agent, trail: Trail): Promise<Sent> {
    const { head, prefix, charging, snapshot, decision, injection } = allowed;
    const { message, response } = agent;
    const { request } = head;
    if (response.destroyed) return 'answered';
    if (agent.broken !== undefined) return agent.broken;
    letContinue(agent);
    const body = head.hasBody ? createRequestBody(message, prefix) : null;
    const relay = createRelay({
      host: request.host,
      response,
      recheck: () => recheck(allowed) ?? commit(allowed, trail),
      onUnauthorized: () => replaceSecret(allowed),
      isBodyRead: () => message.complete,
      statusOnly: decision.statusOnly,
      readUsage: charging.readUsage,
    });
    const leave = inFlight.add({ request, statusOnly: decision.statusOnly, cut: relay.cut });
    agent.cut = relay.cut;
    const end = timed(trail, 'upstream');
    upstreams.dispatch(
      {
        host: request.host,
        port: request.port,
        scheme: request.scheme === 'http' ? 'http' : 'https',
        destination:
          decision.destination === null
            ? null
            : (snapshot.ruleset.destinations[decision.destination] ?? null),
        credential: decision.credential,
        revision: snapshot.revision,
      },
      {
        method: request.method,
        target: request.query === null ? request.path : `${request.path}?${request.query}`,
        headers: buildHeaders(head, injection?.slot ?? null, trail.trace, charging.countsTokens()),
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
      again.destination === decision.destination &&
      again.statusOnly === decision.statusOnly &&
      charging.covers(again);
    return refusalOfDecision(again) ?? (same ? null : refuseChanged());
  }

  /** @returns whether the request should be sent once more, with another secret. */
  async function replaceSecret({ head, snapshot, injection, mayRetry }: Allowed): Promise<boolean> {
    if (injection === null || !mayRetry) return false;
    const another = credentials.replace(injection.credential, snapshot, injection.secret).then(
      (secret) => !secret.sameAs(injection.secret),
      () => false,
    );
    // The next request profits even where this one cannot be sent twice.
    return !head.hasBody && idempotent.has(head.request.method) ? another : false;
  }
}

function strayPlaceholder({ headers, request }: Head): Refusal | null {
  return findStrayPlaceholder(headers.forwarded, request.query);
}

function commit({ charging, decision }: Allowed, trail: Trail): Refusal | null {
  const spent = charging.commit();
  return spent === null ? null : refuseSpent(decision, spent, trail);
}

/** A limit without room makes another decision of it, and that is the one that is recorded. */
function refuseSpent(decision: Decision, spent: LimitRefusal, trail: Trail): Refusal {
  const limited = applyCounters(decision, spent);
  trail.decision = limited;
  const refusal = refusalOfDecision(limited) ?? refuseStale();
  if (spent.retryAfterMs === null) return refusal;
  return { ...refusal, retryAfter: Math.max(1, Math.ceil(spent.retryAfterMs / 1000)) };
}
