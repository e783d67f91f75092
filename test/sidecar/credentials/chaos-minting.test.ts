// A secret in Vault that is exchanged for tokens, an agent that goes on asking, and whatever can become of the endpoint
// that mints them: each answer is a good one or a refusal that names why, and all is well again by itself.

import assert from 'node:assert/strict';
import { generateKeyPairSync } from 'node:crypto';
import { after, afterEach, before, beforeEach, describe, test, type TestContext } from 'node:test';
import { setTimeout as sleep } from 'node:timers/promises';
import type { RulesetInject } from '../../../policy/ruleset-credential.ts';
import { startVault, type Vault } from '../../cluster/vault.ts';
import { createTestCa, startOrigin, type Origin, type TestCa } from '../proxy/origin.ts';
import { createMintingUpstream, type MintingFault } from './minting-upstream.ts';
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
const upstream = createMintingUpstream(expiresIn);
const { mints } = upstream;

before(async () => {
  [vault, ca] = await Promise.all([startVault(), createTestCa()]);
  tenant = await createTenant(vault);
  await tenant.allow('client', `path "${secretPath}" { capabilities = ["read"] }`);
  origin = await startOrigin(ca, { answer: upstream.answer });
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
  [upstream.fault, upstream.delayMs] = [null, 0];
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

/** Breaks what mints just after it has, so that the token still lives for a while; mends it when that is over. */
async function outage(
  agent: SteadyAgent,
  code: string,
  breaking: () => unknown,
  mending: () => unknown,
): Promise<void> {
  await upstream.minted();
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
    upstream.trustClient('canary-client');
  });

  const unavailable = { status: 503, body: { error: 'canary' } };
  const faults: Record<string, readonly [fault: MintingFault, code: string]> = {
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
          () => (upstream.fault = given),
          () => (upstream.fault = null),
        ),
      ));
  }

  test('slow: nothing is noticed', (t) =>
    chaos(t, {}, async (agent) => {
      upstream.delayMs = 400;
      await upstream.minted();
      await upstream.minted();
      agent.assertGood();
    }));

  test('that takes its tokens back: another is minted, and no request fails', (t) =>
    chaos(t, {}, async (agent) => {
      await sleep(2000);
      upstream.takeBack();
      upstream.trustClient('canary-client');
      await upstream.minted();
      await agent.until('good');
      agent.assertGood();
    }));
});

describe('P-20: an agent’s view of a rotated client secret', () => {
  let round = 0;
  beforeEach(async () => {
    round += 1;
    await store(`canary-client-${round}`);
    upstream.trustClient(`canary-client-${round}`);
  });

  test('that is in Vault by the time the endpoint refuses the old one: no request fails, by one more reading', (t) =>
    chaos(t, { mostMints: 2 }, async (agent) => {
      await store('canary-rotated');
      upstream.trustClient('canary-rotated');
      const before_ = readings();
      await upstream.minted();
      await sleep(2500);
      await upstream.minted();
      agent.assertGood();
      assert.equal(readings() - before_, 1);
    }));

  test('with its tokens taken back at once: no request fails', (t) =>
    chaos(t, { mostMints: 2 }, async (agent) => {
      await sleep(2000);
      upstream.takeBack();
      await store('canary-taken-back');
      upstream.trustClient('canary-taken-back');
      await upstream.minted();
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
        () => upstream.trustClient('canary-later'),
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
    upstream.trustApp(keys[0]?.publicKey ?? '');
  });

  test('whose key is rotated: no request fails, by one more reading', (t) =>
    chaos(t, { inject: githubInject, mostMints: 2 }, async (agent) => {
      await store(keys[1]?.privateKey ?? '');
      upstream.trustApp(keys[1]?.publicKey ?? '');
      const before_ = readings();
      await upstream.minted();
      await sleep(2500);
      await upstream.minted();
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
