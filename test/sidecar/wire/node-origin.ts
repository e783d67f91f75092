import { once } from 'node:events';
import { readFileSync } from 'node:fs';
import { createServer, type IncomingMessage, type ServerResponse } from 'node:http';
import { createSecureServer } from 'node:http2';
import type { AddressInfo, Server, Socket } from 'node:net';
import type { Reading, WireOrigin } from './reading.ts';
import type { Workshop } from './program.ts';

const bounds = { maxHeaderSize: 128 * 1024, keepAliveTimeout: 3_600_000 };

/** Node's own server in our process. */
export async function startNode({ certPath, keyPath }: Workshop): Promise<WireOrigin> {
  const readings: Reading[] = [];
  const sockets = new Set<Socket>();
  const read = (message: IncomingMessage, response: ServerResponse): void => {
    const chunks: Buffer[] = [];
    message.on('data', (chunk: Buffer) => chunks.push(chunk));
    message.on('end', () => {
      readings.push({
        version: `HTTP/${message.httpVersion}`,
        method: message.method ?? '',
        target: message.url ?? '',
        headers: Object.entries(message.headersDistinct).flatMap(([name, values = []]) =>
          values.map((value) => [name, value] as const),
        ),
        body: Buffer.concat(chunks).toString('latin1'),
      });
      response.setHeader('content-length', 2).end('ok');
    });
  };
  const secure = createSecureServer({
    ...bounds,
    allowHTTP1: true,
    cert: readFileSync(certPath),
    key: readFileSync(keyPath),
  });
  secure.on('request', (message, response) => {
    read(message as unknown as IncomingMessage, response as unknown as ServerResponse);
  });
  secure.on('tlsClientError', () => {});
  const plain = createServer(bounds, read);
  const ports: number[] = [];
  for (const server of [secure, plain] as Server[]) {
    server.on('connection', (socket: Socket) => sockets.add(socket));
    server.listen(0, '127.0.0.1');
    await once(server, 'listening');
    ports.push((server.address() as AddressInfo).port);
  }
  const [tlsPort = 0, plainPort = 0] = ports;
  return {
    name: 'Node',
    tlsPort,
    plainPort,
    readings: () => readings,
    close: async () => {
      const closed = [secure, plain].map((server) => new Promise((done) => server.close(done)));
      for (const socket of sockets) socket.destroy();
      await Promise.all(closed);
    },
  };
}
