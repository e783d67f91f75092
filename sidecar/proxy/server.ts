// The front door: one HTTP server per loopback address. Requests with a whole URL and what comes out of tunnels
// enter here alike; each connection carries one exchange at a time.

import type { IncomingMessage, Server, ServerResponse } from 'node:http';
import type { AddressInfo, Socket } from 'node:net';
import type { Duplex } from 'node:stream';
import type { Authority as Place } from '../../policy/canonical.ts';
import { refuse, type Refusal } from '../../policy/refusal.ts';

import { SidecarError } from '../errors.ts';
import { createServer } from '../node-http.ts';
import type { Authority } from '../tls/authority.ts';
import type { Egress } from './egress.ts';
import type { Agent } from './agent.ts';
import { createExchangeHandler, type ExchangeOptions } from './exchange.ts';
import { createInFlight } from './in-flight.ts';
import { createProblem, encodeProblem } from './respond.ts';
import { endTrail, startTrail } from './trail.ts';
import { createTunnels, type Tunnel } from './tunnel.ts';
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
} as const;
/**
 * Neither side of a connection sends or takes anything: a body that stops, an answer that nobody reads. Longer than
 * upstreams may think, so that it is they who are named.
 */
const idleTimeoutMs = 660_000;
/** About 60 KiB each with TLS; a pod's agents that need more are better served by being told. */
const maxConnections = 512;
/** apt sends up to ten requests ahead of their answers. */
const maxPipelined = 16;

interface Connection {
  readonly tunnel: Tunnel | null;
  /** The exchange under way. */
  current: Agent | null;
  readonly waiting: Agent[];
}

export function createProxy(options: ProxyOptions): Proxy {
  const { snapshots, authority, egress, audit, clock } = options;
  const inFlight = createInFlight(snapshots, clock);
  const upstreams = createUpstreams(egress.dial);
  const handle = createExchangeHandler({ ...options, upstreams, inFlight });
  const servers: Server[] = [];
  const sockets = new Set<Duplex>();
  const connections = new WeakMap<Duplex, Connection>();
  const tunnels = createTunnels({
    authority,
    onOpen: (stream, tunnel) => {
      connections.set(stream, { tunnel, current: null, waiting: [] });
      servers[0]?.emit('connection', stream);
    },
    onFailure: (target, refusal) => recordUnread(refusal, { authority: target }, 0),
  });

  function createFront(): Server {
    const server = createServer({ ...bounds, requireHostHeader: false, optimizeEmptyRequests: true });
    // Node would drop the headers beyond its limit without a word; ours refuses them.
    server.maxHeadersCount = 0;
    server.maxConnections = maxConnections;
    server.timeout = idleTimeoutMs;
    server.on('connection', (socket: Socket) => {
      sockets.add(socket);
      socket.on('close', () => sockets.delete(socket));
      if (!connections.has(socket)) connections.set(socket, { tunnel: null, current: null, waiting: [] });
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
    connection.waiting.push({ message, response, tunnel: connection.tunnel });
    if (connection.current === null) void work(connection);
  }

  async function work(connection: Connection): Promise<void> {
    for (let next = connection.waiting.shift(); next !== undefined; next = connection.waiting.shift()) {
      connection.current = next;
      // Cannot fail but by a defect, which must not end the streams of others.
      await handle(next).catch(() => connection.current?.message.socket.destroy());
      if (!next.response.shouldKeepAlive || next.message.socket.destroyed) connection.waiting.length = 0;
    }
    connection.current = null;
  }

  function openTunnel(message: IncomingMessage, stream: Duplex, early: Buffer): void {
    stream.on('error', () => {});
    const connection = connections.get(message.socket);
    const nested = connection?.tunnel ?? null;
    const refusal =
      nested !== null || connection?.current !== null
        ? refuse(
            'protocol_unsupported',
            'CONNECT inside a tunnel or behind an unanswered request is not supported.',
          )
        : tunnels.open(message, stream as Socket, early);
    if (refusal !== null) answerUnread(stream, refusal, nested);
  }

  /** The parser gave up: there is no request object, and no telling where another request would start. */
  function onUnreadable(error: NodeJS.ErrnoException, socket: Duplex): void {
    const connection = connections.get(socket);
    const isGone = error.code === 'ECONNRESET' || error.code === 'HPE_INVALID_EOF_STATE';
    if (connection === undefined || isGone || !socket.writable) {
      socket.destroy();
      return;
    }
    const refusal =
      error.code === 'HPE_HEADER_OVERFLOW'
        ? refuse('headers_too_large', 'The request has more than 64 KiB of headers.')
        : refuse('request_malformed', `The request could not be parsed (${error.code ?? 'unknown'}).`);
    const { current } = connection;
    if (current === null) {
      answerUnread(socket, refusal, connection.tunnel);
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

  function answerUnread(socket: Duplex, refusal: Refusal, tunnel: Tunnel | null): void {
    const trail = startTrail(null, tunnel);
    const problem = createProblem(trail.id, refusal, null);
    socket.end(encodeProblem(problem), () => socket.destroy());
    audit.record(endTrail({ ...trail, refusal, status: problem.status }));
  }

  function recordUnread(refusal: Refusal, target: { readonly authority: Place }, status: number): void {
    audit.record(endTrail({ ...startTrail(null, target), refusal, status }));
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
    close: async () => {
      inFlight.close();
      const closed = servers.map((server) => new Promise((resolve) => server.close(resolve)));
      for (const socket of sockets) socket.destroy();
      await upstreams.close();
      await Promise.all(closed);
    },
  };
}

function listenOn(server: Server, port: number, host: string): Promise<number> {
  return new Promise((resolve, reject) => {
    server.once('error', (error: NodeJS.ErrnoException) => {
      reject(new SidecarError('PORT_TAKEN', { detail: `${host} port ${port}: ${error.code}.` }));
    });
    server.listen(port, host, () => {
      server.removeAllListeners('error');
      resolve((server.address() as AddressInfo).port);
    });
  });
}
