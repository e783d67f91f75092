// A secret in Vault that is exchanged for tokens, an agent that goes on asking, and whatever can become of the endpoint
// that mints them: each answer is a good one or a refusal that names why, and all is well again by itself.

import assert from 'node:assert/strict';
import { generateKeyPairSync } from 'node:crypto';
import { after, afterEach, before, beforeEach, describe, test, type TestContext } from 'node:test';
import { setTimeout as sleep } from 'node:timers/promises';
import type { RulesetInject } from '../../../policy/ruleset-credential.ts';
import { startVault, type Vault } from '../../cluster/vault.ts';
import { waitFor } from '../../cluster/deadline.ts';
import { createGithubTokens } from '../../support/github-tokens.ts';
import { createOAuthProvider } from '../../support/oauth-provider.ts';
import type { TokenReply } from '../../support/token-endpoints.ts';
import { createTestCa, startOrigin, type Origin, type TestCa } from '../proxy/origin.ts';
import { withSteadyAgent, type SteadyAgent } from './steady-agent.ts';
import { mostPerSecond } from './vault-front.ts';
import { createTenant, type VaultTenant } from './vault-tenant.ts';

/** What tokens live; they are used for nine tenths of it, and replaced after three quarters of that. */
const expiresIn = 6;
const graceMs = 2500;
const observedMs = 4000;
const secretPath = 'secret/data/agents/client';

let vault: Vault & { stop(): Promise<void> };
let tenant: VaultTenant;
let ca: TestCa;
let origin: Origin;
/** What the endpoint does in place of answering. */
let fault: TokenReply | 'reset' | 'silent' | null = null;
let delayMs = 0;
/** Tokens that the upstream takes. */
let issued: Pick<ReadonlyMap<string, unknown>, 'has'> = new Set();
let mint: (call: { method: string; path: string; headers: object; body: string }) => Promise<TokenReply>;
const mints: { atMs: number }[] = [];

before(async () => {
  [vault, ca] = await Promise.all([startVault(), createTestCa()]);
  tenant = await createTenant(vault);
  await tenant.allow('client', `path "${secretPath}" { capabilities = ["read"] }`);
  origin = await startOrigin(ca, {
    answer: (message, response, body) => {
      const { method = '', url = '', headers } = message;
      if (url.startsWith('/token/')) {
        const token = String(headers.authorization).replace('Bearer ', '');
        response.writeHead(issued.has(token) ? 200 : 401).end();
        return;
      }
      mints.push({ atMs: performance.now() });
      const answer = async (): Promise<void> => {
        if (fault === 'reset') message.socket.destroy();
        if (fault === 'reset' || fault === 'silent') return;
        const reply = fault ?? (await mint({ method, path: url, headers, body }));
        await sleep(delayMs);
        response.writeHead(reply.status, { 'content-type': 'application/json' });
        response.end(JSON.stringify(reply.body));
      };
      answer().catch(() => response.destroy());
    },
  });
});
after(async () => {
  await origin?.close();
  await vault?.stop();
  tenant?.remove();
  ca?.close();
});
beforeEach(() => {
  mints.length = 0;
});
afterEach(() => {
  [fault, delayMs] = [null, 0];
});

async function store(value: string): Promise<void> {
  await vault.request('POST', secretPath, { data: { value } });
}

const readings = (): number => tenant.audited().filter(({ path }) => path === secretPath).length;

const oauthInject: RulesetInject = {
  kind: 'oauth2',
  tokenEndpoint: { destination: 'origin', path: '/mint' },
  grant: { kind: 'clientCredentials', clientId: 'robot', authentication: 'Basic' },
};
const githubInject: RulesetInject = {
  kind: 'githubApp',
  appId: '1234',
  installationId: '42',
  repositories: ['docs'],
  endpoint: { destination: 'origin', path: '/' },
};

