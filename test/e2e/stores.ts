// Servers that speak no HTTP, such as databases do: they answer each line with what came, in the clear or over TLS of their
// own. They run in the test's process, on the node's address.

import { once } from 'node:events';
import { createServer, type AddressInfo, type Server, type Socket } from 'node:net';
import { createServer as createTlsServer } from 'node:tls';
import type { ClusterNode } from '../cluster/node.ts';

export interface Store {
  readonly port: number;
  /** Bytes that arrived, of all connections. */
  received(): number;
  connections(): number;
  close(): void;
}

/** @param tlsName the name in its certificate, which the node's authority signs; null speaks in the clear. */
export async function startStore(node: ClusterNode, tlsName: string | null): Promise<Store> {
  let received = 0;
  let connections = 0;
  const open = new Set<Socket>();
  const serve = (socket: Socket): void => {
    connections += 1;
    open.add(socket);
    socket.on('error', () => {}).on('close', () => open.delete(socket));
    socket.on('data', (chunk: Buffer) => {
      received += chunk.length;
      socket.write(chunk);
    });
  };
  let server: Server;
  if (tlsName === null) server = createServer(serve);
  else {
    const { keyPem, certPem } = await node.authority.issue({
      name: `store-${tlsName}`,
      subject: `/CN=${tlsName}`,
      alternativeNames: [`DNS:${tlsName}`],
      usages: ['serverAuth'],
    });
    server = createTlsServer({ key: keyPem, cert: certPem }, serve);
  }
  server.listen(0, node.address);
  await once(server, 'listening');
  return {
    port: (server.address() as AddressInfo).port,
    received: () => received,
    connections: () => connections,
    close: () => {
      for (const socket of open) socket.destroy();
      server.close();
    },
  };
}
