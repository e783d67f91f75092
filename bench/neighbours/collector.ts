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

export function startCollector(tls: { readonly cert: string; readonly key: string }): Promise<Collector> {
  const totals = { spans: 0, bytes: 0, posts: 0 };
  const server = createServer(tls, (request, response) => {
    const chunks: Buffer[] = [];
    request.on('data', (chunk: Buffer) => chunks.push(chunk));
    request.on('end', () => {
      const type = request.headers['content-type'] ?? '';
      const isPlain = request.headers['content-encoding'] === undefined;
      const count = counters[type];
      // Not counted would be counted as lost; whoever encodes otherwise teaches it to this.
      if (request.url !== '/v1/traces' || count === undefined || !isPlain) {
        response.writeHead(415).end();
        return;
      }
      const body = Buffer.concat(chunks);
      totals.posts += 1;
      totals.bytes += body.length;
      totals.spans += count(body);
      // An empty answer, in either encoding.
      response.writeHead(200, { 'content-type': type }).end(type === json ? '{}' : '');
    });
  });
  server.keepAliveTimeout = 60_000;
  return new Promise((resolve) => {
    server.listen(0, '127.0.0.1', () => {
      resolve({ port: (server.address() as AddressInfo).port, received: () => ({ ...totals }) });
    });
  });
}

const json = 'application/json';
const counters: Readonly<Record<string, (body: Buffer) => number>> = {
  [json]: countInJson,
  'application/x-protobuf': countInProtobuf,
};

function countInJson(body: Buffer): number {
  const key = '"spanId":';
  let count = 0;
  for (let at = body.indexOf(key); at !== -1; at = body.indexOf(key, at + key.length)) count += 1;
  return count;
}

/** ExportTraceServiceRequest.resource_spans, ResourceSpans.scope_spans, ScopeSpans.spans. */
const spanFieldPath = [1, 2, 2];

/** Walks the fields of a message (https://protobuf.dev/programming-guides/encoding/) and counts those at a path. */
export function countInProtobuf(message: Buffer, path: readonly number[] = spanFieldPath): number {
  const [wanted, ...inner] = path;
  let at = 0;
  let count = 0;
  const varint = (): number => {
    for (let value = 0, scale = 1; ; scale *= 0x80) {
      const byte = message[at++];
      if (byte === undefined) throw new RangeError('the message ends within a number');
      value += (byte & 0x7f) * scale;
      if (byte < 0x80) return value;
    }
  };
  while (at < message.length) {
    const tag = varint();
    // Messages of OTLP hold nothing but others on the way to a span: all fields are of wire type 2.
    if ((tag & 7) !== 2) throw new RangeError(`field ${tag >> 3} is not of the wire type of a message`);
    const end = varint() + at;
    if (end > message.length) throw new RangeError('a field is longer than its message');
    if (tag >> 3 === wanted)
      count += inner.length === 0 ? 1 : countInProtobuf(message.subarray(at, end), inner);
    at = end;
  }
  return count;
}
