// DNS messages (RFC 1035 section 4, RFC 6891 for EDNS), read strictly: whatever does not fit the format to the last byte is
// refused whole. Counts are believed no further than the message's size goes.

import { isIPv4 } from 'node:net';
import { createNameWriter, nameBytes, parseName } from './name.ts';

export const recordTypes = { A: 1, CNAME: 5, SOA: 6, AAAA: 28, OPT: 41, IXFR: 251, AXFR: 252 } as const;
export const classes = { IN: 1 } as const;
/** Of the header's second word. */
export const headerFlags = {
  response: 0x8000,
  opcode: 0x7800,
  authoritative: 0x0400,
  truncated: 0x0200,
  recursionDesired: 0x0100,
  recursionAvailable: 0x0080,
  checkingDisabled: 0x0010,
} as const;
export const responseCodes = {
  NOERROR: 0,
  FORMERR: 1,
  SERVFAIL: 2,
  NXDOMAIN: 3,
  NOTIMP: 4,
  REFUSED: 5,
  /** Its lower four bits are those of NOERROR; the rest stands in the OPT record. */
  BADVERS: 16,
} as const;

/** What passes everywhere without fragments (DNS flag day 2020); larger messages come over TCP. */
export const udpPayloadBytes = 1232;
/** Two bytes of length precede a message over TCP. */
export const maxMessageBytes = 65_535;
export const headerBytes = 12;

export interface DnsMessage {
  readonly id: number;
  readonly flags: number;
  readonly questions: readonly DnsQuestion[];
  readonly answers: readonly DnsRecord[];
  readonly authorities: readonly DnsRecord[];
  readonly additionals: readonly DnsRecord[];
}

export interface DnsQuestion {
  /** As in `name.ts`, in the letter case of the message. */
  readonly name: string;
  readonly type: number;
  readonly class: number;
}

export interface DnsRecord extends DnsQuestion {
  readonly ttl: number;
  readonly data: DnsData;
}

/** Of A, AAAA and CNAME in class IN; `bytes` of all others, as they were: names in them may point into their message. */
export type DnsData =
  | { readonly kind: 'address'; readonly address: string }
  | { readonly kind: 'name'; readonly name: string }
  | { readonly kind: 'bytes'; readonly bytes: Buffer };

/** The smallest question (a root name, type, class) and record (with ttl and length). */
const minQuestionBytes = 5;
const minRecordBytes = 11;
/** A record of 12 bytes can point to a name of 127 labels, so those in 64 KiB would take a tenth of a second to read. */
const maxRecords = 512;

/** @throws {Error} that says what is wrong. */
export function parseMessage(message: Buffer): DnsMessage {
  if (message.length < headerBytes) throw new Error('the message is shorter than its header');
  const [questionCount, ...recordCounts] = [4, 6, 8, 10].map((at) => message.readUInt16BE(at)) as [
    number,
    number,
    number,
    number,
  ];
  const records = recordCounts.reduce((sum, count) => sum + count, 0);
  if (questionCount * minQuestionBytes + records * minRecordBytes > message.length - headerBytes) {
    throw new Error('the message has less than it counts');
  }
  if (questionCount + records > maxRecords) throw new Error('the message has too many records');
  let position: number = headerBytes;

  function take(bytes: number): number {
    const at = position;
    position += bytes;
    if (position > message.length) throw new Error('a record goes beyond the message');
    return at;
  }

  function question(): DnsQuestion {
    const { name, end } = parseName(message, position);
    position = end;
    const at = take(4);
    return { name, type: message.readUInt16BE(at), class: message.readUInt16BE(at + 2) };
  }

  function record(): DnsRecord {
    const asked = question();
    const at = take(6);
    const start = take(message.readUInt16BE(at + 4));
    return { ...asked, ttl: message.readUInt32BE(at), data: parseData(message, start, position, asked) };
  }

  const questions = Array.from({ length: questionCount }, question);
  const [answers = [], authorities = [], additionals = []] = recordCounts.map((length) =>
    Array.from({ length }, record),
  );
  if (position !== message.length) throw new Error('something follows the message');
  const [id, flags] = [message.readUInt16BE(0), message.readUInt16BE(2)];
  return { id, flags, questions, answers, authorities, additionals };
}

