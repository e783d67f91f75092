import { once } from 'node:events';
import { mkdtempSync, rmSync } from 'node:fs';
import {
  createServer as createHttpServer,
  type IncomingMessage,
  type Server,
  type ServerResponse,
} from 'node:http';
import { createServer } from 'node:https';
import type { AddressInfo, Socket } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { createServer as createTlsServer, type TLSSocket } from 'node:tls';
import { createAuthority, type Authority } from '../../cluster/certificates.ts';

/** What an origin understood of one request. */
export interface Received {
  readonly method: string;
  readonly url: string;
  readonly rawHeaders: readonly string[];
  /** Joined as Node does; only for looking at single ones. */
  readonly headers: IncomingMessage['headers'];
  readonly body: string;
  readonly connection: number;
}

export interface Origin {
  readonly port: number;
  readonly received: Received[];
  /** Connections it has accepted since its start. */
  connections(): number;
  close(): Promise<void>;
}

export interface TestCa {
  readonly authority: Authority;
  readonly folder: string;
  close(): void;
}

export const originName = 'api.example.test';

/** Made by openssl, so that no bug of our own certificates can hide. */
export async function createTestCa(): Promise<TestCa> {
  const folder = mkdtempSync(join(tmpdir(), 'outrider-origin-'));
  const authority = await createAuthority(folder);
  return { authority, folder, close: () => rmSync(folder, { recursive: true, force: true }) };
}

export type Answer = (message: IncomingMessage, response: ServerResponse, body: string) => void;

export interface OriginOptions {
  readonly names?: readonly string[];
  /** `200 hello` by default. Called when the body is whole, unless `early`. */
  readonly answer?: Answer;
  readonly early?: boolean;
}

let issued = 0;

/** A real HTTPS server on loopback that notes what it understood. */
export async function startOrigin(ca: TestCa, options: OriginOptions = {}): Promise<Origin> {
  const { names = [`DNS:${originName}`] } = options;
  issued += 1;
  const certificate = await ca.authority.issue({
    name: `origin-${issued}`,
    subject: '/CN=origin',
    alternativeNames: names,
    usages: ['serverAuth'],
  });
  const server = createServer({
    cert: certificate.certPem,
    key: certificate.keyPem,
    maxHeaderSize: 128 * 1024,
  });
  server.on('tlsClientError', () => {});
  return serve(server, 'secureConnection', options);
}

/** The same without TLS. */
export function startPlainOrigin(options: OriginOptions = {}): Promise<Origin> {
  return serve(createHttpServer(), 'connection', options);
}

async function serve(server: Server, accepted: string, options: OriginOptions): Promise<Origin> {
  const { early = false, answer = (_m, response) => response.end('hello') } = options;
  const received: Received[] = [];
  const sockets = new Map<unknown, number>();
  server.on(accepted, (socket: Socket) => sockets.set(socket, sockets.size + 1));
  const onRequest = (message: IncomingMessage, response: ServerResponse): void => {
    const { method = '', url = '', rawHeaders, headers } = message;
    const connection = sockets.get(message.socket) ?? 0;
    const chunks: Buffer[] = [];
    message.on('data', (chunk: Buffer) => chunks.push(chunk));
    message.on('end', () => {
      const body = Buffer.concat(chunks).toString('latin1');
      received.push({ method, url, rawHeaders, headers, body, connection });
      if (!early) answer(message, response, body);
    });
    if (early) answer(message, response, '');
  };
  server.on('request', onRequest);
  server.on('checkContinue', onRequest);
  server.listen(0, '127.0.0.1');
  await once(server, 'listening');
  return {
    port: (server.address() as AddressInfo).port,
    received,
    connections: () => sockets.size,
    close: async () => {
      server.closeAllConnections();
      server.close();
      await once(server, 'close');
    },
  };
}

export type Script = (socket: TLSSocket, data: Buffer) => void;

/** A TLS server that answers what it reads with bytes of its own, valid HTTP or not. */
export async function startRawOrigin(ca: TestCa, script: Script): Promise<Origin> {
  issued += 1;
  const certificate = await ca.authority.issue({
    name: `raw-${issued}`,
    subject: '/CN=origin',
    alternativeNames: [`DNS:${originName}`],
    usages: ['serverAuth'],
  });
  const sockets = new Set<TLSSocket>();
  let accepted = 0;
  const server = createTlsServer({ cert: certificate.certPem, key: certificate.keyPem }, (socket) => {
    accepted += 1;
    sockets.add(socket);
    socket.on('error', () => {});
    socket.on('data', (data: Buffer) => script(socket, data));
  });
  server.on('tlsClientError', () => {});
  server.listen(0, '127.0.0.1');
  await once(server, 'listening');
  return {
    port: (server.address() as AddressInfo).port,
    received: [],
    connections: () => accepted,
    close: async () => {
      for (const socket of sockets) socket.destroy();
      server.close();
      await once(server, 'close');
    },
  };
}
