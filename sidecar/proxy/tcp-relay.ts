// Connections to AgentDestinations of scheme tcp: decided as one request without method, path and body, then relayed
// byte for byte. Nobody reads them, so nothing is injected and nothing masked; the connection is what is recorded.

import type { Socket } from 'node:net';
import type { Authority } from '../../policy/canonical.ts';
import type { CaptureLevel, PlannedRelay } from '../../policy/capture-plan.ts';
import { isDecided } from '../../policy/decide.ts';
import type { Decision } from '../../policy/decision.ts';
import { isRefusal, refuse, type Refusal } from '../../policy/refusal.ts';
import { noBody, type CanonicalRequest } from '../../policy/request.ts';
import type { RulesetDestination } from '../../policy/ruleset.ts';
import type { Audit } from '../audit/record.ts';
import type { Clock } from '../clock.ts';
import type { Snapshot, SnapshotSource } from '../control/snapshot.ts';
import { asSidecarError } from '../errors.ts';
import type { Limits } from '../limits/limits.ts';
import { createCharging, refuseSpent, type Charging } from './charging.ts';
import type { Dial } from './dialler.ts';
import { destinationOf, refusalOfDecision, refuseStale, type InFlight } from './in-flight.ts';
import { connectionEstablished, createProblem, encodeProblem } from './respond.ts';
import { spliceSockets } from './splice.ts';
import { endTrail, startTrail, timed, type Trail } from './trail.ts';
import { refusalOfFailure } from './upstream-failure.ts';

export interface TcpRelayOptions {
  readonly snapshots: SnapshotSource;
  readonly limits: Limits;
  readonly dial: Dial;
  readonly inFlight: InFlight;
  readonly clock: Clock;
  readonly audit: Audit;
  readonly level: CaptureLevel;
}

export interface TcpRelay {
  /** Takes over a CONNECT, and answers it once the upstream is there. @returns false for any place but such a one. */
  readonly connect: (target: Authority, socket: Socket) => boolean;
  /** Takes over a captured connection. What is refused is reset: there is no other word for it. */
  readonly accept: (relay: PlannedRelay, socket: Socket) => void;
  /** Resolves when those whose sockets are closed are recorded: the connection is the record. */
  readonly settled: () => Promise<unknown>;
}

/** The agent's side of one connection. */
interface Client {
  readonly socket: Socket;
  readonly opened: () => void;
  /** @returns the status that was answered, or 0. */
  readonly refused: (refusal: Refusal, trail: Trail) => number;
}

interface Granted {
  readonly snapshot: Snapshot;
  readonly decision: Decision;
  readonly destination: RulesetDestination;
}

/**
 * Pools keep connections to databases over nights. Of those servers that end idle ones by themselves MySQL waits longest
 * (`wait_timeout`, 8 h), PostgreSQL and Redis never do, so whoever waits less breaks what works without us. Dead peers are
 * found by TCP keepalive long before.
 */
const idleTimeoutMs = 8 * 3_600_000;

