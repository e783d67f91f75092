// A secret that lies in Vault, an agent that goes on asking, and whatever can become of Vault meanwhile: each answer is a
// good one or a refusal that names why, and all is well again by itself.

import assert from 'node:assert/strict';
import { writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { after, afterEach, before, beforeEach, describe, test, type TestContext } from 'node:test';
import { setTimeout as sleep } from 'node:timers/promises';
import { storeTokenFile } from '../../../policy/contract.ts';
import { startDurableVault, type DurableVault } from '../../cluster/vault-durable.ts';
import { waitFor } from '../../cluster/deadline.ts';
import { createTestCa, startOrigin, type Origin, type TestCa } from '../proxy/origin.ts';
import { withSteadyAgent, type SteadyAgent } from './steady-agent.ts';
import { mostPerSecond, startVaultFront, type VaultFront } from './vault-front.ts';
import { createTenant, type VaultTenant } from './vault-tenant.ts';

const path = 'secret/data/agents/tracker';
const policy = `path "${path}" { capabilities = ["read"] }`;
const refreshIntervalMs = 3000;
/** How long an answer of Vault's is good for after it was seen to be given, with time for a busy machine. */
const graceMs = 2000;
const observedMs = 3000;

let vault: DurableVault;
let tenant: VaultTenant;
let ca: TestCa;
let origin: Origin;
let front: VaultFront;
let accepted = '';
let versions = 0;

before(async () => {
  [vault, ca] = await Promise.all([startDurableVault(), createTestCa()]);
  tenant = await createTenant(vault);
  await tenant.allow('tracker', policy);
  // The engine of version 2 upgrades itself after it is mounted.
  await waitFor({ what: 'the KV engine', timeoutMs: 10_000 }, () => rotate().then(() => true));
  origin = await startOrigin(ca, {
    answer: (message, response) => {
      const isGood = message.headers.authorization === `Bearer ${accepted}`;
      response.writeHead(isGood ? 200 : 401).end();
    },
  });
});
after(async () => {
  await origin?.close();
  await vault?.stop();
  tenant?.remove();
  ca?.close();
});
beforeEach(async () => {
  front = await startVaultFront(ca, tenant.store);
});
afterEach(() => front?.stop());

async function rotate(): Promise<void> {
  versions += 1;
  await vault.request('POST', path, { data: { token: `canary-${versions}` } });
  accepted = `canary-${versions}`;
}

interface Chaos {
  readonly agent: SteadyAgent;
  /** Has the provider's clock go on, as if the pod were that much older. */
  readonly skip: (ms: number) => void;
}

async function chaos(
  t: TestContext,
  work: (chaos: Chaos) => Promise<void>,
  clocks: { readonly wallMs?: () => number } = {},
): Promise<void> {
  let skippedMs = 0;
  const provider = tenant.provider({ timeoutMs: 2000, now: () => performance.now() + skippedMs });
  const options = {
    ca,
    origin,
    stores: { corp: front.store },
    credential: {
      source: {
        kind: 'vault' as const,
        store: 'corp',
        role: 'tracker',
        kv: { mount: 'secret', path: 'agents/tracker', version: 2 as const, field: 'token' },
      },
      inject: { kind: 'bearer' as const },
      refreshIntervalMs,
    },
    providers: { vault: provider },
    clocks,
  };
  await withSteadyAgent(options, async (agent) => {
    await work({ agent, skip: (ms) => (skippedMs += ms) });
    t.diagnostic(`${agent.figures()}; ${front.calls.length} calls to Vault, ${reads().length} of them reads`);
  });
}

const reads = () => front.calls.filter((call) => call.path === path);

/** Breaks Vault just after it was read, so that the value still lives for a while; mends it when that is over. */
async function outage(
  { agent }: Chaos,
  codes: string,
  breaking: () => Promise<unknown>,
  mending: () => Promise<unknown>,
): Promise<void> {
  await front.answered(path);
  const brokenAtMs = performance.now();
  let [refusedAtMs, mendedAtMs] = [0, 0];
  try {
    await breaking();
    await agent.until(new RegExp(`^(?:${codes})$`));
    refusedAtMs = performance.now();
    await sleep(observedMs);
  } finally {
    mendedAtMs = performance.now();
    await mending();
  }
  await agent.until('good');
  const recoveredAtMs = performance.now();
  await sleep(1500);
  agent.assertGood(brokenAtMs, brokenAtMs + graceMs);
  agent.assertGood(recoveredAtMs);
  agent.assertSound(codes.split('|'));
  // However many requests were refused: tries again, logins and looks at its health count as well.
  const asked = front.calls.filter(({ atMs }) => atMs > refusedAtMs && atMs < mendedAtMs);
  assert.ok(asked.length <= Math.ceil((mendedAtMs - refusedAtMs) / 1000), `${asked.length} calls`);
}

describe('P-21: an agent’s view of Vault', () => {
  test('sealed and unsealed', (t) =>
    chaos(t, (scene) =>
      outage(
        scene,
        'VAULT_SEALED|VAULT_UNAVAILABLE',
        () => vault.request('PUT', 'sys/seal'),
        () => vault.unseal(),
      ),
    ));

  test('killed, started again and unsealed', (t) =>
    chaos(t, (scene) =>
      outage(
        scene,
        'VAULT_UNREACHABLE|VAULT_SEALED|VAULT_UNAVAILABLE',
        () => vault.kill(),
        async () => {
          await vault.start();
          await vault.unseal();
        },
      ),
    ));

  test('frozen, then not', (t) =>
    chaos(t, (scene) =>
      outage(
        scene,
        'VAULT_UNREACHABLE',
        async () => vault.freeze(),
        async () => vault.thaw(),
      ),
    ));

  test('behind a black hole, then not', (t) =>
    chaos(t, (scene) =>
      outage(
        scene,
        'VAULT_UNREACHABLE',
        async () => (front.delayMs = Infinity),
        async () => (front.delayMs = 0),
      ),
    ));

  test('with 403 after a policy change, until the policy is back', (t) =>
    chaos(t, (scene) =>
      outage(
        scene,
        'VAULT_PERMISSION_DENIED',
        () => vault.request('PUT', 'sys/policies/acl/tracker', { policy: policy.replace('read', 'deny') }),
        () => vault.request('PUT', 'sys/policies/acl/tracker', { policy }),
      ),
    ));

  test('with a role that is gone, until it is back', (t) =>
    chaos(t, (scene) =>
      outage(
        scene,
        'VAULT_LOGIN_REFUSED',
        async () => {
          await vault.request('DELETE', 'auth/jwt/role/tracker');
          scene.skip(3_600_000);
        },
        () => tenant.allow('tracker', policy),
      ),
    ));

  test('with a token in the pod that has expired, until the kubelet writes another', async (t) => {
    const file = join(tenant.tokensDirectory, storeTokenFile('corp'));
    const good = await tenant.jwt(3600);
    const expired = await tenant.jwt(-3600);
    await chaos(t, (scene) =>
      outage(
        scene,
        'VAULT_LOGIN_REFUSED',
        async () => {
          writeFileSync(file, expired);
          scene.skip(3_600_000);
        },
        async () => writeFileSync(file, good),
      ),
    );
  });

  test('slow: nothing is noticed', (t) =>
    chaos(t, async ({ agent }) => {
      front.delayMs = 500;
      const fromMs = performance.now();
      await sleep(5000);
      agent.assertGood(fromMs);
      assert.ok(reads().length >= 2, `${reads().length} reads`);
    }));

  test('with its own token expired, or revoked by an operator: nothing is noticed', (t) =>
    chaos(t, async ({ agent, skip }) => {
      for (let round = 0; round < 2; round += 1) {
        // Denials log in again only where the login is older than ten seconds.
        skip(10_001);
        const { data } = await vault.request('GET', 'auth/token/accessors?list=true');
        for (const accessor of (data?.['keys'] ?? []) as string[]) {
          const looked = await vault.request('POST', 'auth/token/lookup-accessor', { accessor });
          if (String(looked.data?.['path']).startsWith('auth/jwt'))
            await vault.request('POST', 'auth/token/revoke-accessor', { accessor });
        }
        await front.answered('auth/jwt/login');
        await front.answered(path);
      }
      agent.assertGood();
    }));

  test('from a pod whose clock is two days off, and then two years: nothing is noticed', async (t) => {
    let skewMs = 2 * 86_400_000;
    await chaos(
      t,
      async ({ agent }) => {
        await front.answered(path);
        skewMs = -730 * 86_400_000;
        await front.answered(path);
        agent.assertGood();
      },
      { wallMs: () => Date.now() + skewMs },
    );
  });
});

describe('P-20: an agent’s view of a rotation', () => {
  test('one after another, each with the old value refused at once: no request fails, and Vault is asked at most once a second', (t) =>
    chaos(t, async ({ agent }) => {
      for (let rotation = 0; rotation < 3; rotation += 1) {
        await sleep(5200);
        await rotate();
        await agent.until('good', 3);
      }
      agent.assertGood();
      assert.ok(mostPerSecond(reads()) <= 1, `${mostPerSecond(reads())} reads in one second`);
    }));

  test('while Vault is sealed: refused by name, although the old value lives, then good', (t) =>
    chaos(t, async ({ agent }) => {
      await front.answered(path);
      try {
        await vault.request('PUT', 'sys/seal');
        accepted = 'not yet in Vault';
        await agent.until('VAULT_SEALED');
      } finally {
        await vault.unseal();
      }
      await rotate();
      await agent.until('good');
      agent.assertSound(['VAULT_SEALED', 'VAULT_UNAVAILABLE']);
    }));
});
