// DNS messages written and read by hand, byte by byte: what tests our codec must not come from it.

import { createSocket } from 'node:dgram';
import { once } from 'node:events';
import { connect } from 'node:net';

export interface QueryParts {
  readonly id?: number;
  readonly flags?: number;
  /** Counts of questions, answers, authorities, additionals. */
  readonly counts?: readonly [number, number, number, number];
  readonly name?: string;
  readonly type?: number;
  readonly class?: number;
  readonly more?: Buffer;
}

export const typeCodes = {
  A: 1,
  NS: 2,
  CNAME: 5,
  SOA: 6,
  NULL: 10,
  MX: 15,
  TXT: 16,
  AAAA: 28,
  SRV: 33,
} as const;

export function query(parts: QueryParts = {}): Buffer {
  const { id = 0x1234, flags = 0x0100, counts = [1, 0, 0, 0], name = 'known.example', type = 1 } = parts;
  const head = Buffer.alloc(12);
  for (const [index, word] of [id, flags, ...counts].entries()) head.writeUInt16BE(word, 2 * index);
  const tail = Buffer.alloc(4);
  tail.writeUInt16BE(type, 0);
  tail.writeUInt16BE(parts.class ?? 1, 2);
  return Buffer.concat([head, wireName(name), tail, parts.more ?? Buffer.alloc(0)]);
}

export function wireName(name: string): Buffer {
  const labels = name.split('.').filter((label) => label !== '');
  const written = labels.map((label) =>
    Buffer.concat([Buffer.from([label.length]), Buffer.from(label, 'latin1')]),
  );
  return Buffer.concat([...written, Buffer.from([0])]);
}

/** An OPT record (RFC 6891). */
export function opt({ version = 0, name = Buffer.from([0]) } = {}): Buffer {
  return Buffer.concat([name, Buffer.from([0, 41, 4, 208, 0, version, 0, 0, 0, 0])]);
}

export interface Answered {
  readonly id: number;
  readonly flags: number;
  readonly rcode: number;
  readonly counts: readonly number[];
  readonly bytes: Buffer;
}

export function readHead(bytes: Buffer): Answered {
  const words = [0, 2, 4, 6, 8, 10].map((at) => bytes.readUInt16BE(at)) as [number, number, ...number[]];
  const [id, flags, ...counts] = words;
  return { id, flags, rcode: flags & 15, counts, bytes };
}

/** @returns null when nothing came in time. */
export async function askUdp(
  port: number,
  message: Buffer,
  { host = '127.0.0.1', timeoutMs = 2000 } = {},
): Promise<Answered | null> {
  const socket = createSocket(host.includes(':') ? 'udp6' : 'udp4');
  try {
    const answered = once(socket, 'message', { signal: AbortSignal.timeout(timeoutMs) });
    socket.send(message, port, host);
    const [bytes] = (await answered) as [Buffer];
    return readHead(bytes);
  } catch (error) {
    if ((error as Error).name === 'AbortError') return null;
    throw error;
  } finally {
    socket.close();
  }
}

/** Writes all at once and reads until `count` answers came or the server ends the connection. */
export async function askTcp(port: number, bytes: Buffer, count: number): Promise<Answered[]> {
  const socket = connect(port, '127.0.0.1');
  socket.on('error', () => {});
  const ending = setTimeout(() => socket.destroy(), 5000);
  const answers: Answered[] = [];
  let rest = Buffer.alloc(0);
  socket.write(bytes);
  try {
    for await (const chunk of socket as AsyncIterable<Buffer>) {
      rest = Buffer.concat([rest, chunk]);
      while (rest.length >= 2 && rest.length >= 2 + rest.readUInt16BE(0)) {
        const end = 2 + rest.readUInt16BE(0);
        answers.push(readHead(rest.subarray(2, end)));
        rest = rest.subarray(end);
      }
      if (answers.length >= count) break;
    }
  } catch {
    // Cut: what came before counts.
  } finally {
    clearTimeout(ending);
    socket.destroy();
  }
  return answers;
}

export function framed(message: Buffer): Buffer {
  const length = Buffer.alloc(2);
  length.writeUInt16BE(message.length);
  return Buffer.concat([length, message]);
}
