// The four origins, each behind a tap that counts what the sidecar sends: to TLS and to plain HTTP.

import { once } from 'node:events';
import { connect, createServer, type AddressInfo, type Socket } from 'node:net';
import { createRunFolder, removeRunFolder } from '../../cluster/run-folder.ts';
import type { TestCa } from '../proxy/origin.ts';
import { startApache } from './apache.ts';
import { startHaproxy } from './haproxy.ts';
import { startNginx } from './nginx.ts';
import { startNode } from './node-origin.ts';
import { requireServers } from './program.ts';
import type { Reading } from './reading.ts';

export interface TappedOrigin {
  readonly name: string;
  readonly host: string;
  readonly tls: Tap;
  readonly plain: Tap;
  readonly readings: () => readonly Reading[];
}

export interface Tap {
  readonly port: number;
  /** Of all connections together, from the sidecar. */
  bytes(): number;
  connections(): number;
}

export interface WireOrigins {
  readonly all: readonly TappedOrigin[];
  close(): Promise<void>;
}

export async function startWireOrigins(ca: TestCa): Promise<WireOrigins> {
  await requireServers();
  const run = createRunFolder();
  const hosts = ['nginx', 'apache', 'haproxy', 'node'].map((name) => `${name}.wire.test`);
  const { certPath, keyPath } = await ca.authority.issue({
    name: 'wire',
    subject: '/CN=wire',
    alternativeNames: hosts.map((host) => `DNS:${host}`),
    usages: ['serverAuth'],
  });
  const workshop = { run, folder: run.path, certPath, keyPath };
  const ends: (() => Promise<void>)[] = [() => removeRunFolder(run.path)];
  const close = async (): Promise<void> => {
    for (const end of ends.toReversed()) await end();
  };
  try {
    const all: TappedOrigin[] = [];
    for (const [at, start] of [startNginx, startApache, startHaproxy, startNode].entries()) {
      const origin = await start(workshop);
      ends.push(() => origin.close());
      const tls = await startTap(origin.tlsPort);
      const plain = await startTap(origin.plainPort);
      ends.push(
        () => tls.close(),
        () => plain.close(),
      );
      all.push({ name: origin.name, host: hosts[at] ?? '', tls, plain, readings: () => origin.readings() });
    }
    return { all, close };
  } catch (error) {
    await close();
    throw error;
  }
}

async function startTap(target: number): Promise<Tap & { close(): Promise<void> }> {
  let bytes = 0;
  let connections = 0;
  const sockets = new Set<Socket>();
  const server = createServer((near) => {
    connections += 1;
    const far = connect(target, '127.0.0.1').setNoDelay(true);
    for (const [socket, other] of [
      [near.setNoDelay(true), far],
      [far, near],
    ] as const) {
      sockets.add(socket);
      socket.on('error', () => {});
      socket.on('close', () => {
        sockets.delete(socket);
        other.destroy();
      });
    }
    near.on('data', (chunk: Buffer) => (bytes += chunk.length));
    near.pipe(far);
    far.pipe(near);
  });
  server.listen(0, '127.0.0.1');
  await once(server, 'listening');
  return {
    port: (server.address() as AddressInfo).port,
    bytes: () => bytes,
    connections: () => connections,
    close: async () => {
      for (const socket of sockets) socket.destroy();
      server.close();
      await once(server, 'close');
    },
  };
}
