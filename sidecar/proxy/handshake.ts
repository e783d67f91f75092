// The agent's side of TLS: ended with a leaf of the pod's CA for the name that the handshake asks for, whichever way the
// connection came in. Node's stack is the only reader of the ClientHello (N-07).

import { constants } from 'node:crypto';
import { createServer, type Server, type TLSSocket } from 'node:tls';
import { canonicalHost, type Authority } from '../../policy/canonical.ts';
import { isRefusal, refuse, type Refusal } from '../../policy/refusal.ts';
import type { Authority as CertificateAuthority } from '../tls/authority.ts';
import type { Origin, TlsEntry } from './entry.ts';
import { spell } from './head.ts';

/** What a handshake is part of: a tunnel to one place, or connections that were on their way to a port. */
export type HandshakeTarget =
  | { readonly kind: 'connect'; readonly authority: Authority }
  | { readonly kind: 'captured_tls'; readonly port: number };

export interface HandshakeOptions {
  readonly authority: CertificateAuthority;
  /** Takes the decrypted stream, as if it had been accepted. */
  readonly onOpen: (stream: TLSSocket, entry: TlsEntry) => void;
  /** A handshake that did not end in a stream; nothing can be answered any more. */
  readonly onFailure: (origin: Origin, refusal: Refusal) => void;
}

/** A TLS server that listens nowhere: connections are handed to it with `emit('connection', socket)`. */
export type CreateHandshakes = (target: HandshakeTarget) => Server;

/** A client that has its connection, or its 200, sends its ClientHello at once. */
const handshakeTimeoutMs = 10_000;

export function createHandshakes({ authority, onOpen, onFailure }: HandshakeOptions): CreateHandshakes {
  return (target) => {
    /** Names in handshakes that end for want of a leaf, until they have. */
    const unminted = new Set<string>();
    const server = createServer({
      ALPNProtocols: ['http/1.1'],
      minVersion: 'TLSv1.2',
      handshakeTimeout: handshakeTimeoutMs,
      // A session resumed under another name would skip the handshake that names it.
      secureOptions: constants.SSL_OP_NO_TICKET,
      // Without a context OpenSSL has no certificate to show and sends an alert; an error would only hang up.
      SNICallback: (serverName, done) => {
        const name = canonicalHost(serverName);
        const leaf = isRefusal(name) ? null : authority.leaf(name.host);
        if (leaf === null && !isRefusal(name)) unminted.add(serverName);
        done(null, leaf ?? undefined);
      },
    });
    server.on('secureConnection', (stream) => {
      const named = placeOf(target, stream.servername);
      const name = canonicalHost(stream.servername || '');
      if (isRefusal(name) || named === null) stream.destroy();
      else onOpen(stream, { kind: target.kind, authority: named, serverName: name.host });
    });
    server.on('tlsClientError', (error: NodeJS.ErrnoException, stream) => {
      const named = placeOf(target, stream.servername);
      stream.destroy();
      const refusal = unminted.delete(stream.servername || '')
        ? refuseUnminted(named)
        : refuseHandshake(error.code ?? 'unknown', named);
      onFailure({ kind: target.kind, authority: named }, refusal);
    });
    return server;
  };
}

/** Null when a captured handshake names nothing that is a host. */
function placeOf(target: HandshakeTarget, serverName: string | false | null | undefined): Authority | null {
  if (target.kind === 'connect') return target.authority;
  const name = canonicalHost(serverName || '');
  return isRefusal(name) ? null : { host: name.host, port: target.port };
}

function refuseUnminted(named: Authority | null): Refusal {
  return refuse(
    'tls_handshake_failed',
    `Agents of this pod asked for too many new names at once to make a certificate for ${named === null ? 'this one' : spell(named)}; try again in some seconds.`,
  );
}

function refuseHandshake(code: string, named: Authority | null): Refusal {
  const what = named === null ? 'without a name' : `for ${spell(named)}`;
  return refuse(
    'tls_handshake_failed',
    `The TLS handshake ${what} failed (${code}); the client must speak TLS 1.2 or later, name the host in SNI and trust the CA in SSL_CERT_FILE.`,
  );
}
