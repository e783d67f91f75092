// A proxy that ends TLS under a sidecar's CA and answers everything itself: what a client asks of it proves that the
// client found the proxy and trusts the CA.

import { createServer, type Server } from 'node:http';
import { createServer as createTlsServer } from 'node:tls';
import type { AddressInfo } from 'node:net';
import { createAuthority } from '../../sidecar/tls/authority.ts';
import { writeTrustStore } from '../../sidecar/tls/trust-store.ts';

export interface InterceptingProxy {
  readonly port: number;
  /** `METHOD scheme://host/path` of each request. */
  readonly seen: string[];
  close(): void;
}

/** @param trust a folder that gets the trust files of an injected pod; @param keys one for the CA's key. */
export async function startInterceptingProxy(trust: string, keys: string): Promise<InterceptingProxy> {
  const authority = createAuthority({ keysDirectory: keys });
  writeTrustStore({ directory: trust, certificatePem: authority.certificatePem });
  const seen: string[] = [];
  const listen = async (server: Server | ReturnType<typeof createTlsServer>): Promise<number> => {
    await new Promise<void>((resolve) => void server.listen(0, '127.0.0.1', () => resolve()));
    return (server.address() as AddressInfo).port;
  };

  const inner = createServer((request, response) => {
    seen.push(`${request.method} https://${request.headers.host}${request.url}`);
    response.end('through the proxy');
  });
  const tls = createTlsServer(
    {
      SNICallback: (name, done) => done(null, authority.leaf(name) ?? undefined),
      ALPNProtocols: ['http/1.1'],
    },
    (socket) => inner.emit('connection', socket),
  );
  const outer = createServer((request, response) => {
    seen.push(`${request.method} ${request.url}`);
    response.end('through the proxy');
  });
  outer.on('connect', (_, socket) => {
    socket.on('error', () => socket.destroy());
    socket.write('HTTP/1.1 200 OK\r\n\r\n');
    tls.emit('connection', socket);
  });
  for (const server of [inner, tls]) server.on('tlsClientError', () => undefined);
  return {
    port: await listen(outer),
    seen,
    close: () => {
      outer.close();
      outer.closeAllConnections();
    },
  };
}
