// What is not Vault, or is not now: servers of our own at the store's address, since a real Vault does none of it.

import assert from 'node:assert/strict';
import { once } from 'node:events';
import { mkdirSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import type { RequestListener } from 'node:http';
import { createServer, type Server } from 'node:https';
import type { AddressInfo } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { after, before, describe, test } from 'node:test';
import { inspect } from 'node:util';
import { storeTokenFile } from '../../../policy/contract.ts';
import type { VaultSource, VaultStore } from '../../../policy/ruleset-credential.ts';
import { createVaultProvider } from '../../../sidecar/credentials/vault/vault.ts';
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

interface Asked {
  readonly call: string;
  readonly namespace: string | undefined;
  readonly token: string | undefined;
}

const loggedIn = { auth: { client_token: 'canary-token', lease_duration: 3600, renewable: true } };

/** A server that answers what it is told for each call, and remembers what it was asked. */
async function poseAs(
  answers: Readonly<Record<string, object | number>>,
): Promise<{ readonly store: VaultStore; readonly asked: readonly Asked[] }> {
  const asked: Asked[] = [];
  const { store } = await pose((request, response) => {
    const { 'x-vault-namespace': namespace, 'x-vault-token': token } = request.headers;
    const call = `${request.method} ${request.url}`;
    asked.push({ call, namespace: namespace?.toString(), token: token?.toString() });
    const answer = Object.hasOwn(answers, call) ? answers[call] : 404;
    if (answer === 0) request.socket.destroy();
    else if (typeof answer === 'number') response.writeHead(answer).end('{}');
    else response.end(JSON.stringify(answer));
  });
  return { store, asked };
}

describe('refused', () => {
  for (const status of [301, 302, 303, 307, 308]) {
    test(`H-60, S-13: a redirect (${status}), which is not followed with the token`, async () => {
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

describe('a namespace', () => {
  const dynamic: VaultSource = {
    kind: 'vault',
    store: 'corp',
    role: 'research',
    dynamic: { path: 'database/creds/reader', field: 'password' },
  };

  test('is named by every call, of a login, a reading, a lease and their ends', async () => {
    const { store, asked } = await poseAs({
      'POST /v1/auth/kubernetes/login': loggedIn,
      'GET /v1/secret/data/agents/github': {
        data: { data: { token: 'a', other: 1 }, metadata: { version: 3 } },
      },
      'POST /v1/secret/data/agents/github': { data: { version: 4 } },
      'GET /v1/database/creds/reader': {
        data: { password: 'b' },
        lease_id: 'database/creds/reader/x',
        lease_duration: 3600,
        renewable: true,
      },
      'POST /v1/sys/leases/renew': { lease_duration: 3600 },
      'POST /v1/auth/token/renew-self': loggedIn,
      'POST /v1/sys/leases/revoke': {},
      'POST /v1/auth/token/revoke-self': {},
      'GET /v1/sys/health': { sealed: false },
      'GET /v1/secret/data/agents/down': 503,
    });
    const stores = { corp: { ...store, namespace: 'teams/research' } };
    let skewMs = 0;
    const now = (): number => performance.now() + skewMs;
    const provider = createVaultProvider({ tokensDirectory: folder, now });
    await provider.read(source, stores);
    assert.equal(await provider.versioned(source, stores)?.swap(3, { token: 'c' }), 4);
    const { lease } = await provider.read(dynamic, stores);
    skewMs = 2_400_000;
    assert.ok(((await lease?.renew()) ?? 0) > 3_000_000);
    await lease?.revoke();
    await assert.rejects(provider.read({ ...source, kv: { ...source.kv, path: 'agents/down' } }, stores), {
      code: 'VAULT_UNAVAILABLE',
    });
    await provider.forget();
    assert.deepEqual([...new Set(asked.map(({ call }) => call))].toSorted(), [
      'GET /v1/database/creds/reader',
      'GET /v1/secret/data/agents/down',
      'GET /v1/secret/data/agents/github',
      'GET /v1/sys/health',
      'POST /v1/auth/kubernetes/login',
      'POST /v1/auth/token/renew-self',
      'POST /v1/auth/token/revoke-self',
      'POST /v1/secret/data/agents/github',
      'POST /v1/sys/leases/renew',
      'POST /v1/sys/leases/revoke',
    ]);
    assert.deepEqual([...new Set(asked.map(({ namespace }) => namespace))], ['teams/research']);
  });

  test('is not named where the store has none, whatever the environment says', async () => {
    const { store, asked } = await poseAs({
      'POST /v1/auth/kubernetes/login': loggedIn,
      'GET /v1/secret/data/agents/github': { data: { data: { token: 'a' } } },
    });
    process.env['VAULT_NAMESPACE'] = 'elsewhere';
    try {
      const provider = createVaultProvider({ tokensDirectory: folder });
      await provider.read(source, { corp: store });
      await provider.forget();
    } finally {
      delete process.env['VAULT_NAMESPACE'];
    }
    assert.ok(asked.length >= 3);
    assert.deepEqual([...new Set(asked.map(({ namespace }) => namespace))], [undefined]);
  });
});

describe('refused, of a Vault that was logged in to', () => {
  test('an answer that holds the session’s own token', async () => {
    const { store } = await poseAs({
      'POST /v1/auth/kubernetes/login': loggedIn,
      'GET /v1/secret/data/agents/github': { data: { data: { token: 'canary-token' } } },
    });
    await assertRefused(store, 'VAULT_PATH_INVALID', 'spec.source.vault');
  });

  test('P-21: a dynamic secret whose answer was cut, asked for once: another one would be left behind', async () => {
    const { store, asked } = await poseAs({
      'POST /v1/auth/kubernetes/login': loggedIn,
      'GET /v1/database/creds/reader': 0,
    });
    const provider = createVaultProvider({ tokensDirectory: folder });
    const { kv: _, ...rest } = source;
    await assert.rejects(
      provider.read(
        { ...rest, dynamic: { path: 'database/creds/reader', field: 'password' } },
        { corp: store },
      ),
      { code: 'VAULT_UNREACHABLE' },
    );
    await provider.forget();
    assert.equal(asked.filter(({ call }) => call.startsWith('GET')).length, 1);
  });

  test('P-21: an unwrapping whose answer was cut, tried once: nothing is left to unwrap', async () => {
    const { store, asked } = await poseAs({
      'POST /v1/sys/wrapping/lookup': { data: { creation_path: 'auth/approle/role/agents/secret-id' } },
      'POST /v1/sys/wrapping/unwrap': 0,
    });
    const secrets = join(folder, 'secrets', 'secret.approle');
    mkdirSync(secrets, { recursive: true });
    writeFileSync(join(secrets, 'secret-id'), 'canary-wrapping');
    const provider = createVaultProvider({
      tokensDirectory: folder,
      secretsDirectory: join(folder, 'secrets'),
    });
    const secretId = { secret: 'approle', key: 'secret-id', wrapped: true } as const;
    const auth = { kind: 'appRole', mount: 'approle', secretId } as const;
    await assert.rejects(provider.read(source, { corp: { ...store, namespace: 'teams', auth } }), {
      code: 'VAULT_UNREACHABLE',
    });
    await provider.forget();
    assert.deepEqual(asked, [
      { call: 'POST /v1/sys/wrapping/lookup', namespace: 'teams', token: undefined },
      { call: 'POST /v1/sys/wrapping/unwrap', namespace: 'teams', token: 'canary-wrapping' },
    ]);
  });

  for (const [status, what] of [
    [429, 'a standby'],
    [472, 'a disaster recovery secondary'],
    [473, 'a performance standby'],
  ] as const) {
    test(`P-21: ${status}, as ${what} says it`, async () => {
      const { store, asked } = await poseAs({
        'POST /v1/auth/kubernetes/login': loggedIn,
        'GET /v1/secret/data/agents/github': status,
      });
      await assertRefused(store, 'VAULT_UNAVAILABLE', address);
      assert.equal(asked.filter(({ call }) => call.startsWith('GET')).length, 1);
    });
  }
});
