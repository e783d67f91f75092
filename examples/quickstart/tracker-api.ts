// A small HTTPS API on loopback that answers nobody without the real token. It stands for the services that
// agents call, and counts what reached it.

import { createServer, type Server } from 'node:https';
import type { AddressInfo } from 'node:net';
import { createAuthority } from '../../sidecar/tls/authority.ts';

export interface TrackerApi {
  readonly port: number;
  /** PEM of the CA that signed its certificate. */
  readonly caPem: string;
  /** Requests with the real token, and without. */
  readonly seen: { withToken: number; withoutToken: number };
  close(): void;
}

export async function startTrackerApi(options: {
  readonly name: string;
  readonly token: string;
  readonly keysDirectory: string;
}): Promise<TrackerApi> {
  const { name, token, keysDirectory } = options;
  const authority = createAuthority({ keysDirectory });
  const seen = { withToken: 0, withoutToken: 0 };
  const issues = [{ id: 1, title: 'The lighthouse is dark' }];
  const server: Server = createServer({
    SNICallback: (_name, done) => done(null, authority.leaf(name) ?? undefined),
  });
  server.on('request', (request, response) => {
    const trusted = request.headers.authorization === `Bearer ${token}`;
    seen[trusted ? 'withToken' : 'withoutToken'] += 1;
    request.resume();
    response.writeHead(trusted ? 200 : 401, { 'content-type': 'application/json' });
    response.end(JSON.stringify(trusted ? { issues } : { error: 'a valid token is required' }));
  });
  const { promise, resolve } = Promise.withResolvers<void>();
  server.listen(0, '127.0.0.1', resolve);
  await promise;
  return {
    port: (server.address() as AddressInfo).port,
    caPem: authority.certificatePem,
    seen,
    close: () => {
      server.close();
      server.closeAllConnections();
    },
  };
}
