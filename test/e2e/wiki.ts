// A server inside the cluster that speaks plain HTTP: MCP at /mcp, forms at /forms, and whatever else is asked. It runs
// in the test's process, which so counts what reached it.

import { once } from 'node:events';
import { createServer } from 'node:http';
import type { AddressInfo } from 'node:net';
import type { ClusterNode } from '../cluster/node.ts';

export interface SeenCall {
  readonly method: string;
  readonly path: string;
  readonly authorization: string | undefined;
  readonly body: string;
}

export interface Wiki {
  /** Everything that arrived. */
  readonly seen: SeenCall[];
  close(): void;
}

export async function startWiki(node: ClusterNode): Promise<Wiki> {
  const seen: SeenCall[] = [];
  const server = createServer((request, response) => {
    const chunks: Buffer[] = [];
    request.on('data', (chunk: Buffer) => chunks.push(chunk));
    request.on('end', () => {
      const { method = '', url = '', headers } = request;
      const body = Buffer.concat(chunks).toString();
      seen.push({ method, path: url, authorization: headers.authorization, body });
      const { id = null } = url === '/mcp' ? (JSON.parse(body) as { id?: number }) : {};
      const result = { content: [{ type: 'text', text: 'found' }] };
      response
        .writeHead(200, { 'content-type': 'application/json' })
        .end(JSON.stringify({ jsonrpc: '2.0', id, result }));
    });
  });
  server.listen(0, node.address);
  await once(server, 'listening');
  const { port: hostPort } = server.address() as AddressInfo;
  await node.publishHostService({ namespace: 'tools', name: 'wiki', port: 8080, hostPort });
  return {
    seen,
    close: () => {
      server.close();
      server.closeAllConnections();
    },
  };
}
