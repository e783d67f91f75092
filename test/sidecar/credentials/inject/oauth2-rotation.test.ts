// Refresh tokens that rotate, in a real Vault, against a provider that revokes the whole family when a used one is shown
// again. Each pod is a minter with a memory and a clock of its own.

import assert from 'node:assert/strict';
import { after, before, beforeEach, describe, test } from 'node:test';
import type { OAuth2Inject, RulesetKv } from '../../../../policy/ruleset-credential.ts';
import type { MintContext, Minted, Minter } from '../../../../sidecar/credentials/inject/injector.ts';
import { createRotation } from '../../../../sidecar/credentials/inject/oauth2/rotation.ts';
import { createOAuth2 } from '../../../../sidecar/credentials/inject/oauth2.ts';
import type { Material } from '../../../../sidecar/credentials/material.ts';
import type { VersionedSource } from '../../../../sidecar/credentials/provider.ts';
import { startVault, type Vault } from '../../../cluster/vault.ts';
import { createOAuthProvider, type OAuthProvider } from '../../../support/oauth-provider.ts';
import {
  createTestCaller,
  refused,
  startTokenServer,
  type TokenServer,
} from '../../../support/token-endpoints.ts';
import { createTenant, type VaultTenant } from '../vault-tenant.ts';
import { assertFails, createTestTrust, tokenOf } from './minting.ts';

const url = 'https://idp.example/token';
const inject: OAuth2Inject = {
  kind: 'oauth2',
  tokenEndpoint: { url },
  grant: { kind: 'refreshToken', clientId: 'crm', authentication: 'Post', rotating: true },
};
const field = 'spec.inject.oauth2.refreshToken';
const writing = 'path "secret/data/oauth/*" { capabilities = ["read", "update"] }';

let vault: Vault & { stop(): Promise<void> };
let tenant: VaultTenant;
let source: ReturnType<VaultTenant['provider']>;
let server: TokenServer;
let caller: Pick<MintContext, 'call' | 'urlOf'>;
let idp: OAuthProvider;
let kv: RulesetKv;

before(async () => {
  vault = await startVault();
  tenant = await createTenant(vault);
  source = tenant.provider();
  await tenant.allow('crm', writing);
  await tenant.allow('reader', 'path "secret/data/oauth/*" { capabilities = ["read"] }');
  const { caPem, certificate } = await createTestTrust();
  server = await startTokenServer(certificate, () => ({ status: 500, body: '' }));
  caller = createTestCaller({ [url]: server }, caPem);
});
after(async () => {
  server?.close();
  await source?.forget();
  await vault?.stop();
  tenant?.remove();
});

let tests = 0;
beforeEach(async () => {
  idp = createOAuthProvider({
    clients: [{ id: 'crm', secret: null, authentication: 'Post' }],
    refreshMs: 100,
  });
  server.answer = idp.answer;
  server.seen.length = 0;
  kv = { mount: 'secret', path: `oauth/crm-${(tests += 1)}`, version: 2, field: 'refresh_token' };
  await store({ refresh_token: idp.consent({ rotates: true }), note: 'of its owner' });
});

async function store(data: object): Promise<void> {
  await vault.request('POST', `secret/data/${kv.path}`, { data });
}

async function stored(): Promise<Readonly<Record<string, string>>> {
  const { data } = await vault.request('GET', `secret/data/${kv.path}`);
  return data?.['data'] as Record<string, string>;
}

/** One agent's sidecar. */
interface Pod {
  /** What its clocks are off by. */
  wallMs: number;
  monotonicMs: number;
  readonly versioned: VersionedSource;
  mint(from?: OAuth2Inject): Promise<Minted>;
  /** As the cache does once the secret itself has changed. */
  reread(): Promise<void>;
}

interface PodOptions {
  readonly role?: string;
  readonly wallMs?: number;
  readonly kv?: Partial<RulesetKv>;
  /** Stands between the pod and Vault. */
  readonly between?: (versioned: VersionedSource) => VersionedSource;
}

