// Upstreams that get TLS wrong, each behind a proxy of its own, and what an agent is told of them.

import { once } from 'node:events';
import { createServer as createTcpServer, type AddressInfo, type Server, type Socket } from 'node:net';
import { createServer, type TlsOptions } from 'node:tls';
import { startFixture } from '../proxy/fixture.ts';
import { originName, type TestCa } from '../proxy/origin.ts';
import { openSocket, send, type Answer } from '../proxy/raw-client.ts';

export interface Upstream {
  readonly port: number;
  /** Decrypted, or as they came where there is no TLS. */
  readonly received: () => string;
  close(): Promise<void>;
}

const hello = 'HTTP/1.1 200 OK\r\nContent-Length: 5\r\n\r\nhello';

/** Answers each read with 200 over TLS, or does with connections what `behave` says. */
export async function startUpstream(
  options: TlsOptions | null,
  behave: (socket: Socket) => void = (socket) => socket.on('data', () => socket.write(hello)),
): Promise<Upstream> {
  const chunks: Buffer[] = [];
  const sockets = new Set<Socket>();
  const take = (socket: Socket): void => {
    socket.on('error', () => {}).on('data', (chunk: Buffer) => chunks.push(chunk));
    behave(socket);
  };
  const server: Server = options === null ? createTcpServer(take) : createServer(options, take);
  server.on('connection', (socket) => {
    sockets.add(socket);
    socket.on('error', () => {});
  });
  server.on('tlsClientError', () => {});
  server.listen(0, '127.0.0.1');
  await once(server, 'listening');
  return {
    port: (server.address() as AddressInfo).port,
    received: () => Buffer.concat(chunks).toString('latin1'),
    close: async () => {
      for (const socket of sockets) socket.destroy();
      server.close();
      await once(server, 'close');
    },
  };
}

export interface AskOptions {
  readonly ca: TestCa;
  readonly port: number;
  /** What the AgentDestination trusts. */
  readonly caBundle?: string;
  /** What the agent asks for; the name of the tests' origin by default. */
  readonly host?: string;
  /** For the answer. */
  readonly waitMs?: number;
}

/** One request through a proxy to a server, whose reading must be looked at by the caller. */
export async function askThrough({
  ca,
  port,
  caBundle,
  host = originName,
  waitMs,
}: AskOptions): Promise<Answer> {
  const destination = { names: [host], ...(caBundle === undefined ? {} : { caBundle }) };
  const fixture = await startFixture({ ca, origin: { port }, destination });
  try {
    const place = `${host}:${port}`;
    // As absolute-form, since an address cannot be named in SNI.
    const socket = await openSocket(fixture.port);
    const answer = await send(
      socket,
      `GET https://${place}/token/x HTTP/1.1\r\nHost: ${place}\r\n\r\n`,
      'GET',
      waitMs,
    );
    socket.destroy();
    return answer;
  } finally {
    await fixture.close();
  }
}
