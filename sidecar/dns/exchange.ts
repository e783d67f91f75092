// One question to one server, over UDP, and over TCP when the answer does not fit. A socket of its own for each question,
// so that its port and its id are drawn anew; what does not answer the question is not heard.

import { randomInt } from 'node:crypto';
import { createSocket } from 'node:dgram';
import { connect, isIPv6 } from 'node:net';
import type { ServerAddress } from '../../policy/dns-server-address.ts';
import { createMessageReader, withLength } from './framing.ts';
import {
  encodeMessage,
  headerBytes,
  headerFlags,
  maxMessageBytes,
  optRecord,
  parseMessage,
  rcodeOf,
  responseCodes,
  type DnsMessage,
  type DnsQuestion,
} from './message.ts';
import { isSameName } from './name.ts';

/** A failure that carries a code, as Node's own do. */
export function dnsError(code: string): NodeJS.ErrnoException {
  return Object.assign(new Error(code), { code });
}

/**
 * @returns the server's answer, whatever its code.
 * @throws with the code ETIMEOUT, or the socket's.
 */
export async function exchange(
  server: ServerAddress,
  question: DnsQuestion,
  timeoutMs: number,
): Promise<DnsMessage> {
  const endsAtMs = performance.now() + timeoutMs;
  const extended = await exchangeAs(true);
  // Servers from before EDNS (RFC 6891 section 7) do not say that they know none of it.
  return rcodeOf(extended) === responseCodes.FORMERR ? exchangeAs(false) : extended;

  async function exchangeAs(isExtended: boolean): Promise<DnsMessage> {
    const overUdp = await ask(askUdp, isExtended);
    return (overUdp.flags & headerFlags.truncated) === 0 ? overUdp : ask(askTcp, isExtended);
  }

  function ask(over: typeof askUdp, isExtended: boolean): Promise<DnsMessage> {
    const query: DnsMessage = {
      id: randomInt(65_536),
      flags: headerFlags.recursionDesired,
      questions: [question],
      answers: [],
      authorities: [],
      additionals: isExtended ? [optRecord()] : [],
    };
    const leftMs = endsAtMs - performance.now();
    if (leftMs <= 0) throw dnsError('ETIMEOUT');
    return over(server, query, leftMs);
  }
}

/**
 * The socket is connected, so that the kernel drops what others send. What comes from the server's address and is not the
 * answer is passed over until the deadline: were it an error, one forged packet could make a name fail.
 */
function askUdp(server: ServerAddress, query: DnsMessage, timeoutMs: number): Promise<DnsMessage> {
  const socket = createSocket(isIPv6(server.address) ? 'udp6' : 'udp4');
  const { promise, resolve, reject } = Promise.withResolvers<DnsMessage>();
  const deadline = setTimeout(() => reject(dnsError('ETIMEOUT')), timeoutMs);
  socket.on('error', reject);
  socket.on('message', (bytes) => {
    const answer = readAnswer(bytes, query);
    if (answer !== null) resolve(answer);
  });
  socket.on('connect', () => {
    socket.send(encodeMessage(query), (error) => {
      if (error !== null) reject(error);
    });
  });
  socket.connect(server.port, server.address);
  return promise.finally(() => {
    clearTimeout(deadline);
    socket.close();
  });
}

/** Whoever could put bytes into the connection could also end it, so here a wrong answer is an error. */
function askTcp(server: ServerAddress, query: DnsMessage, timeoutMs: number): Promise<DnsMessage> {
  const socket = connect(server.port, server.address);
  const reader = createMessageReader(maxMessageBytes);
  const { promise, resolve, reject } = Promise.withResolvers<DnsMessage>();
  const deadline = setTimeout(() => reject(dnsError('ETIMEOUT')), timeoutMs);
  socket.on('error', reject);
  socket.on('close', () => reject(dnsError('ECONNRESET')));
  socket.on('data', (chunk: Buffer) => {
    const message = reader.read(chunk)?.[0];
    if (message === undefined) return;
    const answer = readAnswer(message, query);
    if (answer === null || (answer.flags & headerFlags.truncated) !== 0) reject(dnsError('EBADRESP'));
    else resolve(answer);
  });
  socket.write(withLength(encodeMessage(query)));
  return promise.finally(() => {
    clearTimeout(deadline);
    socket.destroy();
  });
}

const nothing = { questions: [], answers: [], authorities: [], additionals: [] };

/** @returns null for what is no answer to the query. */
function readAnswer(bytes: Buffer, { id, questions: [asked] }: DnsMessage): DnsMessage | null {
  // Before the rest is looked at: nobody else's messages are worth reading.
  if (bytes.length < headerBytes || bytes.readUInt16BE(0) !== id) return null;
  const flags = bytes.readUInt16BE(2);
  if ((flags & (headerFlags.response | headerFlags.opcode)) !== headerFlags.response) return null;
  // Of what does not fit nothing is used, and some servers cut it in the middle of a record.
  if ((flags & headerFlags.truncated) !== 0) return { ...nothing, id, flags };
  let answer: DnsMessage;
  try {
    answer = parseMessage(bytes);
  } catch {
    return null;
  }
  const { questions } = answer;
  const [question] = questions;
  // A server that understood nothing of a query may not repeat it.
  if (question === undefined && rcodeOf(answer) === responseCodes.FORMERR) return answer;
  if (question === undefined || asked === undefined || questions.length !== 1) return null;
  const isAsked =
    question.type === asked.type && question.class === asked.class && isSameName(question.name, asked.name);
  return isAsked ? answer : null;
}
