// A KV secret of version 2 that is changed as the version that was read: what a rotating refresh token needs.

import assert from 'node:assert/strict';
import { once } from 'node:events';
import { after, before, describe, test } from 'node:test';
import { connect, createServer, type AddressInfo } from 'node:net';
import { inspect } from 'node:util';
import type { RulesetKv, VaultSource, VaultStore } from '../../../policy/ruleset-credential.ts';
import type { VersionedSource } from '../../../sidecar/credentials/provider.ts';
import type { createVaultProvider } from '../../../sidecar/credentials/vault/vault.ts';
import { startVault, type Vault } from '../../cluster/vault.ts';
import { createTenant, type VaultTenant } from './vault-tenant.ts';

const kv: RulesetKv = { mount: 'secret', path: 'oauth/crm', version: 2, field: 'refresh_token' };

let vault: Vault & { stop(): Promise<void> };
let tenant: VaultTenant;
let provider: ReturnType<typeof createVaultProvider>;

before(async () => {
  vault = await startVault();
  tenant = await createTenant(vault);
  provider = tenant.provider();
  await vault.request('POST', 'sys/mounts/kv1', { type: 'kv', options: { version: '1' } });
  await tenant.allow('writer', 'path "secret/data/oauth/*" { capabilities = ["read", "update"] }');
  await tenant.allow('reader', 'path "secret/data/oauth/*" { capabilities = ["read"] }');
});
after(async () => {
  await provider?.forget();
  await vault?.stop();
  tenant?.remove();
});

function sourceOf(change: Partial<RulesetKv> = {}, role = 'writer'): VaultSource {
  return { kind: 'vault', store: 'corp', role, kv: { ...kv, ...change } };
}

function versionedOf(source: VaultSource = sourceOf(), store: VaultStore = tenant.store): VersionedSource {
  const versioned = provider.versioned(source, { corp: store });
  assert.ok(versioned !== null);
  return versioned;
}

async function store(path: string, data: object): Promise<void> {
  await vault.request('POST', `secret/data/${path}`, { data });
}

async function stored(path: string): Promise<unknown> {
  return (await vault.request('GET', `secret/data/${path}`)).data?.['data'];
}

describe('refused', () => {
  test('to change an engine of version 1, or a dynamic secret: nobody can compare there', () => {
    assert.equal(provider.versioned(sourceOf({ mount: 'kv1', version: 1 }), { corp: tenant.store }), null);
    const dynamic: VaultSource = {
      kind: 'vault',
      store: 'corp',
      role: 'writer',
      dynamic: { path: 'database/creds/reader', field: 'password' },
    };
    assert.equal(provider.versioned(dynamic, { corp: tenant.store }), null);
  });

  test('a write without the policy, which the failure spells out', async () => {
    await store('oauth/denied', { refresh_token: 'canary-1' });
    const denied = versionedOf(sourceOf({ path: 'oauth/denied' }, 'reader'));
    const { version } = await denied.read();
    await assert.rejects(denied.swap(version, { refresh_token: 'canary-2' }), (error: Error) => {
      const { code, field } = error as Error & { code?: string; field?: string };
      assert.deepEqual([code, field], ['VAULT_WRITE_DENIED', 'spec.source.vault.kv.path']);
      assert.match(
        error.message,
        /path "secret\/data\/oauth\/denied" \{ capabilities = \["read", "update"\] \}/,
      );
      assert.doesNotMatch(inspect(error, { depth: null, showHidden: true }), /canary|hvs\.|eyJ/);
      return true;
    });
    assert.deepEqual(await stored('oauth/denied'), { refresh_token: 'canary-1' });
  });

  test('a secret that is not there', async () => {
    await assert.rejects(versionedOf(sourceOf({ path: 'oauth/none' })).read(), {
      code: 'VAULT_PATH_NOT_FOUND',
    });
  });

  test('a store that the ruleset does not name', async () => {
    const unknown = provider.versioned({ ...sourceOf(), store: 'other' }, { corp: tenant.store });
    await assert.rejects(unknown?.read() ?? Promise.resolve(), { code: 'STORE_UNKNOWN' });
  });
});

