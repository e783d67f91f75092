// Vault's JWT auth with tokens of a real API server, which Vault checks by the issuer's keys; and what both ways that
// Kubernetes offers make of tokens that are no longer, or not yet, valid.

import assert from 'node:assert/strict';
import { createPrivateKey, createPublicKey, generateKeyPairSync, type webcrypto } from 'node:crypto';
import { mkdirSync, readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { after, before, describe, test } from 'node:test';
import { setTimeout as sleep } from 'node:timers/promises';
import { decodeJwt, decodeProtectedHeader, SignJWT, type JWTPayload } from 'jose';
import { storeTokenFile } from '../../../policy/contract.ts';
import type { VaultSource, VaultStore } from '../../../policy/ruleset-credential.ts';
import { onlyPart } from '../../../sidecar/credentials/material.ts';
import { createVaultProvider } from '../../../sidecar/credentials/vault/vault.ts';
import { startControlPlane, type ControlPlane } from '../../cluster/control-plane.ts';
import { enableKubernetesAuth } from '../../cluster/vault-kubernetes.ts';
import { startVault, type Vault } from '../../cluster/vault.ts';

const audience = 'outrider.dev/corp';
const canary = 'canary-9e10';

let cluster: ControlPlane;
let vault: Vault & { stop(): Promise<void> };
let tokens = '';
let good = '';

before(async () => {
  [cluster, vault] = await Promise.all([startControlPlane(), startVault()]);
  await enableKubernetesAuth(vault, cluster);
  await vault.request('POST', 'secret/data/agents/github', { data: { token: canary } });
  await vault.request('PUT', 'sys/policies/acl/research', {
    policy: 'path "secret/data/agents/*" { capabilities = ["read"] }',
  });
  await cluster.kubectl(['create', 'namespace', 'research']);
  for (const name of ['agent', 'other', 'gone'])
    await cluster.kubectl(['create', 'serviceaccount', name, '-n', 'research']);

  // As docs/credentials/vault.md has it: by URL, which Vault reads without a token, and by the keys themselves.
  const discovery = '--clusterrole=system:service-account-issuer-discovery';
  const binding = ['create', 'clusterrolebinding', 'issuer-keys-for-vault'];
  await cluster.kubectl([...binding, discovery, '--group=system:unauthenticated']);
  const { keys } = JSON.parse(await cluster.kubectl(['get', '--raw', '/openid/v1/jwks'])) as {
    keys: webcrypto.JsonWebKey[];
  };
  const configurations = {
    jwt: { jwks_url: `${cluster.server}/openid/v1/jwks`, jwks_ca_pem: cluster.caPem },
    'jwt-keys': {
      jwt_validation_pubkeys: keys.map((key) =>
        createPublicKey({ key, format: 'jwk' }).export({ type: 'spki', format: 'pem' }),
      ),
    },
  };
  for (const [mount, configuration] of Object.entries(configurations)) {
    await vault.request('POST', `sys/auth/${mount}`, { type: 'jwt' });
    await vault.request('POST', `auth/${mount}/config`, {
      ...configuration,
      bound_issuer: 'https://kubernetes.default.svc',
    });
    for (const account of ['agent', 'gone']) {
      await vault.request('POST', `auth/${mount}/role/${account === 'agent' ? 'research' : account}`, {
        role_type: 'jwt',
        user_claim: 'sub',
        bound_audiences: [audience],
        bound_subject: `system:serviceaccount:research:${account}`,
        token_policies: 'research',
        token_ttl: '1h',
      });
    }
  }
  for (const account of ['agent', 'gone']) {
    await vault.request('POST', `auth/kubernetes/role/${account === 'agent' ? 'research' : account}`, {
      bound_service_account_names: account,
      bound_service_account_namespaces: 'research',
      audience,
      token_policies: 'research',
    });
  }
  tokens = join(cluster.folder, 'tokens');
  mkdirSync(tokens);
  good = (await tokenOf('agent', audience)).trim();
});
after(async () => {
  await vault?.stop();
  await cluster?.stop();
});

async function tokenOf(account: string, forAudience: string): Promise<string> {
  return cluster.kubectl(['create', 'token', account, '-n', 'research', `--audience=${forAudience}`]);
}

/** The pod's own token with other claims, signed as the API server signs. */
async function forged(change: JWTPayload, key = apiServerKey()): Promise<string> {
  return new SignJWT({ ...decodeJwt(good), ...change })
    .setProtectedHeader({ ...decodeProtectedHeader(good), alg: 'ES256' })
    .sign(key);
}

function apiServerKey(): ReturnType<typeof createPrivateKey> {
  return createPrivateKey(readFileSync(cluster.apiServer.tokenKeyPath));
}

function storeOf(kind: 'kubernetes' | 'jwt', mount: string): VaultStore {
  return { kind: 'vault', address: vault.address, caBundle: vault.caPem, auth: { kind, mount } };
}

let stores = 0;

async function readWith(token: string, at: VaultStore, role = 'research'): Promise<string> {
  const store = `corp-${(stores += 1)}`;
  writeFileSync(join(tokens, storeTokenFile(store)), token);
  const kv = { mount: 'secret', path: 'agents/github', version: 2, field: 'token' } as const;
  const source: VaultSource = { kind: 'vault', store, role, kv };
  const provider = createVaultProvider({ tokensDirectory: tokens });
  try {
    const { material } = await provider.read(source, { [store]: at });
    return material.get(onlyPart)?.open() ?? '';
  } finally {
    await provider.forget();
  }
}

const ways: Record<string, () => VaultStore> = {
  'JWT auth by the URL of the issuer’s keys': () => storeOf('jwt', 'jwt'),
  'JWT auth by the issuer’s keys': () => storeOf('jwt', 'jwt-keys'),
  'Kubernetes auth': () => storeOf('kubernetes', 'kubernetes'),
};

const hour = 3600;
const seconds = (): number => Math.floor(Date.now() / 1000);

for (const [way, store] of Object.entries(ways)) {
  describe(`${way} refuses`, () => {
    const refused: Record<string, () => Promise<string>> = {
      'K-04: a token of another ServiceAccount': () => tokenOf('other', audience),
      'K-04: a token of another store of ours': () => tokenOf('agent', 'outrider.dev/other'),
      'K-04: the token that is mounted in every pod': () =>
        tokenOf('agent', 'https://kubernetes.default.svc'),
      'K-04: a token for the audience that Vault’s own pages use': () => tokenOf('agent', 'vault'),
      'P-21: a token that has expired, as to a clock ahead of ours': () =>
        forged({ iat: seconds() - 2 * hour, nbf: seconds() - 2 * hour, exp: seconds() - hour }),
      'P-21: a token that is not valid yet, as to a clock behind ours': () =>
        forged({ iat: seconds() + hour, nbf: seconds() + hour, exp: seconds() + 2 * hour }),
      'a token that another key signed': () =>
        forged({}, generateKeyPairSync('ec', { namedCurve: 'P-256' }).privateKey),
      'a token of another issuer': () => forged({ iss: 'https://issuer.example' }),
    };
    for (const [what, make] of Object.entries(refused)) {
      test(what, async () => {
        await assert.rejects(readWith(await make(), store()), {
          code: 'VAULT_LOGIN_REFUSED',
          field: 'spec.source.vault.role',
        });
      });
    }

    test('a role that does not exist', async () => {
      await assert.rejects(readWith(good, store(), 'nobody'), { code: 'VAULT_LOGIN_REFUSED' });
    });
  });

  test(`${way} lets the pod’s own token in`, async () => {
    assert.equal(await readWith(good, store()), canary);
    assert.equal(await readWith(await forged({}), store()), canary, 'what the forgeries differ from');
  });
}

test('a JWT auth mount that climbs is refused with its field', async () => {
  await assert.rejects(readWith(good, storeOf('jwt', '../sys')), {
    code: 'VAULT_PATH_INVALID',
    field: 'spec.vault.auth.jwt.mount',
  });
});

test('Kubernetes auth ends with the ServiceAccount, JWT auth by keys only with the token', async () => {
  const token = (await tokenOf('gone', audience)).trim();
  assert.equal(await readWith(token, storeOf('kubernetes', 'kubernetes'), 'gone'), canary);
  await cluster.kubectl(['delete', 'serviceaccount', 'gone', '-n', 'research']);
  // The API server remembers for 10 s what it said of a token.
  let code: unknown = null;
  for (let left = 40; left > 0 && code === null; left -= 1) {
    code = await readWith(token, storeOf('kubernetes', 'kubernetes'), 'gone').then(
      () => sleep(500, null),
      (error: unknown) => (error as { code?: string }).code,
    );
  }
  assert.equal(code, 'VAULT_LOGIN_REFUSED');
  assert.equal(await readWith(token, storeOf('jwt', 'jwt'), 'gone'), canary);
});
