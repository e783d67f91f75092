// What is not Vault, or is not now: servers of our own at the store's address, since a real Vault does none of it.

import assert from 'node:assert/strict';
import { once } from 'node:events';
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import type { RequestListener } from 'node:http';
import { createServer, type Server } from 'node:https';
import type { AddressInfo } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { after, before, describe, test } from 'node:test';
import { inspect } from 'node:util';
import { storeTokenFile } from '../../../policy/contract.ts';
import type { VaultStore } from '../../../policy/ruleset-credential.ts';
import { createVaultProvider } from '../../../sidecar/credentials/vault.ts';
import { createAuthority, type Authority, type Certificate } from '../../cluster/certificates.ts';

const source = {
  kind: 'vault',
  store: 'corp',
  role: 'research',
  kv: { mount: 'secret', path: 'agents/github', version: 2, field: 'token' },
} as const;

let folder = '';
let authority: Authority;
let certificate: Certificate;
let elsewhere: Certificate;
const servers: Server[] = [];

before(async () => {
  folder = mkdtempSync(join(tmpdir(), 'outrider-impostors-'));
  writeFileSync(join(folder, storeTokenFile('corp')), 'canary.of.the-pod');
  authority = await createAuthority(folder);
  const request = { subject: '/CN=vault', usages: ['serverAuth'] } as const;
  certificate = await authority.issue({ ...request, name: 'here', alternativeNames: ['IP:127.0.0.1'] });
  elsewhere = await authority.issue({ ...request, name: 'there', alternativeNames: ['DNS:vault.example'] });
});
after(() => {
  for (const server of servers) {
    server.closeAllConnections();
    server.close();
  }
  rmSync(folder, { recursive: true, force: true });
});

interface Impostor {
  readonly store: VaultStore;
  readonly seen: readonly string[];
}

async function pose(listener: RequestListener, { certPem, keyPem } = certificate): Promise<Impostor> {
  const seen: string[] = [];
  const server = createServer({ key: keyPem, cert: certPem }, (request, response) => {
    seen.push(`${request.method} ${request.url}`);
    listener(request, response);
  });
  servers.push(server);
  await once(server.listen(0, '127.0.0.1'), 'listening');
  const address = `https://127.0.0.1:${(server.address() as AddressInfo).port}`;
  const auth = { kind: 'kubernetes', mount: 'kubernetes' } as const;
  return { store: { kind: 'vault', address, caBundle: authority.certPem, auth }, seen };
}

async function assertRefused(
  store: VaultStore,
  code: string,
  field: string,
  timeoutMs = 2000,
): Promise<void> {
  const provider = createVaultProvider({ tokensDirectory: folder, timeoutMs });
  await assert.rejects(
    provider.read(source, { corp: store }),
    (error: Error & { code?: string; field?: string }) => {
      assert.deepEqual({ code: error.code, field: error.field }, { code, field });
      assert.doesNotMatch(inspect(error, { depth: null, showHidden: true }), /canary/);
      return true;
    },
  );
  await provider.forget();
}

const address = 'spec.vault.address';

describe('refused', () => {
  for (const status of [301, 302, 303, 307, 308]) {
    test(`S-13: a redirect (${status}), which is not followed with the token`, async () => {
      const thief = await pose((_, response) => response.end('{}'));
      const location = `${thief.store.address}/v1/steal`;
      const first = await pose((_, response) => response.writeHead(status, { location }).end());
      await assertRefused(first.store, 'VAULT_REDIRECTED', address);
      assert.deepEqual(first.seen, ['POST /v1/auth/kubernetes/login']);
      assert.deepEqual(thief.seen, []);
    });
  }

  test('T-07: a certificate for another name', async () => {
    const { store, seen } = await pose((_, response) => response.end('{}'), elsewhere);
    await assertRefused(store, 'VAULT_UNTRUSTED', 'spec.vault.caBundle');
    assert.deepEqual(seen, []);
  });

  test('T-07: a certificate that no public authority signed, where the store has no CA of its own', async () => {
    const { store, seen } = await pose((_, response) => response.end('{}'));
    const { caBundle: _, ...without } = store;
    await assertRefused(without, 'VAULT_UNTRUSTED', 'spec.vault.caBundle');
    assert.deepEqual(seen, []);
  });

  const role = 'spec.source.vault.role';
  const answers: Record<string, [status: number, body: string, code: string, field: string]> = {
    'a page of HTML': [200, '<html>canary</html>', 'VAULT_ANSWER_UNREADABLE', address],
    'JSON that is no login': [200, '{"auth":null,"data":"canary"}', 'VAULT_ANSWER_UNREADABLE', address],
    'JSON that is no object': [200, 'null', 'VAULT_ANSWER_UNREADABLE', address],
    'more than Vault can answer': [200, `"${'x'.repeat(3_000_000)}"`, 'VAULT_ANSWER_UNREADABLE', address],
    'P-21: a gateway error in HTML': [502, '<html>canary</html>', 'VAULT_UNAVAILABLE', address],
    'P-21: an error of Vault': [500, '{"errors":["canary"]}', 'VAULT_UNAVAILABLE', address],
    'P-21: 503 of something that is not sealed': [503, '{"errors":["canary"]}', 'VAULT_UNAVAILABLE', address],
    'P-21: a rate limit': [429, '{"errors":["canary"]}', 'VAULT_UNAVAILABLE', address],
    'P-21: a standby that does not forward': [473, '{"errors":["canary"]}', 'VAULT_UNAVAILABLE', address],
    'a refusal': [403, '{"errors":["canary"]}', 'VAULT_LOGIN_REFUSED', role],
  };
  for (const [what, [status, body, code, field]] of Object.entries(answers)) {
    test(`${what}, as ${code}`, async () => {
      const { store } = await pose((_, response) => response.writeHead(status).end(body));
      await assertRefused(store, code, field);
    });
  }

  test('P-21: silence, after the timeout of one more try', async () => {
    const { store, seen } = await pose(() => {});
    const startedAtMs = performance.now();
    await assertRefused(store, 'VAULT_UNREACHABLE', address, 200);
    assert.ok(performance.now() - startedAtMs < 3000);
    assert.equal(seen.length, 2);
  });

  test('P-21: a connection that is cut, after one more try', async () => {
    const { store, seen } = await pose((request) => request.socket.destroy());
    await assertRefused(store, 'VAULT_UNREACHABLE', address);
    assert.equal(seen.length, 2);
  });
});
