// The ways in: each opens a connection on which raw requests for one origin can be written.

import { once } from 'node:events';
import type { Socket } from 'node:net';
import { connect } from 'node:tls';
import type { ExchangeRecord } from '../../../sidecar/audit/record.ts';
import type { Fixture } from '../proxy/fixture.ts';
import { openSocket, openTunnel } from '../proxy/raw-client.ts';
import type { Tap, TappedOrigin } from './origins.ts';

export interface Entry {
  readonly title: string;
  readonly target: 'whole URL' | 'path';
  readonly scheme: 'https' | 'http';
  readonly recorded: ExchangeRecord['entry'];
  open(fixture: Fixture, origin: TappedOrigin): Promise<Socket>;
}

export const entries: readonly Entry[] = [
  {
    title: 'a whole https URL',
    target: 'whole URL',
    scheme: 'https',
    recorded: 'absolute',
    open: (fixture) => openSocket(fixture.port),
  },
  {
    title: 'a whole http URL',
    target: 'whole URL',
    scheme: 'http',
    recorded: 'absolute',
    open: (fixture) => openSocket(fixture.port),
  },
  {
    title: 'CONNECT',
    target: 'path',
    scheme: 'https',
    recorded: 'connect',
    open: (fixture, origin) =>
      openTunnel(fixture, origin.tls.port, {
        target: `${origin.host}:${origin.tls.port}`,
        serverName: origin.host,
      }),
  },
  {
    title: 'captured TLS',
    target: 'path',
    scheme: 'https',
    recorded: 'captured_tls',
    open: (fixture, origin) => openTls(fixture, origin.host),
  },
  {
    title: 'captured HTTP',
    target: 'path',
    scheme: 'http',
    recorded: 'captured_http',
    open: (fixture) => openSocket(fixture.captured?.planned[1] ?? 0),
  },
];

/** As netfilter redirects it: to the listener of the port that was dialled. */
async function openTls(fixture: Fixture, serverName: string): Promise<Socket> {
  const socket = connect({
    port: fixture.captured?.planned[0] ?? 0,
    host: '127.0.0.1',
    servername: serverName,
    ca: fixture.caPem,
    ALPNProtocols: ['http/1.1'],
  });
  await once(socket, 'secureConnect', { signal: AbortSignal.timeout(10_000) });
  return socket;
}

/** Where requests that come in this way end up. */
export function tapOf(entry: Pick<Entry, 'scheme'>, origin: TappedOrigin): Tap {
  return entry.scheme === 'https' ? origin.tls : origin.plain;
}