function parseData(message: Buffer, start: number, end: number, { type, ...asked }: DnsQuestion): DnsData {
  const bytes = message.subarray(start, end);
  if (asked.class !== classes.IN) return { kind: 'bytes', bytes };
  if (type === recordTypes.A) {
    if (bytes.length !== 4) throw new Error('an A record has no IPv4 address');
    return { kind: 'address', address: bytes.join('.') };
  }
  if (type === recordTypes.AAAA) {
    if (bytes.length !== 16) throw new Error('an AAAA record has no IPv6 address');
    return { kind: 'address', address: ipv6Text(bytes) };
  }
  if (type === recordTypes.CNAME) {
    const target = parseName(message, start);
    if (target.end !== end) throw new Error('a CNAME record is not one name');
    return { kind: 'name', name: target.name };
  }
  return { kind: 'bytes', bytes };
}

/** Compresses names; every message of ours fits in what was given for it. */
export function encodeMessage(message: DnsMessage): Buffer {
  const sections = [message.answers, message.authorities, message.additionals];
  const records = sections.flat();
  const into = Buffer.alloc(
    headerBytes +
      message.questions.reduce((sum, { name }) => sum + nameBytes(name) + 4, 0) +
      records.reduce((sum, { name, data }) => sum + nameBytes(name) + 10 + maxDataBytes(data), 0),
  );
  const names = createNameWriter();
  const counts = [message.questions, ...sections].map(({ length }) => length);
  let offset = 0;
  for (const word of [message.id, message.flags, ...counts]) offset = into.writeUInt16BE(word, offset);
  for (const asked of message.questions) writeQuestion(asked);
  for (const { ttl, data, ...asked } of records) {
    writeQuestion(asked);
    offset = into.writeUInt32BE(ttl, offset);
    const start = offset + 2;
    const end = writeData(into, start, data, names);
    into.writeUInt16BE(end - start, offset);
    offset = end;
  }

  function writeQuestion(asked: DnsQuestion): void {
    offset = names.write(into, offset, asked.name);
    offset = into.writeUInt16BE(asked.type, offset);
    offset = into.writeUInt16BE(asked.class, offset);
  }

  return into.subarray(0, offset);
}

function maxDataBytes(data: DnsData): number {
  if (data.kind === 'name') return nameBytes(data.name);
  return data.kind === 'bytes' ? data.bytes.length : 16;
}

function writeData(
  into: Buffer,
  offset: number,
  data: DnsData,
  names: ReturnType<typeof createNameWriter>,
): number {
  if (data.kind === 'name') return names.write(into, offset, data.name);
  const bytes = data.kind === 'bytes' ? data.bytes : addressBytes(data.address);
  into.set(bytes, offset);
  return offset + bytes.length;
}

/** RFC 5952, but for v4-mapped addresses, whose last four bytes are hexadecimal here too. */
function ipv6Text(bytes: Buffer): string {
  const groups = [0, 2, 4, 6, 8, 10, 12, 14].map((at) => bytes.readUInt16BE(at).toString(16));
  return new URL(`http://[${groups.join(':')}]`).hostname.slice(1, -1);
}

/** Of canonical text, as `ipv6Text` gives it. */
function addressBytes(address: string): Buffer {
  if (isIPv4(address)) return Buffer.from(address.split('.').map(Number));
  const [head = '', tail = ''] = address.split('::');
  const [left, right] = [head, tail].map((text) => (text === '' ? [] : text.split(':'))) as [
    string[],
    string[],
  ];
  const zeros = Array<string>(8 - left.length - right.length).fill('0');
  const bytes = Buffer.alloc(16);
  for (const [index, group] of [...left, ...zeros, ...right].entries()) {
    bytes.writeUInt16BE(parseInt(group, 16), 2 * index);
  }
  return bytes;
}

export function rcodeOf({ flags }: Pick<DnsMessage, 'flags'>): number {
  return flags & 0x000f;
}

/** The record by which a sender says that it knows EDNS; its class is the payload size that it takes over UDP. */
export function optRecord(extendedRcode = 0): DnsRecord {
  const ttl = (extendedRcode << 24) >>> 0;
  const data = { kind: 'bytes', bytes: Buffer.alloc(0) } as const;
  return { name: '', type: recordTypes.OPT, class: udpPayloadBytes, ttl, data };
}
