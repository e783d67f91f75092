import { once } from 'node:events';
import { connect as connectTcp, type Socket } from 'node:net';
import { connect as connectTls, type TLSSocket } from 'node:tls';
import type { Problem } from '../../../sidecar/proxy/respond.ts';
import type { Fixture } from './fixture.ts';
import { originName } from './origin.ts';

/** An answer as it stood on the wire. */
export interface Answer {
  readonly status: number;
  readonly headers: Readonly<Record<string, string>>;
  readonly rawHead: string;
  readonly body: string;
  /** Of a refusal. */
  readonly problem: Problem | null;
}

const deadlineMs = 10_000;

/** A plain connection to the proxy. */
export async function openSocket(port: number): Promise<Socket> {
  const socket = connectTcp(port, '127.0.0.1');
  socket.on('error', () => {});
  await once(socket, 'connect');
  return socket;
}

export interface TunnelRequest {
  /** Of the CONNECT line; the origin's by default. */
  readonly target?: string;
  /** Null sends no SNI. */
  readonly serverName?: string | null;
  /** Lines between the request line and the empty one. */
  readonly head?: string;
  readonly version?: string;
  readonly ca?: string;
}

/** CONNECT and a TLS handshake inside; rejects with the TLS error. */
export async function openTunnel(
  fixture: Pick<Fixture, 'port' | 'caPem'>,
  originPort: number,
  request: TunnelRequest = {},
): Promise<TLSSocket> {
  const { target = `${originName}:${originPort}`, serverName = originName, version = 'HTTP/1.1' } = request;
  const raw = await openSocket(fixture.port);
  raw.write(`CONNECT ${target} ${version}\r\n${request.head ?? `Host: ${target}\r\n`}\r\n`);
  const established = await readAnswer(raw, 'CONNECT');
  if (established.status !== 200)
    throw Object.assign(new Error('CONNECT was refused'), { answer: established });
  const tls = connectTls({
    socket: raw,
    ...(serverName === null ? {} : { servername: serverName }),
    ca: request.ca ?? fixture.caPem,
    checkServerIdentity: () => undefined,
    ALPNProtocols: ['http/1.1'],
  });
  await once(tls, 'secureConnect', { signal: AbortSignal.timeout(deadlineMs) });
  tls.on('error', () => {});
  return tls;
}

/** Writes bytes as they are and reads one answer. */
export async function send(
  socket: Socket,
  bytes: string,
  method = bytes.split(' ')[0] ?? '',
  waitMs = deadlineMs,
): Promise<Answer> {
  socket.write(Buffer.from(bytes, 'latin1'));
  return readAnswer(socket, method, waitMs);
}

const leftovers = new WeakMap<Socket, Buffer>();

/** Reads one answer by its framing (RFC 9112 section 6.3); rejects when the connection ends before. */
export async function readAnswer(socket: Socket, method = 'GET', waitMs = deadlineMs): Promise<Answer> {
  let data = leftovers.get(socket) ?? Buffer.alloc(0);
  const signal = AbortSignal.timeout(waitMs);
  for (;;) {
    const parsed = parseAnswer(data, method, socket.readableEnded || socket.destroyed);
    if (parsed !== null) {
      leftovers.set(socket, data.subarray(parsed.length));
      return parsed.answer;
    }
    if (socket.readableEnded || socket.destroyed) {
      throw new Error(`the connection ended after ${JSON.stringify(data.toString('latin1'))}`);
    }
    const ended = new AbortController();
    await Promise.race([
      once(socket, 'readable', { signal: AbortSignal.any([signal, ended.signal]) }),
      once(socket, 'close', { signal: AbortSignal.any([signal, ended.signal]) }),
    ]).finally(() => ended.abort());
    for (let chunk = socket.read() as Buffer | null; chunk !== null; chunk = socket.read() as Buffer | null) {
      data = Buffer.concat([data, chunk]);
    }
  }
}

/** Puts what was read beyond the last answer back, for whoever reads the socket next. */
export function giveBack(socket: Socket): void {
  const left = leftovers.get(socket);
  leftovers.delete(socket);
  if (left !== undefined && left.length > 0) socket.unshift(left);
}

/** Resolves when the other side has closed; anything it sends before that is an error. */
export async function expectClosed(socket: Socket): Promise<void> {
  if ((leftovers.get(socket)?.length ?? 0) > 0) throw new Error('there are more bytes');
  if (socket.destroyed || socket.readableEnded) return;
  socket.on('data', (chunk: Buffer) => socket.destroy(new Error(`more bytes: ${chunk.toString('latin1')}`)));
  await once(socket, 'close', { signal: AbortSignal.timeout(deadlineMs) });
}

function parseAnswer(
  data: Buffer,
  method: string,
  ended: boolean,
): { answer: Answer; length: number } | null {
  const headEnd = data.indexOf('\r\n\r\n');
  if (headEnd < 0) return null;
  const rawHead = data.toString('latin1', 0, headEnd);
  const [statusLine = '', ...lines] = rawHead.split('\r\n');
  const status = Number(statusLine.split(' ')[1]);
  const headers: Record<string, string> = {};
  for (const line of lines) {
    const colon = line.indexOf(':');
    const name = line.slice(0, colon).toLowerCase();
    const value = line.slice(colon + 1).trim();
    headers[name] = headers[name] === undefined ? value : `${headers[name]}, ${value}`;
  }
  const rest = data.subarray(headEnd + 4);
  const body = readBody(rest, status, method, headers, ended);
  if (body === null) return null;
  const text = body.bytes.toString('latin1');
  const isProblem = headers['content-type'] === 'application/problem+json' && text !== '';
  const problem = isProblem ? (JSON.parse(text) as Problem) : null;
  return { answer: { status, headers, rawHead, body: text, problem }, length: headEnd + 4 + body.length };
}

function readBody(
  rest: Buffer,
  status: number,
  method: string,
  headers: Readonly<Record<string, string>>,
  ended: boolean,
): { bytes: Buffer; length: number } | null {
  const empty = { bytes: Buffer.alloc(0), length: 0 };
  if (status < 200 || status === 204 || status === 304 || method === 'HEAD') return empty;
  if (method === 'CONNECT' && status === 200) return empty;
  if (headers['transfer-encoding'] === 'chunked') return readChunks(rest);
  const length = headers['content-length'];
  if (length === undefined) return ended ? { bytes: rest, length: rest.length } : null;
  return rest.length < Number(length)
    ? null
    : { bytes: rest.subarray(0, Number(length)), length: Number(length) };
}

function readChunks(rest: Buffer): { bytes: Buffer; length: number } | null {
  const chunks: Buffer[] = [];
  for (let at = 0; ;) {
    const lineEnd = rest.indexOf('\r\n', at);
    if (lineEnd < 0) return null;
    const size = Number.parseInt(rest.toString('latin1', at, lineEnd), 16);
    const end = lineEnd + 2 + size + 2;
    if (rest.length < end) return null;
    if (size === 0) return { bytes: Buffer.concat(chunks), length: end };
    chunks.push(rest.subarray(lineEnd + 2, end - 2));
    at = end;
  }
}

/** A request as bytes: `head` are whole lines. */
export function compose(method: string, place: string, path: string, head = '', body = ''): string {
  return `${method} ${path} HTTP/1.1\r\nHost: ${place}\r\n${head}\r\n${body}`;
}

/** With a body of its length. */
export function composeWith(place: string, path: string, type: string, body: string, head = ''): string {
  const length = Buffer.byteLength(body, 'latin1');
  return compose('POST', place, path, `Content-Type: ${type}\r\nContent-Length: ${length}\r\n${head}`, body);
}
