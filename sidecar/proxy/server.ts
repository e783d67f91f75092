// The front door: one HTTP server per loopback address. Requests with a whole URL, what comes out of tunnels and what
// netfilter redirected enter here alike; each connection carries one exchange at a time.

import type { IncomingMessage, Server, ServerResponse } from 'node:http';
import type { Socket } from 'node:net';
import type { Duplex } from 'node:stream';
import type { CapturePlan } from '../../policy/capture-plan.ts';
import { refuse, type Refusal } from '../../policy/refusal.ts';
import { createServer } from '../node-http.ts';
import type { Authority } from '../tls/authority.ts';
import type { Agent } from './agent.ts';
import type { Captured, CapturedPorts } from './captured.ts';
import { createConnections, type Slot } from './connections.ts';
import type { Egress } from './egress.ts';
import type { Entry, Origin } from './entry.ts';
import { createExchangeHandler, type ExchangeOptions } from './exchange.ts';
import { createHandshakes } from './handshake.ts';
import { createInFlight } from './in-flight.ts';
import { listenOn } from './listening.ts';
import { createProblem, encodeProblem } from './respond.ts';
import { createTcpRelay } from './tcp-relay.ts';
import { endTrail, startTrail } from './trail.ts';
import { createTunnels } from './tunnel.ts';
import { createUpstreams } from './upstream.ts';

export interface ProxyOptions extends Omit<ExchangeOptions, 'upstreams' | 'inFlight'> {
  readonly authority: Authority;
  readonly egress: Egress;
}

export interface Proxy {
  /**
   * @param port 0 for a free one, the same on every host.
   * @throws SidecarError PORT_TAKEN: whoever holds the port could be read by agents as if it were us (K-22).
   */
  listen(port: number, hosts: readonly string[]): Promise<{ readonly port: number }>;
  /**
   * Listens to what netfilter redirects, after `listen`.
   * @param ports as `capturePorts`; 0, here and in the plan, for free ones.
   * @throws SidecarError PORT_TAKEN
   */
  capture(
    plan: CapturePlan,
    ports: { readonly tls: number; readonly http: number },
    hosts: readonly string[],
  ): Promise<CapturedPorts>;
  /** Cuts what is open and frees the port. */
  close(): Promise<void>;
}

const bounds = {
  /** Of one head, target included; the sum that `headers_too_large` names. */
  maxHeaderSize: 64 * 1024,
  /** From the connection's start, or the first byte of a later request, to the end of the head. */
  headersTimeout: 10_000,
  connectionsCheckingInterval: 2000,
  /** Uploads may take long; silence of the upstream is what ends them. */
  requestTimeout: 0,
  /** Loopback connections cost a descriptor; clients that pool them drop them long before. */
  keepAliveTimeout: 300_000,
  /** Four times less than Node's: what an agent does not read waits here, once per connection. */
  highWaterMark: 16 * 1024,
} as const;
/**
 * Neither side of a connection sends or takes anything: a body that stops, an answer that nobody reads. Longer than
 * upstreams may think, so that it is they who are named.
 */
const idleTimeoutMs = 660_000;
/** Of all listeners. About 60 KiB each with TLS. */
const maxConnections = 512;
/** apt sends up to ten requests ahead of their answers. */
const maxPipelined = 16;

const absolute = { kind: 'absolute' } as const;

interface Connection {
  readonly entry: Entry;
  /** The exchange under way. */
  current: Agent | null;
  readonly waiting: Agent[];
  /** An answer said that it closes: whatever is behind is no request, however much of it Node still parses. */
  isOver: boolean;
  readonly slot: Slot;
}

