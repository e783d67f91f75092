// The operator's end of the ruleset stream: one ruleset, then heartbeats, over TLS, to whoever shows the token.

import { createServer } from 'node:https';
import type { AddressInfo } from 'node:net';
import {
  controlPaths,
  heartbeatSeconds,
  leaseSeconds,
  type HeartbeatEvent,
  type RulesetEvent,
} from '../../policy/contract.ts';
import type { Compiled } from '../../policy/compile.ts';

export interface OperatorOptions {
  readonly tls: { readonly cert: string; readonly key: string };
  readonly token: string;
  readonly compiled: Compiled;
}

/** @returns the port. */
export function startOperator({ tls, token, compiled }: OperatorOptions): Promise<number> {
  const watermark = { agentpolicies: '1' };
  const server = createServer(tls, (request, response) => {
    request.resume();
    if (request.headers.authorization !== `Bearer ${token}`) return void response.writeHead(401).end();
    if (request.url === controlPaths.reports) return void response.writeHead(204).end();
    response.writeHead(200, { 'content-type': 'text/event-stream' });
    const first: RulesetEvent = { ...compiled, watermark, time: Date.now(), lease: leaseSeconds };
    response.write(`event: ruleset\ndata: ${JSON.stringify(first)}\n\n`);
    const beat = setInterval(() => {
      response.write(
        `event: heartbeat\ndata: ${JSON.stringify({ watermark, time: Date.now() } satisfies HeartbeatEvent)}\n\n`,
      );
    }, heartbeatSeconds * 1000);
    response.on('close', () => clearInterval(beat));
  });
  server.requestTimeout = 0;
  return new Promise((resolve) => {
    server.listen(0, '127.0.0.1', () => resolve((server.address() as AddressInfo).port));
  });
}
