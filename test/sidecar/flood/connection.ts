// Connections of an agent to a proxy, as few promises and listeners as floods need.

import { connect, type Socket } from 'node:net';
import { connect as startTls, type TLSSocket } from 'node:tls';

export interface Target {
  readonly proxyPort: number;
  /** Of the pod's authority. */
  readonly ca: string;
  /** What tunnels are opened to, and what certificates there must name. */
  readonly host: string;
  readonly port: number;
}

/** Null when it was refused, or closed before it was there. */
export function open(port: number): Promise<Socket | null> {
  return new Promise((resolve) => {
    const socket = connect({ port, host: '127.0.0.1', noDelay: true });
    socket
      .on('error', () => {})
      .once('connect', () => resolve(socket))
      .once('close', () => resolve(null));
  });
}

export function place({ host, port }: Target): string {
  return `${host}:${port}`;
}

/** CONNECT, and whatever comes next is the caller's. */
export async function openConnect(target: Target, to = place(target)): Promise<Socket | null> {
  const socket = await open(target.proxyPort);
  if (socket === null) return null;
  socket.write(`CONNECT ${to} HTTP/1.1\r\nHost: ${to}\r\n\r\n`);
  const head = await read(socket, '\r\n\r\n');
  if (head?.startsWith('HTTP/1.1 200') === true) return socket;
  socket.destroy();
  return null;
}

export async function openTls(
  target: Target,
  serverName = target.host,
  to = place(target),
): Promise<TLSSocket | null> {
  const socket = await openConnect(target, to);
  if (socket === null) return null;
  return new Promise((resolve) => {
    const tls = startTls({ socket, servername: serverName, ca: target.ca });
    socket.once('close', () => tls.destroy());
    tls
      .on('error', () => tls.destroy())
      .once('secureConnect', () => resolve(tls))
      .once('close', () => resolve(null));
  });
}

/** Everything until `end` has come, or null when the connection ended before. */
export function read(socket: Socket, end: string): Promise<string | null> {
  return new Promise((resolve) => {
    let text = '';
    const finish = (result: string | null): void => {
      socket.off('data', onData).off('close', onClose).pause();
      resolve(result);
    };
    const onClose = (): void => finish(null);
    const onData = (chunk: Buffer): void => {
      text += chunk.toString('latin1');
      if (text.includes(end)) finish(text);
    };
    socket.on('data', onData).on('close', onClose).resume();
    if (socket.destroyed) finish(null);
  });
}
