// CONNECT: the tunnel is opened without dialling anything, its TLS is ended with a leaf of the pod's CA, and what
// comes out of it enters the front door again. So a refusal is read where clients read: inside TLS.

import type { IncomingMessage } from 'node:http';
import type { Socket } from 'node:net';
import type { Server } from 'node:tls';
import { parseAuthority, type Authority } from '../../policy/canonical.ts';
import { isRefusal, refuse, type Refusal } from '../../policy/refusal.ts';
import type { CreateHandshakes } from './handshake.ts';
import { checkVersion, spell } from './head.ts';
import { connectionEstablished } from './respond.ts';

export interface Tunnels {
  /** Takes the socket over, or says why not. */
  open(message: IncomingMessage, socket: Socket, early: Buffer): Refusal | null;
}

export interface TunnelOptions {
  readonly handshakes: CreateHandshakes;
  /** Takes over what leads to a place whose bytes nobody reads. @returns false for any other place. */
  readonly relay: (target: Authority, socket: Socket) => boolean;
}

/** One TLS server (20 KiB) per CONNECT target, so that each handshake knows what it is checked against. */
const maxServers = 128;

export function createTunnels({ handshakes, relay }: TunnelOptions): Tunnels {
  /** In order of use, oldest first; a server that leaves still ends the handshakes it has. */
  const servers = new Map<string, Server>();

  function serverFor(target: Authority): Server {
    const key = spell(target);
    const server = servers.get(key) ?? handshakes({ kind: 'connect', authority: target });
    servers.delete(key);
    servers.set(key, server);
    const oldest = servers.size > maxServers ? servers.keys().next().value : undefined;
    if (oldest !== undefined) servers.delete(oldest);
    return server;
  }

  return {
    open: (message, socket, early) => {
      const otherVersion = checkVersion(message.httpVersion);
      if (otherVersion !== null) return otherVersion;
      const target = parseAuthority(message.url ?? '', null);
      if (isRefusal(target)) return target;
      // Bytes that belong to a body of CONNECT would be taken for the start of TLS (RFC 9110 section 9.3.6).
      if ('content-length' in message.headers || 'transfer-encoding' in message.headers) {
        return refuse(
          'request_ambiguous',
          'CONNECT has no body; leave Content-Length and Transfer-Encoding out.',
        );
      }
      if (early.length > 0) socket.unshift(early);
      if (relay(target, socket)) return null;
      socket.write(connectionEstablished);
      serverFor(target).emit('connection', socket);
      return null;
    },
  };
}