describe('a secret of version 2', () => {
  test('is read with all its texts and its version', async () => {
    await store('oauth/texts', { refresh_token: 'a', client_id: 'b', number: 7, empty: '', nested: {} });
    const { material, version } = await versionedOf(sourceOf({ path: 'oauth/texts' })).read();
    assert.deepEqual(
      [...material].map(([name, secret]) => [name, secret.open()]),
      [
        ['client_id', 'b'],
        ['refresh_token', 'a'],
      ],
    );
    assert.equal(version, 1);
  });

  test('calls its one value by the name that it has in the secret', () => {
    assert.equal(versionedOf().nameOf('value'), 'refresh_token');
    const named: VaultSource = {
      ...sourceOf(),
      kv: { mount: 'secret', path: 'x', version: 2, fields: ['refreshToken'] },
    };
    assert.equal(versionedOf(named).nameOf('refreshToken'), 'refreshToken');
  });

  test('is changed in what is named, and keeps the rest', async () => {
    const path = 'oauth/kept';
    const rest = { note: null, list: [1, { a: 'b' }], when: 1.5, empty: '' };
    await store(path, { refresh_token: 'old', stale: 'x', ...rest });
    const versioned = versionedOf(sourceOf({ path }));
    const { version } = await versioned.read();
    const fields = { refresh_token: 'new', id_token: 'more', stale: null };
    assert.equal(await versioned.swap(version, fields), version + 1);
    assert.deepEqual(await stored(path), { refresh_token: 'new', id_token: 'more', ...rest });
  });

  test('is not changed as a version that it no longer is', async () => {
    const path = 'oauth/lost';
    await store(path, { refresh_token: 'one' });
    const versioned = versionedOf(sourceOf({ path }));
    const { version } = await versioned.read();
    await store(path, { refresh_token: 'two' });
    assert.equal(await versioned.swap(version, { refresh_token: 'mine' }), null);
    assert.deepEqual(await stored(path), { refresh_token: 'two' });
  });

  test('has one winner of many', async () => {
    const path = 'oauth/race';
    await store(path, { refresh_token: 'start' });
    const { version } = await versionedOf(sourceOf({ path })).read();
    const racers = Array.from({ length: 8 }, (_, index) =>
      versionedOf(sourceOf({ path })).swap(version, { refresh_token: `racer-${index}` }),
    );
    const won = (await Promise.all(racers)).map((result, index) => ({ result, index }));
    const winners = won.filter(({ result }) => result !== null);
    assert.equal(winners.length, 1);
    assert.equal(winners[0]?.result, version + 1);
    assert.deepEqual(await stored(path), { refresh_token: `racer-${winners[0]?.index}` });
  });

  test('P-21: whose writing’s answer was lost is looked at, not written again', async () => {
    const path = 'oauth/cut';
    await store(path, { refresh_token: 'one' });
    await withCut(async (at, cut) => {
      const versioned = versionedOf(sourceOf({ path }), at);
      const { version } = await versioned.read();
      cut.exchange = 2; // the secret is looked at, then written
      assert.equal(await versioned.swap(version, { refresh_token: 'two' }), version + 1);
    });
    const { data } = await vault.request('GET', `secret/metadata/${path}`);
    assert.equal(data?.['current_version'], 2);
    assert.deepEqual(await stored(path), { refresh_token: 'two' });
  });
});

interface Cut {
  /** Which of the next exchanges loses its answer, after Vault has done what it was asked; 0: none. */
  exchange: number;
}

/** A way to the real Vault that can lose answers: TLS passes through it untouched. */
async function withCut(work: (at: VaultStore, cut: Cut) => Promise<void>): Promise<void> {
  const cut: Cut = { exchange: 0 };
  const port = Number(new URL(vault.address).port);
  const server = createServer((near) => {
    const far = connect(port, '127.0.0.1');
    let isAsking = false;
    near.on('data', (chunk) => {
      if (!isAsking && cut.exchange > 0) cut.exchange -= 1;
      else if (!isAsking) cut.exchange = -1;
      isAsking = true;
      far.write(chunk);
    });
    far.on('data', (chunk) => {
      isAsking = false;
      if (cut.exchange === 0) near.destroy();
      else near.write(chunk);
    });
    near.on('error', () => {}).on('close', () => far.destroy());
    far.on('error', () => {}).on('close', () => near.destroy());
  });
  cut.exchange = -1;
  await once(server.listen(0, '127.0.0.1'), 'listening');
  try {
    const { port: open } = server.address() as AddressInfo;
    await work({ ...tenant.store, address: `https://127.0.0.1:${open}` }, cut);
    assert.equal(cut.exchange, -1, 'an answer was lost');
  } finally {
    server.close();
  }
}