async function startPod(options: PodOptions = {}): Promise<Pod> {
  const { role = 'crm', between = (same) => same } = options;
  const { field: _, ...rest } = kv;
  const from = {
    kind: 'vault',
    store: 'corp',
    role,
    kv: options.kv === undefined ? kv : { ...rest, ...options.kv },
  } as const;
  const stores = { corp: tenant.store };
  const versioned = source.versioned(from, stores);
  assert.ok(versioned !== null);
  const read = async (): Promise<Material> => (await source.read(from, stores)).material;
  let material = await read();
  const minter: Minter<'oauth2'> = createOAuth2(
    createRotation({ monotonicMs: () => performance.now() + pod.monotonicMs, pollMs: 100 }),
  );
  const pod: Pod = {
    wallMs: options.wallMs ?? 0,
    monotonicMs: 0,
    versioned: between(versioned),
    mint: async (asked = inject) => {
      minter.check(asked, material);
      return minter.mint(asked, {
        ...caller,
        material,
        nowMs: () => Date.now() + pod.wallMs,
        versioned: pod.versioned,
      });
    },
    reread: async () => {
      material = await read();
    },
  };
  return pod;
}

function startPods(count: number, optionsOf: (index: number) => PodOptions = () => ({})): Promise<Pod[]> {
  return Promise.all(Array.from({ length: count }, (_, index) => startPod(optionsOf(index))));
}

function pass(pod: Pod, ms: number): void {
  pod.wallMs += ms;
  pod.monotonicMs += ms;
}

describe('refused', () => {
  test('by Vault’s policy, before the refresh token is used', async () => {
    const pod = await startPod({ role: 'reader' });
    const expected = { code: 'VAULT_WRITE_DENIED', field: 'spec.source.vault.kv.path' };
    await assertFails(() => pod.mint(), expected, Object.values(await stored()));
    assert.deepEqual(server.seen, []);
  });

  test('by the provider, and the claim is given up', async () => {
    server.answer = () => refused('invalid_grant');
    const pod = await startPod();
    const expected = { code: 'MINT_REFUSED', field, message: /invalid_grant/ };
    await assertFails(() => pod.mint(), expected, Object.values(await stored()));
    assert.deepEqual(Object.keys(await stored()).toSorted(), ['note', 'refresh_token']);
  });

  test('by the provider, which is not asked again with the same refresh token for minutes', async () => {
    server.answer = () => refused('invalid_grant');
    const pod = await startPod();
    const expected = { code: 'MINT_REFUSED', field, message: /invalid_grant/ };
    for (let time = 0; time < 3; time += 1) await assertFails(() => pod.mint(), expected);
    assert.equal(server.seen.length, 1);
    pass(pod, 301_000);
    await assertFails(() => pod.mint(), expected);
    assert.equal(server.seen.length, 2);
    server.answer = idp.answer;
    await store({ refresh_token: idp.consent({ rotates: true }) });
    assert.ok(idp.issued.has(tokenOf(await pod.mint())));
  });

  test('while another pod holds its claim, and no longer', async () => {
    const until = new Date(Date.now() + 30_000).toISOString();
    await store({ ...(await stored()), outrider_claim: `another ${until}` });
    const pod = await startPod();
    await assertFails(() => pod.mint(), { code: 'REFRESH_TOKEN_BUSY', field });
    assert.deepEqual(server.seen, []);
    pass(pod, 45_000);
    assert.ok(idp.issued.has(tokenOf(await pod.mint())));
  });

  test('while another pod holds its claim, however far ahead that one’s clock is', async () => {
    const until = new Date(Date.now() + 86_400_000).toISOString();
    await store({ ...(await stored()), outrider_claim: `another ${until}` });
    const pod = await startPod();
    await assertFails(() => pod.mint(), { code: 'REFRESH_TOKEN_BUSY', field });
    pass(pod, 45_000);
    assert.ok(idp.issued.has(tokenOf(await pod.mint())));
  });

  test('to a pod that slept since it wrote its claim', async () => {
    const pod = await startPod({
      between: (versioned) => ({
        ...versioned,
        swap: async (version, fields) => {
          const written = await versioned.swap(version, fields);
          pod.wallMs += 20_000;
          return written;
        },
      }),
    });
    await assertFails(() => pod.mint(), { code: 'REFRESH_TOKEN_BUSY', field });
    assert.deepEqual(server.seen, []);
    assert.equal((await stored())['outrider_claim'], undefined);
  });

  test('where the secret has lost its refresh token', async () => {
    const pod = await startPod();
    await store({ note: 'of its owner' });
    await assertFails(() => pod.mint(), { code: 'SECRET_PART_MISSING', field: 'spec.inject.oauth2' });
    assert.deepEqual(Object.keys(await stored()), ['note']);
  });
});

