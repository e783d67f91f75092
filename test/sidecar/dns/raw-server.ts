// A name server that sends exactly the bytes that a test says, over UDP and TCP.

import { createSocket } from 'node:dgram';
import { once } from 'node:events';
import { createServer, type AddressInfo } from 'node:net';
import { framed, wireName } from './dns-query.ts';

export interface RawServer {
  readonly address: string;
  readonly queries: { readonly over: 'udp' | 'tcp'; readonly bytes: Buffer }[];
  close(): void;
}

/** All that is sent for one query, in order. */
export type Reply = (query: Buffer, over: 'udp' | 'tcp') => readonly Buffer[];

export async function startRawServer(reply: Reply, host = '127.0.0.1'): Promise<RawServer> {
  const queries: RawServer['queries'] = [];
  const tcp = createServer((socket) => {
    socket.on('error', () => {});
    socket.on('data', (chunk: Buffer) => {
      const bytes = chunk.subarray(2);
      queries.push({ over: 'tcp', bytes });
      for (const message of reply(bytes, 'tcp')) socket.write(framed(message));
    });
  }).listen(0, host);
  await once(tcp, 'listening');
  const { port } = tcp.address() as AddressInfo;
  const udp = createSocket(host.includes(':') ? 'udp6' : 'udp4').bind(port, host);
  udp.on('message', (bytes, from) => {
    queries.push({ over: 'udp', bytes });
    for (const message of reply(bytes, 'udp')) udp.send(message, from.port, from.address, () => {});
  });
  await once(udp, 'listening');
  return {
    address: host.includes(':') ? `[${host}]:${port}` : `${host}:${port}`,
    queries,
    close: () => {
      udp.close();
      tcp.close();
    },
  };
}

export function nameOf(query: Buffer): string {
  const labels: string[] = [];
  for (let at = 12; (query[at] ?? 0) > 0; at += 1 + (query[at] ?? 0)) {
    labels.push(query.toString('latin1', at + 1, at + 1 + (query[at] ?? 0)));
  }
  return labels.join('.');
}

export function typeOf(query: Buffer): number {
  return query.readUInt16BE(query.indexOf(0, 12) + 1);
}

export interface ResponseParts {
  readonly flags?: number;
  readonly id?: number;
  readonly records?: readonly Buffer[];
  readonly question?: Buffer;
}

/** An answer to the query, without the OPT record that came with it. */
export function response(query: Buffer, parts: ResponseParts = {}): Buffer {
  const { flags = 0x8180, records = [] } = parts;
  const question = parts.question ?? query.subarray(12, query.indexOf(0, 12) + 5);
  const head = Buffer.alloc(12);
  const counts = [question.length === 0 ? 0 : 1, records.length, 0, 0];
  for (const [index, word] of [parts.id ?? query.readUInt16BE(0), flags, ...counts].entries()) {
    head.writeUInt16BE(word, 2 * index);
  }
  return Buffer.concat([head, question, ...records]);
}

export function record(owner: string | Buffer, type: number, data: Buffer, ofClass = 1): Buffer {
  const rest = Buffer.alloc(10);
  rest.writeUInt16BE(type, 0);
  rest.writeUInt16BE(ofClass, 2);
  rest.writeUInt16BE(data.length, 8);
  return Buffer.concat([typeof owner === 'string' ? wireName(owner) : owner, rest, data]);
}

export function a(owner: string, address: string): Buffer {
  return record(owner, 1, Buffer.from(address.split('.').map(Number)));
}

export function cname(owner: string, target: string): Buffer {
  return record(owner, 5, wireName(target));
}