export function createTcpRelay(options: TcpRelayOptions): TcpRelay {
  const { snapshots, limits, dial, inFlight, clock, audit, level } = options;
  const carried = new Set<Promise<void>>();

  function start(client: Client, place: Authority, trail: Trail): void {
    const carrying = carry(client, place, trail).finally(() => carried.delete(carrying));
    carried.add(carrying);
  }

  /** Settles when the connection is over; never rejects. */
  async function carry(client: Client, { host, port }: Authority, trail: Trail): Promise<void> {
    const charging = createCharging(limits);
    let refusal: Refusal | null;
    try {
      refusal = await forward(client, requestOf(host, port), charging, trail);
    } catch (error) {
      trail.errorCode = asSidecarError(error).code;
      refusal = refuse('sidecar_failed', 'Outrider failed to relay the connection.');
    }
    charging.end();
    if (refusal !== null) {
      if (trail.decision?.reason !== refusal.reason) trail.refusal = refusal;
      if (trail.status === 0) trail.status = client.refused(refusal, trail);
    }
    if (!client.socket.destroyed) client.socket.destroySoon();
    audit.record(endTrail(trail));
  }

  /** As `exchange.ts` has it: decided by one snapshot, and again when another takes its place before it is dialled. */
  async function forward(
    client: Client,
    request: CanonicalRequest,
    charging: Charging,
    trail: Trail,
  ): Promise<Refusal | null> {
    trail.request = request;
    for (;;) {
      const granted = grant(request, trail);
      if (isRefusal(granted)) return granted;
      const spent = await charging.take(granted.decision);
      if (spent !== null) return refuseSpent(granted.decision, spent, trail);
      if (snapshots.current() === granted.snapshot) return relay(client, request, granted, charging, trail);
    }
  }

  function grant(request: CanonicalRequest, trail: Trail): Granted | Refusal {
    const snapshot = snapshots.current();
    if (snapshot === null || !snapshots.fresh()) return refuseStale();
    const end = timed(trail, 'decide');
    const decision = snapshot.decide(request, clock.nowMs());
    end();
    trail.revision = snapshot.revision;
    if (!isDecided(decision)) return refuseUngovernable();
    trail.decision = decision;
    const refusal = refusalOfDecision(decision);
    if (refusal !== null) return refusal;
    const destination = destinationOf(decision, snapshot);
    // Whatever else a rule asks of a connection, nobody would see to it.
    const asksMore =
      decision.statusOnly ||
      decision.credential !== null ||
      decision.charges.some(({ counts }) => counts !== 'requests');
    if (destination === null || asksMore) return refuseUngovernable();
    return { snapshot, decision, destination };
  }

  async function relay(
    client: Client,
    request: CanonicalRequest,
    granted: Granted,
    charging: Charging,
    trail: Trail,
  ): Promise<Refusal | null> {
    const { host, port } = request;
    const { decision, destination } = granted;
    const fate: { cutBy: Refusal | null; cut: () => void } = { cutBy: null, cut: () => {} };
    const leave = inFlight.add({
      request,
      statusOnly: false,
      destination,
      cut: (refusal) => {
        fate.cutBy ??= refusal;
        fate.cut();
      },
    });
    const end = timed(trail, 'upstream');
    try {
      const upstream = await dialFor(client.socket, { host, port, scheme: 'tcp', destination }, (abandon) => {
        fate.cut = abandon;
      });
      const late =
        fate.cutBy ?? (snapshots.fresh() ? null : refuseStale()) ?? commit(decision, charging, trail);
      if (upstream === null || late !== null) {
        upstream?.destroy();
        end(late?.reason ?? 'agent_left');
        return late;
      }
      client.opened();
      const splice = spliceSockets(client.socket, upstream, idleTimeoutMs);
      fate.cut = splice.cut;
      const ending = await splice.done;
      trail.requestBytes = upstream.bytesWritten;
      trail.responseBytes = upstream.bytesRead;
      end(ending === 'ended' ? undefined : (fate.cutBy?.reason ?? ending));
      return fate.cutBy;
    } catch (error) {
      const refusal = fate.cutBy ?? refusalOfFailure(error as Error, host);
      end(refusal.reason);
      return refusal;
    } finally {
      leave();
    }
  }

  /** @returns null when the agent left, or the policy changed, before there was a connection. */
  async function dialFor(
    agent: Socket,
    place: Parameters<Dial>[0],
    onAbandon: (abandon: () => void) => void,
  ): Promise<Socket | null> {
    const { promise: abandoned, resolve } = Promise.withResolvers<null>();
    const abandon = (): void => resolve(null);
    onAbandon(abandon);
    agent.once('close', abandon);
    if (agent.destroyed) abandon();
    const dialling = dial(place);
    const first = await Promise.race([dialling, abandoned]).finally(() => agent.off('close', abandon));
    if (first === null) {
      dialling.then(
        (socket) => socket.destroy(),
        () => {},
      );
    }
    return first;
  }

  return {
    connect: (target, socket) => {
      if (!isTcpPlace(target, snapshots.current())) return false;
      const trail = startTrail(null, { kind: 'connect', authority: target }, level);
      const client: Client = {
        socket,
        opened: () => {
          socket.write(connectionEstablished);
          trail.status = 200;
        },
        refused: (refusal, { id, decision }) => {
          const problem = createProblem(id, refusal, decision);
          socket.end(encodeProblem(problem));
          return problem.status;
        },
      };
      start(client, target, trail);
      return true;
    },
    accept: ({ name, port }, socket) => {
      const authority = { host: name, port };
      const trail = startTrail(null, { kind: 'captured_tcp', authority }, level);
      const refused = (): number => {
        socket.resetAndDestroy();
        return 0;
      };
      start({ socket, opened: () => {}, refused }, authority, trail);
    },
    settled: () => Promise.all(carried),
  };
}

/** Where TLS is governed at the same name and port, that is meant: it is read, and so can do more and hides less. */
function isTcpPlace({ host, port }: Authority, snapshot: Snapshot | null): boolean {
  const there = Object.values(snapshot?.ruleset.destinations ?? {}).filter(
    (destination) => destination.port === port && destination.names.includes(host),
  );
  return there.length > 0 && there.every(({ scheme }) => scheme === 'tcp');
}

function commit(decision: Decision, charging: Charging, trail: Trail): Refusal | null {
  const spent = charging.commit();
  return spent === null ? null : refuseSpent(decision, spent, trail);
}

function requestOf(host: string, port: number): CanonicalRequest {
  return {
    scheme: 'tcp',
    host,
    port,
    method: '',
    path: '',
    segments: [],
    opens: [],
    query: null,
    headers: [],
    body: noBody,
    placeholder: null,
  };
}

function refuseUngovernable(): Refusal {
  return refuse(
    'protocol_unsupported',
    'The rule asks for what cannot be done to bytes that nobody reads: leave credential, response and body conditions out.',
  );
}
