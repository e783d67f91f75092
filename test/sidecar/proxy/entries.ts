// The four ways in of requests, as bytes on a socket.

import { connect as connectTls } from 'node:tls';
import { once } from 'node:events';
import type { Socket } from 'node:net';
import type { Fixture } from './fixture.ts';
import { originName } from './origin.ts';
import { openSocket, openTunnel } from './raw-client.ts';

export const entries = ['absolute', 'connect', 'captured_tls', 'captured_http'] as const;
export type EntryMode = (typeof entries)[number];

/** What stands before the path in a request target. */
export function targetOf(entry: EntryMode, place: string): string {
  return entry === 'absolute' ? `https://${place}` : '';
}

/** A connection for requests to the origin; of a captured one the fixture must capture. */
export async function openEntry(
  entry: EntryMode,
  fixture: Pick<Fixture, 'port' | 'caPem' | 'captured'>,
  originPort: number,
): Promise<Socket> {
  const planned = fixture.captured?.planned[0] ?? 0;
  switch (entry) {
    case 'absolute':
      return openSocket(fixture.port);
    case 'connect':
      return openTunnel(fixture, originPort);
    case 'captured_tls':
      return openCapturedTls(fixture, planned, originName);
    case 'captured_http':
      return openSocket(planned);
  }
}

/** A handshake with a listener that netfilter redirects to; rejects with the TLS error. */
export async function openCapturedTls(
  fixture: Pick<Fixture, 'caPem'>,
  port: number,
  serverName: string | null,
): Promise<Socket> {
  const socket = connectTls({
    socket: await openSocket(port),
    ...(serverName === null ? {} : { servername: serverName }),
    ca: fixture.caPem,
    checkServerIdentity: () => undefined,
    ALPNProtocols: ['http/1.1'],
  });
  await once(socket, 'secureConnect', { signal: AbortSignal.timeout(10_000) });
  socket.on('error', () => {});
  return socket;
}
