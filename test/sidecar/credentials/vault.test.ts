import assert from 'node:assert/strict';
import { mkdirSync, readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { after, before, describe, test } from 'node:test';
import { inspect } from 'node:util';
import { storeTokenFile } from '../../../policy/contract.ts';
import type { RulesetKv, VaultSource, VaultStore } from '../../../policy/ruleset-credential.ts';
import { onlyPart } from '../../../sidecar/credentials/material.ts';
import type { Provider } from '../../../sidecar/credentials/provider.ts';
import { createVaultProvider } from '../../../sidecar/credentials/vault/vault.ts';
import { startControlPlane, type ControlPlane } from '../../cluster/control-plane.ts';
import { enableKubernetesAuth } from '../../cluster/vault-kubernetes.ts';
import { startVault, type Vault } from '../../cluster/vault.ts';
import { readInHostileEnvironment } from './hostile-environment.ts';

const audience = 'outrider.dev/corp';
const canary = 'canary-1b6f';
const kv: RulesetKv = { mount: 'secret', path: 'agents/github', version: 2, field: 'token' };
const source: VaultSource = { kind: 'vault', store: 'corp', role: 'research', kv };

let cluster: ControlPlane;
let vault: Vault & { stop(): Promise<void> };
let store: VaultStore;
let tokens = '';
let auditPath = '';

before(async () => {
  [cluster, vault] = await Promise.all([startControlPlane(), startVault()]);
  await enableKubernetesAuth(vault, cluster);
  auditPath = join(cluster.folder, 'vault-audit.jsonl');
  await vault.request('PUT', 'sys/audit/file', { type: 'file', options: { file_path: auditPath } });
  await vault.request('PUT', 'sys/policies/acl/research', {
    policy:
      'path "secret/data/agents/*" { capabilities = ["read"] }\npath "kv1/*" { capabilities = ["read"] }\npath "secret/agents/*" { capabilities = ["read"] }',
  });
  const bound = { bound_service_account_names: 'agent', bound_service_account_namespaces: 'research' };
  await vault.request('POST', 'auth/kubernetes/role/research', {
    ...bound,
    audience,
    token_policies: 'research',
    token_ttl: '1h',
  });
  await vault.request('POST', 'secret/data/agents/github', {
    data: { token: canary, number: 7, empty: '', large: 'x'.repeat(65_537) },
  });
  await vault.request('POST', `secret/data/agents/${encodeURIComponent('a b%2e?#{{c}}')}`, {
    data: { token: 'odd' },
  });
  await vault.request('POST', 'secret/data/agents/deleted', { data: { token: canary } });
  await vault.request('DELETE', 'secret/data/agents/deleted');
  await vault.request('POST', 'sys/mounts/kv1', { type: 'kv', options: { version: '1' } });
  await vault.request('POST', 'kv1/github', { token: 'first-version' });
  store = {
    kind: 'vault',
    address: vault.address,
    caBundle: vault.caPem,
    auth: { kind: 'kubernetes', mount: 'kubernetes' },
  };

  await cluster.kubectl(['create', 'namespace', 'research']);
  for (const name of ['agent', 'other'])
    await cluster.kubectl(['create', 'serviceaccount', name, '-n', 'research']);
  tokens = join(cluster.folder, 'tokens');
  mkdirSync(tokens);
  writeFileSync(join(tokens, storeTokenFile('corp')), await tokenOf('agent', audience));
  writeFileSync(join(tokens, storeTokenFile('other-account')), await tokenOf('other', audience));
  writeFileSync(join(tokens, storeTokenFile('other-audience')), await tokenOf('agent', 'outrider.dev/other'));
  writeFileSync(
    join(tokens, storeTokenFile('default-audience')),
    await tokenOf('agent', 'https://kubernetes.default.svc'),
  );
  writeFileSync(join(tokens, storeTokenFile('garbage')), 'no.such.token');
});
after(async () => {
  await vault?.stop();
  await cluster?.stop();
});

async function tokenOf(account: string, forAudience: string): Promise<string> {
  return cluster.kubectl(['create', 'token', account, '-n', 'research', `--audience=${forAudience}`]);
}

async function withProvider<Result>(
  work: (provider: Provider<'vault'>) => Promise<Result>,
  options: Partial<Parameters<typeof createVaultProvider>[0]> = {},
): Promise<Result> {
  const provider = createVaultProvider({ tokensDirectory: tokens, ...options });
  try {
    return await work(provider);
  } finally {
    await provider.forget();
  }
}

async function valueOf(provider: Provider<'vault'>, from: VaultSource = source): Promise<string> {
  const { material, lease } = await provider.read(from, { [from.store]: store });
  assert.equal(lease, null);
  return material.get(onlyPart)?.open() ?? '';
}

/** Nothing of what was asked for or shown to Vault may be in what is thrown (S-13). */
function assertTells(error: unknown, code: string, field: string): void {
  const { code: thrown, field: concerned } = error as { code?: string; field?: string };
  assert.deepEqual({ code: thrown, field: concerned }, { code, field });
  const shown = inspect(error, { depth: null, showHidden: true, getters: true });
  assert.doesNotMatch(shown, /canary|eyJ|hvs\.|axios|config/);
}

async function assertRefused(from: VaultSource, at: VaultStore, code: string, field: string): Promise<void> {
  await withProvider(
    async (provider) => {
      await assert.rejects(provider.read(from, { [from.store]: at }), (error) => {
        assertTells(error, code, field);
        return true;
      });
    },
    { timeoutMs: 2000 },
  );
}

function auditedPaths(): string[] {
  return readFileSync(auditPath, 'utf8')
    .split('\n')
    .filter((line) => line.includes('"type":"request"'))
    .map((line) => (JSON.parse(line) as { request: { path: string } }).request.path);
}

describe('S-13: refused, with a code and the field that must change', () => {
  const role = 'spec.source.vault.role';
  const path = 'spec.source.vault.kv.path';
  const field = 'spec.source.vault.kv.field';
  const cases: Record<
    string,
    [change: Partial<VaultSource>, kvChange: Partial<RulesetKv>, code: string, field: string]
  > = {
    'a role that does not exist': [{ role: 'nobody' }, {}, 'VAULT_LOGIN_REFUSED', role],
    'K-04: a token of another ServiceAccount': [{ store: 'other-account' }, {}, 'VAULT_LOGIN_REFUSED', role],
    'K-04: a token of another store of ours': [{ store: 'other-audience' }, {}, 'VAULT_LOGIN_REFUSED', role],
    'K-04: a token that any pod can have': [{ store: 'default-audience' }, {}, 'VAULT_LOGIN_REFUSED', role],
    'something that is no token': [{ store: 'garbage' }, {}, 'VAULT_LOGIN_REFUSED', role],
    'a store that the pod has no token for': [
      { store: 'later' },
      {},
      'STORE_TOKEN_MISSING',
      'spec.source.vault.store',
    ],
    'a path where nothing is': [{}, { path: 'agents/none' }, 'VAULT_PATH_NOT_FOUND', path],
    'a path whose latest version is deleted': [{}, { path: 'agents/deleted' }, 'VAULT_PATH_NOT_FOUND', path],
    'a path that the role may not read': [{}, { path: 'admin/root' }, 'VAULT_PERMISSION_DENIED', path],
    'a path whose error node-vault would take for an answer': [
      {},
      { path: 'agents/sys/health' },
      'VAULT_PATH_NOT_FOUND',
      path,
    ],
    'a field that is not there': [{}, { field: 'password' }, 'VAULT_FIELD_MISSING', field],
    'a field that every object has': [{}, { field: 'constructor' }, 'VAULT_FIELD_MISSING', field],
    'P-23: a field that is no string': [{}, { field: 'number' }, 'VAULT_FIELD_NOT_TEXT', field],
    'P-23: a field that is empty': [{}, { field: 'empty' }, 'SECRET_EMPTY', field],
    'P-23: a field of more than 64 KiB': [{}, { field: 'large' }, 'SECRET_TOO_LARGE', field],
    'version 1 of an engine of version 2': [
      {},
      { version: 1 },
      'VAULT_KV_VERSION_WRONG',
      'spec.source.vault.kv.version',
    ],
    'a path that climbs out of its mount': [
      {},
      { path: '../../auth/token/lookup-self' },
      'VAULT_PATH_INVALID',
      path,
    ],
    'a path with a dot segment inside': [{}, { path: 'agents/./github' }, 'VAULT_PATH_INVALID', path],
    'a path with an empty segment': [{}, { path: 'agents//github' }, 'VAULT_PATH_INVALID', path],
    'an empty path': [{}, { path: '' }, 'VAULT_PATH_INVALID', path],
    'a path whose encoding hides a climb': [
      {},
      { path: 'agents/%2e%2e/admin' },
      'VAULT_PATH_NOT_FOUND',
      path,
    ],
    'a path in the spelling that node-vault turns into a slash': [
      {},
      { path: 'agents&#x2F;github' },
      'VAULT_PERMISSION_DENIED',
      path,
    ],
    'the session’s own token, which Vault would tell': [
      {},
      { mount: 'auth/token', path: 'lookup-self', version: 1, field: 'id' },
      'VAULT_PATH_INVALID',
      'spec.source.vault.kv.mount',
    ],
    'a token of a namespace below': [
      {},
      { mount: 'child', path: 'auth/token/lookup-self', version: 1, field: 'id' },
      'VAULT_PATH_INVALID',
      'spec.source.vault.kv.mount',
    ],
    'a mount that climbs': [{}, { mount: 'secret/..' }, 'VAULT_PATH_INVALID', 'spec.source.vault.kv.mount'],
  };
  for (const [what, [change, kvChange, code, concerned]] of Object.entries(cases)) {
    test(what, () =>
      assertRefused({ ...source, ...change, kv: { ...kv, ...kvChange } }, store, code, concerned),
    );
  }

  test('a store that the ruleset does not name', async () => {
    await withProvider(async (provider) => {
      await assert.rejects(provider.read(source, {}), {
        code: 'STORE_UNKNOWN',
        field: 'spec.source.vault.store',
      });
      const inherited = { ...source, store: 'toString' };
      await assert.rejects(provider.read(inherited, {}), { code: 'STORE_UNKNOWN' });
    });
  });

  const addresses: Record<string, string> = {
    'T-07: plain HTTP': 'http://127.0.0.1:8200',
    'an address with a password': 'https://user:canary@vault.example',
    'an address with a path': 'https://vault.example/v1',
    'an address with a query': 'https://vault.example/?canary',
    'no address': 'vault',
  };
  for (const [what, address] of Object.entries(addresses)) {
    test(what, () =>
      assertRefused(source, { ...store, address }, 'VAULT_ADDRESS_INVALID', 'spec.vault.address'),
    );
  }

  test('T-07: a Vault whose certificate another CA signed', async () => {
    await assertRefused(
      source,
      { ...store, caBundle: cluster.caPem },
      'VAULT_UNTRUSTED',
      'spec.vault.caBundle',
    );
  });

  test('an auth mount that is not there', async () => {
    await assertRefused(
      source,
      { ...store, auth: { kind: 'kubernetes', mount: 'k8s-eu' } },
      'VAULT_LOGIN_REFUSED',
      role,
    );
  });

  test('an auth mount that climbs', async () => {
    const at: VaultStore = { ...store, auth: { kind: 'kubernetes', mount: '../sys' } };
    await assertRefused(source, at, 'VAULT_PATH_INVALID', 'spec.vault.auth.kubernetes.mount');
  });
});

describe('read', () => {
  test('a secret of version 2 and one of version 1', async () => {
    await withProvider(async (provider) => {
      assert.equal(await valueOf(provider), canary);
      const first: VaultSource = {
        ...source,
        kv: { mount: 'kv1', path: 'github', version: 1, field: 'token' },
      };
      assert.equal(await valueOf(provider, first), 'first-version');
    });
  });

  test('a path of characters that mean something in URLs and templates', async () => {
    await withProvider(async (provider) => {
      assert.equal(
        await valueOf(provider, { ...source, kv: { ...kv, path: 'agents/a b%2e?#{{c}}' } }),
        'odd',
      );
    });
  });

  test('P-21: with one login, used until two thirds of its life and then replaced, and revoked at the end', async () => {
    let skewMs = 0;
    const before = auditedPaths().length;
    await withProvider(
      async (provider) => {
        await Promise.all([valueOf(provider), valueOf(provider), valueOf(provider)]);
        skewMs = 0.55 * 3_600_000;
        await valueOf(provider);
        const sofar = auditedPaths().slice(before);
        assert.equal(sofar.filter((path) => path === 'auth/kubernetes/login').length, 1);
        skewMs = 0.67 * 3_600_000;
        await valueOf(provider);
      },
      { now: () => performance.now() + skewMs },
    );
    const paths = auditedPaths().slice(before);
    assert.equal(paths.filter((path) => path === 'auth/kubernetes/login').length, 2);
    assert.equal(paths.filter((path) => path === 'auth/token/revoke-self').length, 2);
  });

  test('P-21: again after its token was revoked, by one more login', async () => {
    let skewMs = 0;
    await withProvider(
      async (provider) => {
        await valueOf(provider);
        await vault.request('PUT', 'sys/leases/revoke-prefix/auth/kubernetes/login');
        const revoked = await provider.read(source, { corp: store }).catch((error: unknown) => error);
        assertTells(revoked, 'VAULT_PERMISSION_DENIED', 'spec.source.vault.kv.path');
        skewMs += 10_001;
        assert.equal(await valueOf(provider), canary);
      },
      { now: () => performance.now() + skewMs },
    );
  });

  test('the new value after a rotation', async () => {
    await withProvider(async (provider) => {
      await vault.request('POST', 'secret/data/agents/rotating', { data: { token: 'old' } });
      const rotating: VaultSource = { ...source, kv: { ...kv, path: 'agents/rotating' } };
      assert.equal(await valueOf(provider, rotating), 'old');
      await vault.request('POST', 'secret/data/agents/rotating', { data: { token: 'new' } });
      assert.equal(await valueOf(provider, rotating), 'new');
    });
  });

  test('with the token that the kubelet wrote last', async () => {
    const path = join(tokens, storeTokenFile('corp'));
    const good = readFileSync(path);
    await withProvider(async (provider) => {
      writeFileSync(path, 'expired.by.now');
      await assert.rejects(valueOf(provider), { code: 'VAULT_LOGIN_REFUSED' });
      writeFileSync(path, good);
      assert.equal(await valueOf(provider), canary);
    });
  });
});

describe('K-25: whatever the environment says', () => {
  test('Vault is asked directly, and nothing is printed', async () => {
    const { text, proxied } = await readInHostileEnvironment(tokens, source, store);
    assert.ok(text.includes(`{ 'value' => [secret] } ${canary.length}`), text);
    assert.equal(proxied, 0);
    assert.doesNotMatch(text, /canary|eyJ|hvs\.|node-vault/);
  });

  test('T-07: its certificate is verified', async () => {
    const { text, proxied } = await readInHostileEnvironment(tokens, source, {
      ...store,
      caBundle: cluster.caPem,
    });
    assert.match(text, /VAULT_UNTRUSTED/);
    assert.equal(proxied, 0);
    assert.doesNotMatch(text, /canary|eyJ|hvs\./);
  });
});

describe('P-21: in the end', () => {
  test('a sealed Vault says so', async () => {
    await vault.request('PUT', 'sys/seal');
    await assertRefused(source, store, 'VAULT_SEALED', 'spec.vault.address');
  });

  test('a Vault that is down cannot be reached', async () => {
    await vault.stop();
    await assertRefused(source, store, 'VAULT_UNREACHABLE', 'spec.vault.address');
  });
});