describe('a new refresh token', () => {
  test('is written back with the access token, and the rest is kept', async () => {
    const before = await stored();
    const minted = await (await startPod()).mint();
    const { refresh_token: next, outrider_expires_at: endsAt = '', ...rest } = await stored();
    assert.notEqual(next, before['refresh_token']);
    assert.deepEqual(rest, {
      note: 'of its owner',
      outrider_access_token: tokenOf(minted),
      outrider_access_token_for: JSON.stringify([{ url }, [], []]),
    });
    assert.ok(Math.abs(Date.parse(endsAt) - Date.now() - 3_540_000) < 10_000, endsAt);
  });

  test('is written where the injection says that it is', async () => {
    await store({ rt: idp.consent({ rotates: true }), id: 'crm', refreshToken: 'of something else' });
    const pod = await startPod({ kv: { fields: ['rt', 'id'] } });
    const asked: OAuth2Inject = {
      ...inject,
      grant: { kind: 'refreshToken', authentication: 'Post', rotating: true },
      fields: { refreshToken: 'rt', clientId: 'id' },
    };
    const { rt } = await stored();
    await pod.mint(asked);
    const now = await stored();
    assert.notEqual(now['rt'], rt);
    assert.equal(now['refreshToken'], 'of something else');
  });

  test('stays in memory while it cannot be written, and is written before anything else', async () => {
    const pod = await startPod();
    const before = await stored();
    server.answer = async (call) => {
      const answer = await idp.answer(call);
      await tenant.allow('crm', 'path "secret/data/oauth/*" { capabilities = ["read"] }');
      return answer;
    };
    await assertFails(() => pod.mint(), { code: 'REFRESH_TOKEN_UNSAVED', field }, [
      ...Object.values(before),
      ...idp.issued.keys(),
    ]);
    await assertFails(() => pod.mint(), { code: 'REFRESH_TOKEN_UNSAVED', field });
    assert.equal((await stored())['refresh_token'], before['refresh_token']);
    await tenant.allow('crm', writing);
    const minted = await pod.mint();
    assert.ok(idp.issued.has(tokenOf(minted)));
    assert.equal(idp.refreshes(), 1, 'the provider is asked once');
    assert.notEqual((await stored())['refresh_token'], before['refresh_token']);
    assert.equal((await stored())['outrider_claim'], undefined);
    server.answer = idp.answer;
    const other = await startPod();
    pass(other, 7_200_000);
    await other.mint();
    assert.equal(idp.reuses(), 0);
  });

  test('gives way to one that its owner has stored meanwhile', async () => {
    const pod = await startPod();
    server.answer = async (call) => {
      const answer = await idp.answer(call);
      await store({ refresh_token: idp.consent({ rotates: true }) });
      server.answer = idp.answer;
      return answer;
    };
    const minted = await pod.mint();
    assert.equal(idp.refreshes(), 2);
    assert.equal((await stored())['outrider_access_token'], tokenOf(minted));
    assert.equal(idp.reuses(), 0);
  });

  test('is kept when somebody changes another field meanwhile', async () => {
    const pod = await startPod();
    server.answer = async (call) => {
      const answer = await idp.answer(call);
      await store({ ...(await stored()), note: 'changed' });
      return answer;
    };
    await pod.mint();
    assert.equal((await stored())['note'], 'changed');
    assert.equal(idp.refreshes(), 1);
    assert.ok((await stored())['outrider_access_token'] !== undefined);
  });

  for (const lost of ['claim', 'token'] as const) {
    test(`is not lost with the answer to the writing of the ${lost}`, async () => {
      let losses = 0;
      const pod = await startPod({
        between: (versioned) => ({
          ...versioned,
          swap: async (version, fields) => {
            const written = await versioned.swap(version, fields);
            if (losses > 0 || (fields['outrider_claim'] === null) !== (lost === 'token')) return written;
            losses += 1;
            throw Object.assign(new Error('canary'), { code: 'VAULT_UNREACHABLE' });
          },
        }),
      });
      const minted = await pod.mint().catch(() => pod.mint());
      assert.equal(losses, 1);
      assert.equal((await stored())['outrider_access_token'], tokenOf(minted));
      assert.equal(idp.refreshes(), 1);
      assert.equal(idp.reuses(), 0);
    });
  }
});