/** The endpoint knows this client secret from now on; tokens that it gave before are good for as long as they live. */
async function trustClient(secret: string): Promise<void> {
  const provider = createOAuthProvider({
    clients: [{ id: 'robot', secret, authentication: 'Basic' }],
    expiresIn,
  });
  const before_ = issued;
  issued = { has: (token: string) => provider.issued.has(token) || before_.has(token) };
  mint = async (call) => provider.answer({ ...call, path: '/token', headers: { ...call.headers } });
}

/** An app's key by its PEM, with tokens that live as short. */
function trustApp(publicKey: string): void {
  const github = createGithubTokens({
    appId: '1234',
    publicKey,
    installations: { 42: { repositories: ['docs'], permissions: {} } },
  });
  const before_ = issued;
  issued = { has: (token: string) => github.issued.has(token) || before_.has(token) };
  mint = async (call) => {
    const reply = await github.answer({ ...call, headers: { ...call.headers } });
    const expires = new Date(Date.now() + (expiresIn + 1) * 1000).toISOString();
    return reply.status === 201
      ? { ...reply, body: { ...(reply.body as object), expires_at: expires } }
      : reply;
  };
}

interface ChaosOptions {
  readonly inject?: RulesetInject;
  readonly wallMs?: () => number;
  /** Two where a secret that is refused has another one at hand. */
  readonly mostMints?: number;
}

async function chaos(
  t: TestContext,
  { inject = oauthInject, wallMs = Date.now, mostMints = 1 }: ChaosOptions,
  work: (agent: SteadyAgent) => Promise<void>,
): Promise<void> {
  const before_ = readings();
  const options = {
    ca,
    origin,
    stores: { corp: tenant.store },
    credential: {
      source: {
        kind: 'vault' as const,
        store: 'corp',
        role: 'client',
        kv: { mount: 'secret', path: 'agents/client', version: 2 as const, field: 'value' },
      },
      inject,
      refreshIntervalMs: 300_000,
    },
    providers: { vault: tenant.provider() },
    clocks: { wallMs },
  };
  await withSteadyAgent(options, async (agent) => {
    await work(agent);
    const calls = `${mints.length} calls to the endpoint, ${readings() - before_} readings in Vault`;
    t.diagnostic(`${agent.figures()}; ${calls}`);
    assert.ok(mostPerSecond(mints) <= mostMints, `${mostPerSecond(mints)} calls in one second`);
  });
}

async function nextMint(): Promise<void> {
  const from = mints.length;
  await waitFor({ what: 'a token', timeoutMs: 10_000, everyMs: 5 }, async () => mints.length > from);
  await sleep(100);
}

/** Breaks what mints just after it has, so that the token still lives for a while; mends it when that is over. */
async function outage(
  agent: SteadyAgent,
  code: string,
  breaking: () => unknown,
  mending: () => unknown,
): Promise<void> {
  await nextMint();
  const brokenAtMs = performance.now();
  try {
    await breaking();
    await agent.until(code);
    await sleep(observedMs);
  } finally {
    await mending();
  }
  await agent.until('good');
  const recoveredAtMs = performance.now();
  await sleep(1500);
  agent.assertGood(brokenAtMs, brokenAtMs + graceMs);
  agent.assertGood(recoveredAtMs);
  agent.assertSound([code]);
}

