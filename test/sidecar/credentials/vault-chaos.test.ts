// P-21 on a real Vault that keeps its data: whatever becomes of it, the provider says what it is by a code, and works
// again by itself when Vault does.

import assert from 'node:assert/strict';
import { once } from 'node:events';
import { mkdirSync, writeFileSync } from 'node:fs';
import { connect, createServer, type AddressInfo, type Socket } from 'node:net';
import { join } from 'node:path';
import { after, before, describe, test } from 'node:test';
import { setTimeout as sleep } from 'node:timers/promises';
import type { VaultSource, VaultStore } from '../../../policy/ruleset-credential.ts';
import { onlyPart } from '../../../sidecar/credentials/material.ts';
import type { createVaultProvider } from '../../../sidecar/credentials/vault/vault.ts';
import { startDurableVault, type DurableVault } from '../../cluster/vault-durable.ts';
import { enableDatabase, startPostgres, type Postgres } from '../../cluster/vault-postgres.ts';
import { createTenant, type VaultTenant } from './vault-tenant.ts';

const canary = 'canary-c4a0';
const policy = `
path "secret/data/agents/*" { capabilities = ["read"] }
path "database/creds/*" { capabilities = ["read"] }`;

let vault: DurableVault;
let postgres: Postgres;
let tenant: VaultTenant;

before(async () => {
  [vault, postgres] = await Promise.all([startDurableVault(), startPostgres()]);
  tenant = await createTenant(vault);
  await enableDatabase(vault, postgres);
  await vault.request('POST', 'database/roles/reader', {
    db_name: 'postgres',
    creation_statements: [`CREATE ROLE "{{name}}" WITH LOGIN PASSWORD '{{password}}';`],
    default_ttl: '1h',
    max_ttl: '24h',
  });
  // The engine of version 2 upgrades itself after it is mounted.
  for (let left = 50; left > 0; left -= 1) {
    const stored = vault.request('POST', 'secret/data/agents/github', { data: { token: canary } });
    if (
      await stored.then(
        () => true,
        () => false,
      )
    )
      break;
    await sleep(100);
  }
  await tenant.allow('agents', policy);
});
after(async () => {
  await vault?.stop();
  await postgres?.stop();
  tenant?.remove();
});

type VaultProvider = ReturnType<typeof createVaultProvider>;

const source: VaultSource = {
  kind: 'vault',
  store: 'corp',
  role: 'agents',
  kv: { mount: 'secret', path: 'agents/github', version: 2, field: 'token' },
};
const dynamic: VaultSource = {
  kind: 'vault',
  store: 'corp',
  role: 'agents',
  dynamic: { path: 'database/creds/reader', fields: ['username', 'password'] },
};

async function read(provider: VaultProvider, at: VaultStore = tenant.store): Promise<string> {
  const { material } = await provider.read(source, { corp: at });
  return material.get(onlyPart)?.open() ?? '';
}

async function assertFails(provider: VaultProvider, code: string, at?: VaultStore): Promise<void> {
  await assert.rejects(read(provider, at), { code });
}

async function withProvider<Result>(
  work: (provider: VaultProvider, skip: (ms: number) => void) => Promise<Result>,
  timeoutMs = 2000,
): Promise<Result> {
  let skewMs = 0;
  const provider = tenant.provider({ timeoutMs, now: () => performance.now() + skewMs });
  try {
    return await work(provider, (ms) => (skewMs += ms));
  } finally {
    await provider.forget();
  }
}

