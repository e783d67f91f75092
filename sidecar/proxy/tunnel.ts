// CONNECT: the tunnel is opened without dialling anything, its TLS is ended with a leaf of the pod's CA, and what
// comes out of it enters the front door again. So a refusal is read where clients read: inside TLS.

import { constants } from 'node:crypto';
import type { IncomingMessage } from 'node:http';
import type { Socket } from 'node:net';
import { createServer, type Server, type TLSSocket } from 'node:tls';
import { canonicalHost, parseAuthority, type Authority } from '../../policy/canonical.ts';
import { isRefusal, refuse, type Refusal } from '../../policy/refusal.ts';
import type { Authority as CertificateAuthority } from '../tls/authority.ts';
import { spell } from './head.ts';
import { connectionEstablished } from './respond.ts';

export interface Tunnel {
  /** What CONNECT named. */
  readonly authority: Authority;
  /** What the TLS handshake named, canonical. */
  readonly serverName: string;
}

export interface TunnelOptions {
  readonly authority: CertificateAuthority;
  /** Takes the decrypted stream, as if it had been accepted. */
  readonly onOpen: (stream: TLSSocket, tunnel: Tunnel) => void;
  /** A handshake that did not end in a stream; nothing can be answered any more. */
  readonly onFailure: (target: Authority, refusal: Refusal) => void;
}

export interface Tunnels {
  /** Takes the socket over, or says why not. */
  open(message: IncomingMessage, socket: Socket, early: Buffer): Refusal | null;
}

/** A client that has its 200 sends its ClientHello at once. */
const handshakeTimeoutMs = 10_000;
/** One TLS server (20 KiB) per CONNECT target, so that each handshake knows what it is checked against. */
const maxServers = 128;

export function createTunnels({ authority, onOpen, onFailure }: TunnelOptions): Tunnels {
  /** In order of use, oldest first; a server that leaves still ends the handshakes it has. */
  const servers = new Map<string, Server>();

  function serverFor(target: Authority): Server {
    const key = spell(target);
    const server = servers.get(key) ?? createTlsServer(target);
    servers.delete(key);
    servers.set(key, server);
    const oldest = servers.size > maxServers ? servers.keys().next().value : undefined;
    if (oldest !== undefined) servers.delete(oldest);
    return server;
  }

  function createTlsServer(target: Authority): Server {
    const server = createServer({
      ALPNProtocols: ['http/1.1'],
      minVersion: 'TLSv1.2',
      handshakeTimeout: handshakeTimeoutMs,
      // A session resumed under another name would skip the handshake that names it.
      secureOptions: constants.SSL_OP_NO_TICKET,
      // Without a context OpenSSL has no certificate to show and sends an alert; an error would only hang up.
      SNICallback: (serverName, done) => {
        const name = canonicalHost(serverName);
        done(null, (isRefusal(name) ? null : authority.leaf(name.host)) ?? undefined);
      },
    });
    server.on('secureConnection', (stream) => {
      const name = canonicalHost(stream.servername || '');
      if (isRefusal(name)) stream.destroy();
      else onOpen(stream, { authority: target, serverName: name.host });
    });
    server.on('tlsClientError', (error: NodeJS.ErrnoException, stream) => {
      stream.destroy();
      onFailure(target, refuseHandshake(error.code ?? 'unknown', target));
    });
    return server;
  }

  return {
    open: (message, socket, early) => {
      const target = parseAuthority(message.url ?? '', null);
      if (isRefusal(target)) return target;
      // Bytes that belong to a body of CONNECT would be taken for the start of TLS (RFC 9110 section 9.3.6).
      if ('content-length' in message.headers || 'transfer-encoding' in message.headers) {
        return refuse(
          'request_ambiguous',
          'CONNECT has no body; leave Content-Length and Transfer-Encoding out.',
        );
      }
      socket.write(connectionEstablished);
      if (early.length > 0) socket.unshift(early);
      serverFor(target).emit('connection', socket);
      return null;
    },
  };
}

function refuseHandshake(code: string, target: Authority): Refusal {
  return refuse(
    'tls_handshake_failed',
    `The TLS handshake for ${spell(target)} failed (${code}); the client must speak TLS 1.2 or later, name the host in SNI and trust the CA in SSL_CERT_FILE.`,
  );
}
