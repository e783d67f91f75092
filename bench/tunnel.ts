// One connection to a proxy, kept alive: CONNECT and TLS where they belong to it, then one request at a time. It reads as little of an answer as
// it can, since what it costs is taken from the same core as the origin's.

import { connect as connectTcp, type Socket } from 'node:net';
import { connect as connectTls, TLSSocket } from 'node:tls';

/** How a request gets to its origin: through a CONNECT, as a whole URL, by a captured connection, or without a proxy. */
export const ways = [
  'connect',
  'absolute',
  'captured_tls',
  'captured_http',
  'direct_tls',
  'direct_http',
] as const;
export type Way = (typeof ways)[number];

export interface TunnelOptions {
  readonly way: Way;
  /** Of the proxy, or of the origin where there is none between. */
  readonly proxyPort: number;
  readonly host: string;
  readonly port: number;
  /** PEM of the proxy's own authority, which signs what the tunnel is shown. */
  readonly ca: string;
  readonly request: Buffer;
  /** `status` of the answer to the request that was sent last. */
  readonly onAnswer: (status: number) => void;
  readonly onEnd: (reason: string) => void;
}

export interface Tunnel {
  send(): void;
  close(): void;
  /** Protocol and cipher of the TLS that the proxy ended. */
  readonly tls: string;
}

const headEnd = '\r\n\r\n';
const lastChunk = '0\r\n\r\n';

export async function openTunnel(options: TunnelOptions): Promise<Tunnel> {
  const socket = connectTcp({ host: '127.0.0.1', port: options.proxyPort, noDelay: true });
  await once(socket, 'connect');
  if (options.way === 'connect') await establish(socket, options);
  const secured = inTls.has(options.way)
    ? connectTls({ socket, servername: options.host, ca: options.ca, ALPNProtocols: ['http/1.1'] })
    : socket;
  if (secured !== socket) await once(secured, 'secureConnect');

  const answers = createAnswerReader(options.onAnswer);
  secured.on('data', (chunk: Buffer) => {
    try {
      answers(chunk);
    } catch (error) {
      secured.destroy(error as Error);
    }
  });
  let reason = 'the proxy closed the tunnel';
  secured.on('error', (error) => (reason = error.message));
  secured.on('close', () => options.onEnd(reason));
  return {
    send: () => void secured.write(options.request),
    close: () => void secured.removeAllListeners('close').destroy(),
    tls: secured instanceof TLSSocket ? `${secured.getProtocol()} ${secured.getCipher().name}` : 'none',
  };
}

const inTls: ReadonlySet<Way> = new Set(['connect', 'captured_tls', 'direct_tls']);

async function establish(socket: Socket, { host, port }: TunnelOptions): Promise<void> {
  socket.write(`CONNECT ${host}:${port} HTTP/1.1\r\nHost: ${host}:${port}\r\n\r\n`);
  let head = '';
  while (!head.includes(headEnd)) {
    const [chunk] = (await once(socket, 'data')) as [Buffer];
    head += chunk.toString('latin1');
  }
  socket.pause();
  if (!head.startsWith('HTTP/1.1 200 '))
    throw new Error(`CONNECT was answered with ${head.split('\r\n')[0]}`);
}

/** events.once would leave an error that comes after it without a listener. */
function once(emitter: Socket | TLSSocket, event: string): Promise<unknown[]> {
  return new Promise((resolve, reject) => {
    const settle = (act: () => void): void => {
      emitter.off(event, arrived).off('error', failed).off('close', closed);
      act();
    };
    const arrived = (...values: unknown[]): void => settle(() => resolve(values));
    const failed = (error: Error): void => settle(() => reject(error));
    const closed = (): void => settle(() => reject(new Error('the connection was closed')));
    emitter.on(event, arrived).on('error', failed).on('close', closed);
  });
}

/** @returns what takes the bytes of answers as they come, in any pieces; it throws on what is no answer. */
export function createAnswerReader(onAnswer: (status: number) => void): (chunk: Buffer) => void {
  let head: Buffer | null = null;
  let status = 0;
  /** Bytes of the body that are still to come; -1: until the last chunk. */
  let left = 0;
  let tail = '';

  function readBody(chunk: Buffer): void {
    if (left >= 0) {
      if (chunk.length > left) throw new Error('the answer is longer than it said');
      left -= chunk.length;
      if (left === 0) finish();
      return;
    }
    // The bodies of the bench hold no such bytes themselves.
    tail = (tail + chunk.toString('latin1')).slice(-lastChunk.length);
    if (tail === lastChunk) finish();
  }

  function finish(): void {
    const answered = status;
    status = 0;
    tail = '';
    onAnswer(answered);
  }

  return (chunk) => {
    if (status !== 0) return readBody(chunk);
    const bytes: Buffer = head === null ? chunk : Buffer.concat([head, chunk]);
    const end = bytes.indexOf(headEnd);
    if (end === -1) {
      head = bytes;
      return;
    }
    head = null;
    const text = bytes.toString('latin1', 0, end);
    status = Number(text.slice(9, 12));
    const length = /\r\ncontent-length: *(\d+)/i.exec(text)?.[1];
    if (length === undefined && !/\r\ntransfer-encoding: *chunked/i.test(text)) {
      throw new Error(`an answer without a length: ${text}`);
    }
    left = length === undefined ? -1 : Number(length);
    readBody(bytes.subarray(end + headEnd.length));
  };
}