describe('P-21: an agent’s view of a token endpoint', () => {
  before(async () => {
    await store('canary-client');
    await trustClient('canary-client');
  });

  const unavailable = { status: 503, body: { error: 'canary' } };
  const faults: Record<string, readonly [fault: NonNullable<typeof fault>, code: string]> = {
    'that answers 503': [unavailable, 'TOKEN_ENDPOINT_UNAVAILABLE'],
    'that throttles': [{ status: 429, body: 'canary' }, 'TOKEN_ENDPOINT_UNAVAILABLE'],
    'that hangs up': ['reset', 'TOKEN_ENDPOINT_UNREACHABLE'],
    'that says nothing': ['silent', 'TOKEN_ENDPOINT_UNREACHABLE'],
    'that answers with a page': [{ status: 200, body: '<html>canary' }, 'TOKEN_ENDPOINT_UNREADABLE'],
  };
  for (const [sentence, [given, code]] of Object.entries(faults)) {
    test(`${sentence}: good answers while the token lives, then refused, then good`, (t) =>
      chaos(t, {}, (agent) =>
        outage(
          agent,
          code,
          () => (fault = given),
          () => (fault = null),
        ),
      ));
  }

  test('slow: nothing is noticed', (t) =>
    chaos(t, {}, async (agent) => {
      delayMs = 400;
      await nextMint();
      await nextMint();
      agent.assertGood();
    }));

  test('that takes its tokens back: another is minted, and no request fails', (t) =>
    chaos(t, {}, async (agent) => {
      await sleep(2000);
      issued = new Set();
      await trustClient('canary-client');
      await nextMint();
      await agent.until('good');
      agent.assertGood();
    }));
});

describe('P-20: an agent’s view of a rotated client secret', () => {
  let round = 0;
  beforeEach(async () => {
    round += 1;
    await store(`canary-client-${round}`);
    await trustClient(`canary-client-${round}`);
  });

  test('that is in Vault by the time the endpoint refuses the old one: no request fails, by one more reading', (t) =>
    chaos(t, { mostMints: 2 }, async (agent) => {
      await store('canary-rotated');
      await trustClient('canary-rotated');
      const before_ = readings();
      await nextMint();
      await sleep(2500);
      await nextMint();
      agent.assertGood();
      assert.equal(readings() - before_, 1);
    }));

  test('with its tokens taken back at once: no request fails', (t) =>
    chaos(t, { mostMints: 2 }, async (agent) => {
      await sleep(2000);
      issued = new Set();
      await store('canary-taken-back');
      await trustClient('canary-taken-back');
      await nextMint();
      await agent.until('good');
      agent.assertGood();
    }));

  test('that comes to Vault later: refused meanwhile, and neither is stormed', (t) =>
    chaos(t, { mostMints: 2 }, async (agent) => {
      const before_ = readings();
      const startedAtMs = performance.now();
      await outage(
        agent,
        'MINT_REFUSED',
        () => trustClient('canary-later'),
        () => store('canary-later'),
      );
      const seconds = (performance.now() - startedAtMs) / 1000;
      assert.ok(readings() - before_ <= seconds, `${readings() - before_} readings in ${seconds} s`);
      assert.ok(mints.length <= seconds, `${mints.length} calls in ${seconds} s`);
    }));
});

describe('P-20, P-21: an agent’s view of a GitHub App', () => {
  const keys = [0, 1].map(() =>
    generateKeyPairSync('rsa', {
      modulusLength: 2048,
      publicKeyEncoding: { type: 'spki', format: 'pem' },
      privateKeyEncoding: { type: 'pkcs8', format: 'pem' },
    }),
  );
  beforeEach(async () => {
    await store(keys[0]?.privateKey ?? '');
    trustApp(keys[0]?.publicKey ?? '');
  });

  test('whose key is rotated: no request fails, by one more reading', (t) =>
    chaos(t, { inject: githubInject, mostMints: 2 }, async (agent) => {
      await store(keys[1]?.privateKey ?? '');
      trustApp(keys[1]?.publicKey ?? '');
      const before_ = readings();
      await nextMint();
      await sleep(2500);
      await nextMint();
      agent.assertGood();
      assert.equal(readings() - before_, 1);
    }));

  for (const [sentence, hours] of [
    ['an hour ahead', 1],
    ['an hour behind', -1],
  ] as const) {
    test(`from a pod whose clock is ${sentence}: refused while it is, then good`, async (t) => {
      let skewMs = 0;
      const wallMs = (): number => Date.now() + skewMs;
      await chaos(t, { inject: githubInject, wallMs }, (agent) =>
        outage(
          agent,
          'MINT_REFUSED',
          () => (skewMs = hours * 3_600_000),
          () => (skewMs = 0),
        ),
      );
    });
  }
});