export function createProxy(options: ProxyOptions): Proxy {
  const { snapshots, authority, egress, audit, clock, level } = options;
  const inFlight = createInFlight(snapshots, clock);
  const upstreams = createUpstreams(egress.dial);
  const handle = createExchangeHandler({ ...options, upstreams, inFlight });
  const servers: Server[] = [];
  let captured: Captured | null = null;
  const admitted = createConnections(maxConnections);
  const connections = new WeakMap<Duplex, Connection>();
  const handshakes = createHandshakes({ authority, onOpen: serve, onFailure: recordUnread });
  const relay = createTcpRelay({ ...options, dial: egress.dial, inFlight });
  const tunnels = createTunnels({
    handshakes,
    relay: (target, socket) => {
      const isTaken = relay.connect(target, socket);
      if (isTaken) admitted.slotOf(socket).hold();
      return isTaken;
    },
  });

  /** What comes out of TLS, or was captured, as if it had been accepted here. */
  function serve(stream: Socket, entry: Entry): void {
    const slot = admitted.slotOf(stream);
    // Of plain HTTP nothing was heard yet, as on the proxy port.
    if (entry.kind !== 'captured_http') slot.name();
    connections.set(stream, { entry, current: null, waiting: [], isOver: false, slot });
    servers[0]?.emit('connection', stream);
  }

  function createFront(): Server {
    const server = createServer({ ...bounds, requireHostHeader: false, optimizeEmptyRequests: true });
    // Node would drop the headers beyond its limit without a word; ours refuses them.
    server.maxHeadersCount = 0;
    server.timeout = idleTimeoutMs;
    server.on('connection', (socket: Socket) => {
      if (connections.has(socket) || !admitted.admit(socket)) return;
      connections.set(socket, {
        entry: absolute,
        current: null,
        waiting: [],
        isOver: false,
        slot: admitted.slotOf(socket),
      });
    });
    server.on('request', enqueue);
    server.on('checkContinue', enqueue);
    server.on('checkExpectation', enqueue);
    server.on('connect', openTunnel);
    server.on('clientError', onUnreadable);
    return server;
  }

  /** Node hands pipelined requests over all at once; a later one must not overtake a refusal that closes (H-06). */
  function enqueue(message: IncomingMessage, response: ServerResponse): void {
    const connection = connections.get(message.socket);
    if (connection === undefined || connection.waiting.length >= maxPipelined) {
      message.socket.destroy();
      return;
    }
    if (connection.isOver) return;
    // Node drops what came in one piece with such a request, so that it might go on in the middle of the next one.
    if (message.headers.upgrade !== undefined) response.shouldKeepAlive = false;
    connection.waiting.push({ message, response, entry: connection.entry });
    if (connection.current === null) void work(connection);
  }

  async function work(connection: Connection): Promise<void> {
    connection.slot.hold();
    for (let next = connection.waiting.shift(); next !== undefined; next = connection.waiting.shift()) {
      connection.current = next;
      // Cannot fail but by a defect, which must not end the streams of others.
      await handle(next).catch(() => connection.current?.message.socket.destroy());
      connection.isOver = !next.response.shouldKeepAlive || next.message.socket.destroyed;
      if (connection.isOver) connection.waiting.length = 0;
    }
    connection.current = null;
    connection.slot.release();
  }

  function openTunnel(message: IncomingMessage, stream: Duplex, early: Buffer): void {
    stream.on('error', () => {});
    const connection = connections.get(message.socket);
    if (connection?.isOver === true) {
      stream.end(() => stream.destroy());
      return;
    }
    const entry = connection?.entry ?? absolute;
    connection?.slot.name();
    const refusal =
      entry.kind !== 'absolute' || connection?.current !== null
        ? refuse(
            'protocol_unsupported',
            'CONNECT is for the proxy port alone, and not behind an unanswered request.',
          )
        : tunnels.open(message, stream as Socket, early);
    if (refusal !== null) answerUnread(stream, refusal, entry);
  }

  /** The parser gave up: there is no request object, and no telling where another request would start. */
  function onUnreadable(error: NodeJS.ErrnoException, socket: Duplex): void {
    const connection = connections.get(socket);
    const isGone = error.code === 'ECONNRESET' || error.code === 'HPE_INVALID_EOF_STATE';
    if (connection === undefined || isGone || !socket.writable) {
      socket.destroy();
      return;
    }
    if (connection.isOver) return;
    const refusal =
      error.code === 'HPE_HEADER_OVERFLOW'
        ? refuse('headers_too_large', 'The request has more than 64 KiB of headers.')
        : refuse('request_malformed', `The request could not be parsed (${error.code ?? 'unknown'}).`);
    const { current } = connection;
    if (current === null) {
      answerUnread(socket, refusal, connection.entry);
      return;
    }
    // What is unreadable is the rest of the request under way, or one that came ahead of its answer.
    connection.waiting.length = 0;
    current.response.shouldKeepAlive = false;
    if (current.message.complete) current.response.once('close', () => socket.destroy());
    else {
      current.broken = refusal;
      current.cut?.(refusal);
    }
  }

  function answerUnread(socket: Duplex, refusal: Refusal, entry: Entry): void {
    const trail = startTrail(null, entry, level);
    const problem = createProblem(trail.id, refusal, null);
    socket.end(encodeProblem(problem), () => socket.destroy());
    audit.record(endTrail({ ...trail, refusal, status: problem.status }));
  }

  /** There is nobody to answer. */
  function recordUnread(origin: Origin, refusal: Refusal): void {
    audit.record(endTrail({ ...startTrail(null, origin, level), refusal }));
  }

  return {
    listen: async (port, hosts) => {
      let chosen = port;
      for (const host of hosts) {
        const server = createFront();
        servers.push(server);
        chosen = await listenOn(server, chosen, host);
        egress.ownPorts.add(chosen);
      }
      return { port: chosen };
    },
    capture: async (plan, ports, hosts) => {
      // Cooperative pods do without, in memory too.
      const { createCaptured } = await import('./captured.ts');
      captured = createCaptured({
        plan,
        handshakes,
        admit: admitted.admit,
        serve,
        relay: (planned, socket) => {
          admitted.slotOf(socket).hold();
          relay.accept(planned, socket);
        },
        onFailure: recordUnread,
        ownPorts: egress.ownPorts,
      });
      return captured.listen(ports, hosts);
    },
    close: async () => {
      inFlight.close();
      const closed: Promise<unknown>[] = servers.map(
        (server) => new Promise((resolve) => server.close(resolve)),
      );
      if (captured !== null) closed.push(captured.close());
      admitted.cut();
      await Promise.all([upstreams.close(), relay.settled()]);
      await Promise.all(closed);
    },
  };
}