describe('an access token in the secret', () => {
  test('is taken by pods that start later, until it ends', async () => {
    const minted = await (await startPod()).mint();
    const later = await startPod();
    pass(later, 1_000_000);
    const taken = await later.mint();
    assert.equal(tokenOf(taken), tokenOf(minted));
    assert.ok(Math.abs(taken.lifetimeMs - 2_540_000) < 10_000, String(taken.lifetimeMs));
    pass(later, 2_537_000);
    assert.notEqual(tokenOf(await later.mint()), tokenOf(minted));
  });

  test('is taken for a day at most, whatever the secret says', async () => {
    await (await startPod()).mint();
    await store({ ...(await stored()), outrider_expires_at: '9999-01-01T00:00:00Z' });
    assert.equal((await (await startPod()).mint()).lifetimeMs, 86_400_000);
  });

  test('is not taken for other scopes', async () => {
    const minted = await (await startPod()).mint({ ...inject, scopes: ['read', 'write'] });
    const narrow = await (await startPod()).mint({ ...inject, scopes: ['read'] });
    assert.notEqual(tokenOf(narrow), tokenOf(minted));
    assert.equal(idp.issued.get(tokenOf(narrow)), 'read');
  });

  test('P-20: is replaced when the same pod asks again, but not at once', async () => {
    const pod = await startPod();
    const first = tokenOf(await pod.mint());
    assert.equal(tokenOf(await pod.mint()), first);
    pass(pod, 31_000);
    const second = tokenOf(await pod.mint());
    assert.notEqual(second, first);
    pass(pod, 31_000);
    await pod.reread();
    assert.equal(tokenOf(await pod.mint()), second, 'the secret has changed, and that is all');
    assert.notEqual(tokenOf(await pod.mint()), second);
    assert.equal(idp.reuses(), 0);
  });
});

describe('ten pods at once', () => {
  test('never show a used refresh token, wave after wave, with clocks that differ by up to a minute', async () => {
    const pods = await startPods(10, (index) => ({ wallMs: (index - 5) * 6000 }));
    for (let wave = 1; wave <= 4; wave += 1) {
      const tokens = (await Promise.all(pods.map((pod) => pod.mint()))).map(tokenOf);
      assert.equal(new Set(tokens).size, 1);
      assert.equal(idp.refreshes(), wave);
      for (const pod of pods) pass(pod, 3_600_000);
    }
    assert.equal(idp.reuses(), 0);
    assert.equal((await stored())['outrider_claim'], undefined);
  });

  test('never do so either when one of them dies with the claim', async () => {
    const [dying, ...others] = await startPods(10, (index) =>
      index > 0
        ? {}
        : {
            between: (versioned) => ({
              ...versioned,
              swap: async (version, fields) => {
                await versioned.swap(version, fields);
                throw new Error('dead');
              },
            }),
          },
    );
    // Its claim is in the secret, and it never says anything again.
    await assert.rejects(dying?.mint() ?? Promise.resolve());
    assert.notEqual((await stored())['outrider_claim'], undefined);
    const waiting = await Promise.allSettled(others.map((pod) => pod.mint()));
    assert.ok(waiting.every(({ status }) => status === 'rejected'));
    for (const pod of others) pass(pod, 45_000);
    const tokens = (await Promise.all(others.map((pod) => pod.mint()))).map(tokenOf);
    assert.equal(new Set(tokens).size, 1);
    assert.deepEqual([idp.refreshes(), idp.reuses()], [1, 0]);
  });

  test('of one sidecar ask once', async () => {
    const pod = await startPod();
    const tokens = (await Promise.all(Array.from({ length: 10 }, () => pod.mint()))).map(tokenOf);
    assert.equal(new Set(tokens).size, 1);
    assert.equal(server.seen.length, 1);
  });
});
