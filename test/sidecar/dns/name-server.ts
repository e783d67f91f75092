import { createSocket } from 'node:dgram';
import { once } from 'node:events';
import { isIPv4 } from 'node:net';

export interface NameServer {
  /** For `createResolver({ servers })`. */
  readonly address: string;
  /** Every name that was asked, with its record type. */
  readonly questions: string[];
  close(): void;
}

/** Addresses of a name at this moment; 'NXDOMAIN', 'SERVFAIL', or 'SILENT' for no answer at all. */
export type Zone = (
  name: string,
  type: 'A' | 'AAAA',
) => readonly string[] | 'NXDOMAIN' | 'SERVFAIL' | 'SILENT';

const codes = { SERVFAIL: 2, NXDOMAIN: 3 } as const;

/** A real DNS server on loopback (RFC 1035) that answers with TTL 0. */
export async function startNameServer(zone: Zone): Promise<NameServer> {
  const socket = createSocket('udp4');
  const questions: string[] = [];
  socket.on('message', (query, from) => {
    const end = query.indexOf(0, 12) + 5;
    const name = readName(query);
    const type = query.readUInt16BE(end - 4) === 28 ? 'AAAA' : 'A';
    questions.push(`${type} ${name}`);
    const answer = zone(name, type);
    if (answer === 'SILENT') return;
    const records = typeof answer === 'string' ? [] : answer.map(record);
    const head = Buffer.from(query.subarray(0, end));
    head.writeUInt16BE(0x8180 | (typeof answer === 'string' ? codes[answer] : 0), 2);
    head.writeUInt16BE(records.length, 6);
    head.writeUInt32BE(0, 8);
    socket.send(Buffer.concat([head, ...records]), from.port, from.address);
  });
  socket.bind(0, '127.0.0.1');
  await once(socket, 'listening');
  return { address: `127.0.0.1:${socket.address().port}`, questions, close: () => socket.close() };
}

function readName(query: Buffer): string {
  const labels: string[] = [];
  for (let at = 12; (query[at] ?? 0) > 0; at += 1 + (query[at] ?? 0)) {
    labels.push(query.toString('latin1', at + 1, at + 1 + (query[at] ?? 0)));
  }
  return labels.join('.').toLowerCase();
}

function record(address: string): Buffer {
  const data = isIPv4(address) ? Buffer.from(address.split('.').map(Number)) : ipv6(address);
  const head = Buffer.alloc(12);
  head.writeUInt16BE(0xc00c, 0); // the name of the question
  head.writeUInt16BE(data.length === 4 ? 1 : 28, 2);
  head.writeUInt16BE(1, 4);
  head.writeUInt32BE(0, 6);
  head.writeUInt16BE(data.length, 10);
  return Buffer.concat([head, data]);
}

function ipv6(address: string): Buffer {
  const [head = '', tail = ''] = address.split('::');
  const groups = (text: string): number[] =>
    text === '' ? [] : text.split(':').map((part) => parseInt(part, 16));
  const [left, right] = [groups(head), groups(tail)];
  const all = [...left, ...Array<number>(8 - left.length - right.length).fill(0), ...right];
  return Buffer.from(all.flatMap((group) => [group >> 8, group & 0xff]));
}
