// The name server of captured agents, on loopback, over UDP and TCP: what they ask, wherever they send it, comes here.

import { createSocket, type Socket as UdpSocket } from 'node:dgram';
import { once } from 'node:events';
import { createServer, isIPv6, type AddressInfo, type Server, type Socket } from 'node:net';
import { SidecarError } from '../errors.ts';
import { createAnswer, type AnswerOptions } from './answer.ts';
import { createMessageReader, withLength } from './framing.ts';
import { createRate } from './rate.ts';

export type DnsServerOptions = AnswerOptions;

export interface DnsServer {
  /**
   * @param port 0 for a free one, the same over UDP and TCP and on every host.
   * @throws SidecarError PORT_TAKEN
   */
  listen(port: number, hosts: readonly string[]): Promise<{ readonly port: number }>;
  close(): Promise<void>;
}

/**
 * An answer takes about 20 µs, so that a flood costs no more than 2% of a core beyond what receiving takes. A busy
 * client asks some dozens a second, two questions for each name of a search list; what is dropped it asks again.
 */
const maxPerSecond = 1000;
const burst = 2000;
/** Queries are small; EDNS options of cookies and padding make them some hundred bytes. */
const maxQueryBytes = 4096;
const maxConnections = 32;
/** RFC 7766 section 6.2.3 leaves it to the server; clients that keep a connection ask within it. */
const idleTimeoutMs = 5000;
const maxConnectionMs = 60_000;
const pauseMs = 50;

export function createDnsServer(options: DnsServerOptions): DnsServer {
  const answer = createAnswer(options);
  const rate = createRate({ perSecond: maxPerSecond, burst });
  const udpSockets: UdpSocket[] = [];
  const servers: Server[] = [];
  const connections = new Set<Socket>();

  async function listenUdp(port: number, host: string): Promise<number> {
    const socket = createSocket(isIPv6(host) ? { type: 'udp6', ipv6Only: true } : { type: 'udp4' });
    socket.on('message', (query, { address, port: from }) => {
      if (!rate.take(from)) return;
      const response = answer(query);
      // Whether it arrives is the client's concern; a port that closed meanwhile is no failure of ours.
      if (response !== null) socket.send(response, from, address, () => {});
    });
    await listening(socket, host, port, () => socket.bind({ port, address: host, exclusive: true }));
    udpSockets.push(socket);
    return socket.address().port;
  }

  async function listenTcp(port: number, host: string): Promise<number> {
    const server = createServer((socket) => serve(socket));
    server.maxConnections = maxConnections;
    await listening(server, host, port, () => server.listen({ port, host, exclusive: true }));
    servers.push(server);
    return (server.address() as AddressInfo).port;
  }

  /** Queries may come several at once (RFC 7766 section 6.2.1.1) and are answered in order. */
  function serve(socket: Socket): void {
    connections.add(socket);
    const reader = createMessageReader(maxQueryBytes);
    const queries: Buffer[] = [];
    const sender = socket.remotePort ?? 0;
    let resuming: NodeJS.Timeout | undefined;
    const ending = setTimeout(() => socket.destroy(), maxConnectionMs);
    socket.setTimeout(idleTimeoutMs, () => socket.destroy());
    // What it does not take within the idle time, it does not get.
    socket.on('drain', work);
    socket.on('error', () => {});
    socket.on('close', () => {
      clearTimeout(ending);
      clearTimeout(resuming);
      connections.delete(socket);
    });
    socket.on('data', (chunk: Buffer) => {
      const read = reader.read(chunk);
      if (read === null) socket.destroy();
      else {
        queries.push(...read);
        work();
      }
    });

    function work(): void {
      clearTimeout(resuming);
      while (queries.length > 0 && !socket.destroyed) {
        if (socket.writableNeedDrain) return void socket.pause();
        if (!rate.take(sender)) {
          socket.pause();
          resuming = setTimeout(work, pauseMs);
          return;
        }
        const response = answer(queries.shift() ?? Buffer.alloc(0));
        if (response === null) return void socket.destroy();
        socket.write(withLength(response));
      }
      socket.resume();
    }
  }

  return {
    async listen(port, hosts) {
      let chosen = port;
      try {
        for (const host of hosts) {
          chosen = await listenTcp(chosen, host);
          await listenUdp(chosen, host);
        }
      } catch (error) {
        await close();
        throw error;
      }
      return { port: chosen };
    },
    close,
  };

  async function close(): Promise<void> {
    for (const socket of connections) socket.destroy();
    await Promise.all([
      ...udpSockets.splice(0).map((socket) => new Promise<void>((done) => socket.close(done))),
      ...servers.splice(0).map((server) => new Promise<void>((done) => server.close(() => done()))),
    ]);
  }
}

async function listening(
  server: UdpSocket | Server,
  host: string,
  port: number,
  start: () => void,
): Promise<void> {
  const listens = once(server, 'listening');
  start();
  try {
    await listens;
  } catch (error) {
    const { code = '' } = error as NodeJS.ErrnoException;
    throw new SidecarError('PORT_TAKEN', { detail: `${host} port ${port}: ${code}.` });
  }
  // A socket that fails later, as UDP ones can by an ICMP message, goes on.
  server.on('error', () => {});
}
