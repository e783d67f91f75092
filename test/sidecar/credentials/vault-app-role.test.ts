// AppRole on a real Vault: a secret_id from a mounted Secret, as it is or wrapped.

import assert from 'node:assert/strict';
import { mkdirSync, renameSync, rmSync, symlinkSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { after, before, describe, test } from 'node:test';
import { setTimeout as sleep } from 'node:timers/promises';
import { inspect } from 'node:util';
import type { RulesetSecretId, VaultSource, VaultStore } from '../../../policy/ruleset-credential.ts';
import { onlyPart } from '../../../sidecar/credentials/material.ts';
import type { createVaultProvider } from '../../../sidecar/credentials/vault/vault.ts';
import { callHttps } from '../../cluster/https-call.ts';
import { startVault, type Vault } from '../../cluster/vault.ts';
import { readInHostileEnvironment } from './hostile-environment.ts';
import { createTenant, type VaultTenant } from './vault-tenant.ts';

type VaultProvider = ReturnType<typeof createVaultProvider>;

const canary = 'canary-77aa';
const roles = { long: '', brief: '', other: '' };

let vault: Vault & { stop(): Promise<void> };
let tenant: VaultTenant;

before(async () => {
  vault = await startVault();
  tenant = await createTenant(vault);
  await vault.request('POST', 'secret/data/agents/github', { data: { token: canary } });
  await vault.request('PUT', 'sys/policies/acl/agents', {
    policy: 'path "secret/data/agents/*" { capabilities = ["read"] }',
  });
  await vault.request('POST', 'sys/auth/approle', { type: 'approle' });
  const ttls = { long: ['1h', '24h'], brief: ['3s', '8s'], other: ['1h', '24h'] } as const;
  for (const name of Object.keys(ttls) as (keyof typeof ttls)[]) {
    const [ttl, maxTtl] = ttls[name];
    await vault.request('POST', `auth/approle/role/${name}`, {
      token_policies: 'agents',
      token_ttl: ttl,
      token_max_ttl: maxTtl,
    });
    const { data } = await vault.request('GET', `auth/approle/role/${name}/role-id`);
    roles[name] = String(data?.['role_id']);
  }
});
after(async () => {
  await vault?.stop();
  tenant?.remove();
});

async function secretIdOf(role: keyof typeof roles, options: object = {}): Promise<string> {
  const { data } = await vault.request('POST', `auth/approle/role/${role}/secret-id`, options);
  return String(data?.['secret_id']);
}

/** Answers the wrapping token. */
async function wrap(path: string, body: object = {}, ttl = '5m'): Promise<string> {
  const answer = await callHttps({
    url: `${vault.address}/v1/${path}`,
    caPem: vault.caPem,
    method: 'POST',
    headers: { 'x-vault-token': vault.rootToken, 'x-vault-wrap-ttl': ttl },
    body: JSON.stringify(body),
  });
  return (JSON.parse(answer.text) as { wrap_info: { token: string } }).wrap_info.token;
}

const wrapSecretId = (role: keyof typeof roles, options: object = {}): Promise<string> =>
  wrap(`auth/approle/role/${role}/secret-id`, options);

let secrets = 0;

/** A Secret as the kubelet mounts it: its keys are links through `..data`, which is replaced as a whole. */
function mountSecret(text: string): { readonly name: string; replace(text: string): void } {
  const name = `approle-${(secrets += 1)}`;
  const directory = join(tenant.secretsDirectory, `secret.${name}`);
  mkdirSync(directory);
  let version = 0;
  const replace = (next: string): void => {
    const data = `..version-${(version += 1)}`;
    mkdirSync(join(directory, data));
    writeFileSync(join(directory, data, 'secret-id'), next);
    symlinkSync(data, join(directory, '..next'));
    renameSync(join(directory, '..next'), join(directory, '..data'));
  };
  replace(text);
  symlinkSync('..data/secret-id', join(directory, 'secret-id'));
  return { name, replace };
}

function storeOf(secret: string, secretId: Partial<RulesetSecretId> = {}, mount = 'approle'): VaultStore {
  return {
    ...tenant.store,
    auth: { kind: 'appRole', mount, secretId: { secret, key: 'secret-id', ...secretId } },
  };
}

function sourceOf(role: string): VaultSource {
  const kv = { mount: 'secret', path: 'agents/github', version: 2, field: 'token' } as const;
  return { kind: 'vault', store: 'corp', role, kv };
}

async function read(provider: VaultProvider, store: VaultStore, role = roles.long): Promise<string> {
  const { material } = await provider.read(sourceOf(role), { corp: store });
  return material.get(onlyPart)?.open() ?? '';
}

async function withProvider<Result>(
  work: (provider: VaultProvider) => Promise<Result>,
  options: Parameters<VaultTenant['provider']>[0] = {},
): Promise<Result> {
  const provider = tenant.provider(options);
  try {
    return await work(provider);
  } finally {
    await provider.forget();
  }
}

const field = 'spec.vault.auth.appRole.secretId';

async function assertRefused(
  store: VaultStore,
  code: string,
  concerned: string,
  role = roles.long,
): Promise<void> {
  await withProvider(async (provider) => {
    await assert.rejects(read(provider, store, role), (error: Error & { code?: string; field?: string }) => {
      assert.deepEqual({ code: error.code, field: error.field }, { code, field: concerned });
      const shown = inspect(error, { depth: null, showHidden: true });
      assert.doesNotMatch(shown, /canary|hvs\.|[0-9a-f]{8}-[0-9a-f]{4}/);
      return true;
    });
  });
}

/** What Vault was asked since `from`, without the test's own calls. */
function asked(from: number, path: string): number {
  return tenant
    .audited()
    .slice(from)
    .filter((call) => call.path === path).length;
}

describe('refused', () => {
  test('a sidecar without mounted Secrets', async () => {
    await withProvider(
      (provider) => assert.rejects(read(provider, storeOf('none')), { code: 'SOURCE_UNAVAILABLE', field }),
      { secretsDirectory: null },
    );
  });

  const unreadable: Record<string, () => VaultStore> = {
    'a Secret that is not mounted': () => storeOf('none'),
    'a key that the Secret does not hold': () => storeOf(mountSecret('x').name, { key: 'id' }),
    'a key that leads out of the Secrets': () =>
      storeOf(mountSecret('x').name, { key: '../../tokens/store.corp' }),
    'a key that is a directory': () => storeOf(mountSecret('x').name, { key: '..data' }),
    'an empty secret_id': () => storeOf(mountSecret('\n').name),
    'a secret_id of two lines': () => storeOf(mountSecret('canary\nx').name),
    'P-23: a secret_id of more than 64 KiB': () => storeOf(mountSecret('x'.repeat(65_537)).name),
  };
  for (const [what, store] of Object.entries(unreadable)) {
    test(what, () => assertRefused(store(), 'VAULT_SECRET_ID_UNREADABLE', field));
  }

  const role = 'spec.source.vault.role';
  test('a secret_id that Vault does not know', () =>
    assertRefused(storeOf(mountSecret('canary').name), 'VAULT_SECRET_ID_REFUSED', role));

  test('a secret_id of another role', async () => {
    const store = storeOf(mountSecret(await secretIdOf('other')).name);
    await assertRefused(store, 'VAULT_SECRET_ID_REFUSED', role);
  });

  test('a role_id that Vault does not know', async () => {
    const store = storeOf(mountSecret(await secretIdOf('long')).name);
    await assertRefused(store, 'VAULT_SECRET_ID_REFUSED', role, 'nobody');
  });

  test('P-21: a secret_id that was destroyed', async () => {
    const secretId = await secretIdOf('long');
    await vault.request('POST', 'auth/approle/role/long/secret-id/destroy', { secret_id: secretId });
    await assertRefused(storeOf(mountSecret(secretId).name), 'VAULT_SECRET_ID_REFUSED', role);
  });

  test('P-21: a wrapping token where a secret_id should be', async () => {
    const store = storeOf(mountSecret(await wrapSecretId('long')).name);
    await assertRefused(store, 'VAULT_SECRET_ID_REFUSED', role);
  });
});

describe('P-21: a wrapping token is refused', () => {
  test('that somebody else has used', async () => {
    const wrapping = await wrapSecretId('long');
    await callHttps({
      url: `${vault.address}/v1/sys/wrapping/unwrap`,
      caPem: vault.caPem,
      method: 'POST',
      headers: { 'x-vault-token': wrapping },
      body: '{}',
    });
    await assertRefused(
      storeOf(mountSecret(wrapping).name, { wrapped: true }),
      'VAULT_WRAPPING_SPENT',
      field,
    );
  });

  test('that has expired', async () => {
    const wrapping = await wrap('auth/approle/role/long/secret-id', {}, '1s');
    await sleep(1500);
    await assertRefused(
      storeOf(mountSecret(wrapping).name, { wrapped: true }),
      'VAULT_WRAPPING_SPENT',
      field,
    );
  });

  test('that is a secret_id', async () => {
    const store = storeOf(mountSecret(await secretIdOf('long')).name, { wrapped: true });
    await assertRefused(store, 'VAULT_WRAPPING_SPENT', field);
  });

  const foreign: Record<string, () => Promise<string>> = {
    'something that its writer chose': () => wrap('sys/wrapping/wrap', { secret_id: 'canary' }),
    'a secret_id that its writer chose': () =>
      wrap('auth/approle/role/long/custom-secret-id', { secret_id: 'canary-custom' }),
    'another secret': () => wrap('auth/token/create', {}),
  };
  for (const [what, make] of Object.entries(foreign)) {
    test(`that wraps ${what}, and is not unwrapped`, async () => {
      const wrapping = await make();
      const from = tenant.audited().length;
      await assertRefused(
        storeOf(mountSecret(wrapping).name, { wrapped: true }),
        'VAULT_WRAPPING_FOREIGN',
        field,
      );
      assert.equal(asked(from, 'sys/wrapping/unwrap'), 0);
    });
  }

  test('of another AppRole mount', async () => {
    await vault.request('POST', 'sys/auth/approle-eu', { type: 'approle' });
    await vault.request('POST', 'auth/approle-eu/role/long', { token_policies: 'agents' });
    const wrapping = await wrap('auth/approle-eu/role/long/secret-id');
    await assertRefused(
      storeOf(mountSecret(wrapping).name, { wrapped: true }),
      'VAULT_WRAPPING_FOREIGN',
      field,
    );
  });
});

describe('a secret_id', () => {
  test('logs in, whatever line end its file has', async () => {
    const store = storeOf(mountSecret(`${await secretIdOf('long')}\n`).name);
    await withProvider(async (provider) => assert.equal(await read(provider, store), canary));
  });

  test('P-21: of one use makes a session that is renewed ahead, without being asked', async () => {
    const store = storeOf(mountSecret(await secretIdOf('brief', { num_uses: 1 })).name);
    const from = tenant.audited().length;
    await withProvider(async (provider) => {
      assert.equal(await read(provider, store, roles.brief), canary);
      await sleep(5000); // its token has a TTL of 3 s
      assert.equal(await read(provider, store, roles.brief), canary);
      assert.equal(asked(from, 'auth/approle/login'), 1);
      assert.ok(asked(from, 'auth/token/renew-self') >= 2);
      // At 8 s Vault ends it, and nothing is left to log in with.
      await sleep(3500);
      await assert.rejects(read(provider, store, roles.brief), { code: 'VAULT_SECRET_ID_REFUSED' });
    });
  });

  test('P-21: of many uses logs in again when Vault renews no longer', async () => {
    const store = storeOf(mountSecret(await secretIdOf('brief')).name);
    const from = tenant.audited().length;
    await withProvider(async (provider) => {
      for (let seconds = 0; seconds < 9; seconds += 3) {
        assert.equal(await read(provider, store, roles.brief), canary);
        await sleep(3000);
      }
    });
    assert.equal(asked(from, 'auth/approle/login'), 2);
  });

  test('P-21: that was replaced is used from then on, and the old session ends', async () => {
    const mounted = mountSecret(await secretIdOf('long', { num_uses: 1 }));
    const store = storeOf(mounted.name);
    await withProvider(async (provider) => {
      assert.equal(await read(provider, store), canary);
      mounted.replace('canary.is.no.secret-id');
      await assert.rejects(read(provider, store), { code: 'VAULT_SECRET_ID_REFUSED' });
      mounted.replace(await secretIdOf('long', { num_uses: 1 }));
      const from = tenant.audited().length;
      assert.equal(await read(provider, store), canary);
      assert.equal(asked(from, 'auth/approle/login'), 1);
      await sleep(200);
      assert.equal(asked(from, 'auth/token/revoke-self'), 1);
    });
  });

  test('P-21: whose Secret is deleted keeps its session', async () => {
    const mounted = mountSecret(await secretIdOf('long'));
    const store = storeOf(mounted.name);
    await withProvider(async (provider) => {
      assert.equal(await read(provider, store), canary);
      rmSync(join(tenant.secretsDirectory, `secret.${mounted.name}`), { recursive: true });
      assert.equal(await read(provider, store), canary);
    });
  });

  test('P-21: is not wasted on a denial, which stands', async () => {
    let skewMs = 0;
    const store = storeOf(mountSecret(await secretIdOf('long', { num_uses: 1 })).name);
    await withProvider(
      async (provider) => {
        assert.equal(await read(provider, store), canary);
        skewMs = 10_001;
        const source = sourceOf(roles.long);
        const denied = { ...source, kv: { mount: 'secret', path: 'admin', version: 2, field: 'x' } } as const;
        await assert.rejects(provider.read(denied, { corp: store }), { code: 'VAULT_PERMISSION_DENIED' });
        assert.equal(await read(provider, store), canary);
      },
      { now: () => performance.now() + skewMs },
    );
  });
});

describe('P-21: a wrapped secret_id', () => {
  test('is unwrapped once, by whoever comes first, and kept across sessions', async () => {
    const store = storeOf(mountSecret(await wrapSecretId('long')).name, { wrapped: true });
    const from = tenant.audited().length;
    await withProvider(async (provider) => {
      const reading = [read(provider, store), read(provider, store), read(provider, store)];
      assert.deepEqual(await Promise.all(reading), [canary, canary, canary]);
      await provider.forget();
      assert.equal(await read(provider, store), canary);
      const changed = { ...store, caBundle: `${vault.caPem}\n` };
      assert.equal(await read(provider, changed), canary);
    });
    assert.equal(asked(from, 'sys/wrapping/unwrap'), 1);
    assert.equal(asked(from, 'auth/approle/login'), 3);
  });

  test('is unwrapped anew when another wrapping token lies there', async () => {
    const mounted = mountSecret(await wrapSecretId('long', { num_uses: 1 }));
    const store = storeOf(mounted.name, { wrapped: true });
    await withProvider(async (provider) => {
      assert.equal(await read(provider, store), canary);
      mounted.replace(await wrapSecretId('long', { num_uses: 1 }));
      assert.equal(await read(provider, store), canary);
    });
  });

  test('is nowhere in the pod’s files, and gone with the process', async () => {
    const store = storeOf(mountSecret(await wrapSecretId('long')).name, { wrapped: true });
    await withProvider(async (provider) => assert.equal(await read(provider, store), canary));
    await assertRefused(store, 'VAULT_WRAPPING_SPENT', field);
  });
});

describe('K-25: whatever the environment says', () => {
  test('a wrapped secret_id is unwrapped at Vault itself, and nothing is printed', async () => {
    const mounted = mountSecret(await wrapSecretId('long'));
    const store = storeOf(mounted.name, { wrapped: true });
    const from = tenant.audited().length;
    const { text, proxied } = await readInHostileEnvironment(
      tenant.secretsDirectory,
      sourceOf(roles.long),
      store,
    );
    assert.match(text, new RegExp(`\\[secret\\] } ${canary.length}$`, 'm'));
    assert.equal(proxied, 0);
    assert.doesNotMatch(text, /canary|hvs\.|[0-9a-f]{8}-[0-9a-f]{4}/);
    // Nothing that the environment's token was refused at.
    assert.deepEqual(
      tenant
        .audited()
        .slice(from)
        .filter(({ failed }) => failed),
      [],
    );
  });
});
