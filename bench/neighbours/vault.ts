// As much of Vault's API as one credential takes: a login and the read of a KV secret. What is measured is the sidecar,
// which cannot tell the difference; the real Vault takes five minutes to build and is asked once a run.

import { createServer } from 'node:https';
import type { AddressInfo } from 'node:net';

export interface VaultOptions {
  readonly tls: { readonly cert: string; readonly key: string };
  /** Path below /v1/, as in Vault's policies, and the secret's field and value. */
  readonly path: string;
  readonly field: string;
  readonly value: string;
}

const clientToken = 'bench-client-token';

/** @returns the port. */
export function startVault({ tls, path, field, value }: VaultOptions): Promise<number> {
  const answers: Record<string, object> = {
    '/v1/auth/kubernetes/login': { auth: { client_token: clientToken, lease_duration: 3600 } },
    [`/v1/${path}`]: { data: { data: { [field]: value }, metadata: { version: 1 } } },
    '/v1/auth/token/revoke-self': {},
  };
  const server = createServer(tls, (request, response) => {
    request.resume();
    const answer = answers[request.url ?? ''];
    const mayRead = request.url?.endsWith('/login') || request.headers['x-vault-token'] === clientToken;
    const status = answer === undefined ? 404 : mayRead ? 200 : 403;
    response.writeHead(status, { 'content-type': 'application/json' });
    response.end(JSON.stringify(status === 200 ? answer : { errors: [] }));
  });
  return new Promise((resolve) => {
    server.listen(0, '127.0.0.1', () => resolve((server.address() as AddressInfo).port));
  });
}
