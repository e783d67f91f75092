// A collector's OTLP/HTTP port that only counts: a sidecar whose spans are lost would look cheaper than it is.

import { createServer } from 'node:https';
import type { AddressInfo } from 'node:net';

export interface Received {
  readonly spans: number;
  readonly bytes: number;
  readonly posts: number;
}

export interface Collector {
  readonly port: number;
  received(): Received;
}

const spanKey = Buffer.from('"spanId":');

export function startCollector(tls: { readonly cert: string; readonly key: string }): Promise<Collector> {
  const totals = { spans: 0, bytes: 0, posts: 0 };
  const server = createServer(tls, (request, response) => {
    const chunks: Buffer[] = [];
    request.on('data', (chunk: Buffer) => chunks.push(chunk));
    request.on('end', () => {
      const isJson = request.headers['content-type'] === 'application/json';
      const isPlain = request.headers['content-encoding'] === undefined;
      // The sidecar sends JSON; whoever changes that teaches this to count the other encoding.
      if (request.url !== '/v1/traces' || !isJson || !isPlain) return void response.writeHead(415).end();
      const body = Buffer.concat(chunks);
      totals.posts += 1;
      totals.bytes += body.length;
      totals.spans += countOf(spanKey, body);
      response.writeHead(200, { 'content-type': 'application/json' }).end('{}');
    });
  });
  server.keepAliveTimeout = 60_000;
  return new Promise((resolve) => {
    server.listen(0, '127.0.0.1', () => {
      resolve({ port: (server.address() as AddressInfo).port, received: () => ({ ...totals }) });
    });
  });
}

function countOf(needle: Buffer, haystack: Buffer): number {
  let count = 0;
  for (let at = haystack.indexOf(needle); at !== -1; at = haystack.indexOf(needle, at + needle.length)) {
    count += 1;
  }
  return count;
}
