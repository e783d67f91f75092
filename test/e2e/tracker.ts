// An HTTPS API that rejects every token but the one it is told, as a Service of the cluster. It runs in the test's
// process, so that a test sees each request that reached it.

import { once } from 'node:events';
import { createServer } from 'node:https';
import type { AddressInfo } from 'node:net';
import type { ClusterNode } from '../cluster/node.ts';

export interface SeenRequest {
  readonly method: string;
  readonly path: string;
  readonly authorization: string | undefined;
  readonly traceparent: string | undefined;
  readonly headers: NodeJS.Dict<string | string[]>;
}

export interface Tracker {
  readonly caPem: string;
  /** Everything that arrived, accepted or not. */
  readonly seen: SeenRequest[];
  /** The one token that is accepted from now on. */
  accept(token: string): void;
  close(): void;
}

export async function startTracker(node: ClusterNode, token: string): Promise<Tracker> {
  const certificate = await node.authority.issue({
    name: 'tracker',
    subject: '/CN=tracker',
    alternativeNames: ['DNS:tracker.upstream.svc'],
    usages: ['serverAuth'],
  });
  const seen: SeenRequest[] = [];
  let accepted = token;
  const server = createServer({ key: certificate.keyPem, cert: certificate.certPem }, (request, response) => {
    const { method = '', url = '', headers } = request;
    const { authorization } = headers;
    const traceparent = headers.traceparent as string | undefined;
    seen.push({ method, path: url, authorization, traceparent, headers });
    const status = authorization === `Bearer ${accepted}` ? 200 : 401;
    request.resume();
    response
      .writeHead(status, { 'content-type': 'application/json' })
      .end(JSON.stringify({ status, path: url }));
  });
  server.listen(0, node.address);
  await once(server, 'listening');
  const { port: hostPort } = server.address() as AddressInfo;
  await node.publishHostService({ namespace: 'upstream', name: 'tracker', port: 8443, hostPort });
  return {
    caPem: node.authority.certPem,
    seen,
    accept: (next) => {
      accepted = next;
    },
    close: () => {
      server.close();
      server.closeAllConnections();
    },
  };
}