describe('P-21', () => {
  test('sealed, then unsealed', async () => {
    await withProvider(async (provider) => {
      assert.equal(await read(provider), canary);
      await vault.request('PUT', 'sys/seal');
      await assertFails(provider, 'VAULT_SEALED');
      await vault.unseal();
      assert.equal(await read(provider), canary);
    });
  });

  test('killed, sealed after its start, and unsealed: the login and its leases last', async () => {
    const before_ = tenant.audited().length;
    await withProvider(async (provider) => {
      const { material, lease } = await provider.read(dynamic, { corp: tenant.store });
      assert.ok(lease !== null);
      await vault.kill();
      await assertFails(provider, 'VAULT_UNREACHABLE');
      await assert.rejects(lease.renew(), { code: 'VAULT_UNREACHABLE' });
      await vault.start();
      await assertFails(provider, 'VAULT_SEALED');
      await assert.rejects(lease.renew(), { code: 'VAULT_SEALED' });
      await vault.unseal();
      assert.equal(await read(provider), canary);
      assert.ok(((await lease.renew()) ?? 0) > 3_500_000);
      const [user, password] = ['username', 'password'].map((name) => material.get(name)?.open() ?? '');
      assert.ok(await postgres.accepts(user ?? '', password ?? ''));
    });
    const logins = tenant
      .audited()
      .slice(before_)
      .filter(({ path }) => path === 'auth/jwt/login');
    assert.equal(logins.length, 1);
  });

  test('403 after a policy change, until the policy is back', async () => {
    await withProvider(async (provider, skip) => {
      assert.equal(await read(provider), canary);
      await vault.request('PUT', 'sys/policies/acl/agents', {
        policy: 'path "secret/data/agents/*" { capabilities = ["deny"] }',
      });
      await assertFails(provider, 'VAULT_PERMISSION_DENIED');
      skip(10_001);
      await assertFails(provider, 'VAULT_PERMISSION_DENIED');
      await vault.request('PUT', 'sys/policies/acl/agents', { policy });
      assert.equal(await read(provider), canary);
    });
  });

  test('403 after the role was given other policies, by one more login', async () => {
    await withProvider(async (provider, skip) => {
      await tenant.allow('late', 'path "secret/data/none" { capabilities = ["read"] }');
      const late = { ...source, role: 'late' };
      await assert.rejects(provider.read(late, { corp: tenant.store }), { code: 'VAULT_PERMISSION_DENIED' });
      await tenant.allow('late', policy, { token_policies: 'agents' });
      skip(10_001);
      await provider.read(late, { corp: tenant.store });
    });
  });

  test('a role that is gone, at the next login, until it is back', async () => {
    await tenant.allow('leaving', policy);
    await withProvider(async (provider, skip) => {
      const leaving = { ...source, role: 'leaving' };
      await provider.read(leaving, { corp: tenant.store });
      await vault.request('DELETE', 'auth/jwt/role/leaving');
      await provider.read(leaving, { corp: tenant.store });
      skip(3_000_000);
      await assert.rejects(provider.read(leaving, { corp: tenant.store }), { code: 'VAULT_LOGIN_REFUSED' });
      await tenant.allow('leaving', policy);
      await provider.read(leaving, { corp: tenant.store });
    });
  });

  test('a token that ended before we thought, as to a clock behind Vault’s', async () => {
    await tenant.allow('ending', policy, { token_ttl: '1s', token_max_ttl: '1s' });
    const before_ = performance.now();
    // Our clock stands still, then is 11 s on, while the token had 1 s.
    let skewMs = 0;
    const provider = tenant.provider({ now: () => before_ + skewMs });
    const ending = { ...source, role: 'ending' };
    await provider.read(ending, { corp: tenant.store });
    await sleep(2000);
    await assert.rejects(provider.read(ending, { corp: tenant.store }), { code: 'VAULT_PERMISSION_DENIED' });
    skewMs = 10_001;
    await provider.read(ending, { corp: tenant.store });
    await provider.forget();
  });

  test('more calls than its rate limit allows', async () => {
    await withProvider(async (provider) => {
      assert.equal(await read(provider), canary);
      await vault.request('POST', 'sys/quotas/rate-limit/test', { path: 'secret/', rate: 1, interval: '2s' });
      const outcomes = await Promise.all(
        Array.from({ length: 6 }, () =>
          read(provider).catch((error: unknown) => (error as { code?: string }).code),
        ),
      );
      assert.deepEqual(new Set(outcomes), new Set(['VAULT_UNAVAILABLE', canary]));
      await vault.request('DELETE', 'sys/quotas/rate-limit/test');
      assert.equal(await read(provider), canary);
    });
  });

  test('silent, within twice the timeout, and then not', async () => {
    await withProvider(async (provider) => {
      assert.equal(await read(provider), canary);
      await vault.freeze();
      try {
        const startedAtMs = performance.now();
        await assertFails(provider, 'VAULT_UNREACHABLE');
        assert.ok(performance.now() - startedAtMs < 2000);
      } finally {
        vault.thaw();
      }
      assert.equal(await read(provider), canary);
    }, 500);
  });

  test('slow, which is waited for as long as the timeout', async () => {
    await slowly(300, async (slow) => {
      await withProvider(async (provider) => assert.equal(await read(provider, slow), canary), 5000);
      await withProvider(async (provider) => assertFails(provider, 'VAULT_UNREACHABLE', slow), 200);
    });
  });

  test('silent when a session of a single-use secret_id is due: it is tried again until it is renewed', async () => {
    await vault.request('POST', 'sys/auth/approle', { type: 'approle' });
    const role = 'auth/approle/role/agents';
    await vault.request('POST', role, { token_policies: 'agents', token_ttl: '10s', token_max_ttl: '1h' });
    const roleId = String((await vault.request('GET', `${role}/role-id`)).data?.['role_id']);
    const made = await vault.request('POST', `${role}/secret-id`, { num_uses: 1 });
    mkdirSync(join(tenant.secretsDirectory, 'secret.approle'));
    writeFileSync(
      join(tenant.secretsDirectory, 'secret.approle', 'secret-id'),
      String(made.data?.['secret_id']),
    );
    const secretId = { secret: 'approle', key: 'secret-id' };
    const store: VaultStore = { ...tenant.store, auth: { kind: 'appRole', mount: 'approle', secretId } };
    await withProvider(async (provider) => {
      const byAppRole = { ...source, role: roleId };
      await provider.read(byAppRole, { corp: store });
      await sleep(4000);
      await vault.freeze();
      await sleep(4000).finally(() => vault.thaw()); // it was due at 5.7 s to 6.7 s
      await sleep(4000); // at 10 s it would have ended
      await provider.read(byAppRole, { corp: store });
    }, 400);
  });

  test('frozen when the pod ends, which is not held up by it', async () => {
    const provider = tenant.provider({ timeoutMs: 300 });
    assert.equal(await read(provider), canary);
    await vault.freeze();
    try {
      const startedAtMs = performance.now();
      await provider.forget();
      assert.ok(performance.now() - startedAtMs < 2000);
    } finally {
      vault.thaw();
    }
  });
});

/** A way to Vault on which every answer takes its time. */
async function slowly(delayMs: number, work: (at: VaultStore) => Promise<void>): Promise<void> {
  const port = Number(new URL(vault.address).port);
  const sockets = new Set<Socket>();
  const server = createServer((near) => {
    const far = connect(port, '127.0.0.1');
    for (const socket of [near, far]) sockets.add(socket.on('error', () => {}));
    near.pipe(far);
    far.on('data', (chunk) => void sleep(delayMs).then(() => near.writable && near.write(chunk)));
    near.on('close', () => far.destroy());
    far.on('close', () => near.destroy());
  });
  await once(server.listen(0, '127.0.0.1'), 'listening');
  try {
    const { port: open } = server.address() as AddressInfo;
    await work({ ...tenant.store, address: `https://127.0.0.1:${open}` });
  } finally {
    for (const socket of sockets) socket.destroy();
    server.close();
  }
}
