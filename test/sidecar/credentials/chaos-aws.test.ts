// A secret that lies in AWS Secrets Manager, an agent that goes on asking, and whatever can become of AWS meanwhile: each
// answer is a good one or a refusal that names why, and all is well again by itself.

import assert from 'node:assert/strict';
import { generateKeyPairSync } from 'node:crypto';
import { after, afterEach, before, describe, test, type TestContext } from 'node:test';
import { setTimeout as sleep } from 'node:timers/promises';
import { exportJWK, SignJWT } from 'jose';
import type { AwsStore } from '../../../policy/ruleset-credential.ts';
import { createAwsProvider } from '../../../sidecar/credentials/aws/aws.ts';
import { waitFor } from '../../cluster/deadline.ts';
import { jsonError, type Fault } from '../../support/aws-front.ts';
import type { TrustPolicy } from '../../support/sts.ts';
import { createTestCa, startOrigin, type Origin, type TestCa } from '../proxy/origin.ts';
import { audience, source as plain, startAwsScene, user, type AwsScene } from './aws-scene.ts';
import { withSteadyAgent, type SteadyAgent } from './steady-agent.ts';

/** The stage is AWS's default; moto's is whatever was put last. */
const source = { ...plain, versionStage: 'AWSCURRENT' };
const role = 'arn:aws:iam::123456789012:role/outrider-agents';
const issuer = 'https://oidc.example.test';
const subject = 'system:serviceaccount:research:agent';
const refreshIntervalMs = 3000;
const graceMs = 2000;
const observedMs = 3000;

let scene: AwsScene;
let ca: TestCa;
let origin: Origin;
let store: AwsStore;
let accepted = '';
let versions = 0;
const roles: Record<string, TrustPolicy> = {};
const { publicKey, privateKey } = generateKeyPairSync('ec', { namedCurve: 'P-256' });

before(async () => {
  roles[role] = { web: { subject, audience } };
  const keys = { keys: [{ ...(await exportJWK(publicKey)), alg: 'ES256', kid: 'k1' }] };
  [scene, ca] = await Promise.all([startAwsScene({ roles, issuer: { url: issuer, keys } }), createTestCa()]);
  store = { ...scene.store, roleArn: role, auth: { kind: 'webIdentity' } };
  scene.front.readers.add(role);
  await scene.moto.request('CreateSecret', { Name: source.secretId, SecretString: 'canary-0' });
  accepted = 'canary-0';
  scene.writeToken(source.store, await token(3600));
  origin = await startOrigin(ca, {
    answer: (message, response) => {
      const isGood = message.headers.authorization === `Bearer ${accepted}`;
      response.writeHead(isGood ? 200 : 401).end();
    },
  });
});
after(async () => {
  await origin?.close();
  await scene?.stop();
  ca?.close();
});
afterEach(() => {
  scene.front.faults.secrets = null;
  scene.front.faults.sts = null;
  scene.front.sts.ring.clockOffsetMs = 0;
});

/** As the kubelet would write it. @param seconds from now that it is good for. */
async function token(seconds: number): Promise<string> {
  const now = Math.floor(Date.now() / 1000);
  return new SignJWT({})
    .setProtectedHeader({ alg: 'ES256', kid: 'k1' })
    .setIssuer(issuer)
    .setSubject(subject)
    .setAudience(audience)
    .setIssuedAt(now + Math.min(0, seconds - 600))
    .setExpirationTime(now + seconds)
    .sign(privateKey);
}

async function stage(text: string, ...stages: readonly string[]): Promise<string> {
  const versioned = stages.length === 0 ? {} : { VersionStages: stages };
  const put = { SecretId: source.secretId, SecretString: text, ...versioned };
  return String((await scene.moto.request('PutSecretValue', put))['VersionId']);
}

interface Chaos {
  readonly agent: SteadyAgent;
  /** Has the provider's clock go on, as if the pod were that much older. */
  readonly skip: (ms: number) => void;
}

async function chaos(t: TestContext, work: (chaos: Chaos) => Promise<void>): Promise<void> {
  const { seen } = scene.front;
  [seen.secrets.length, seen.sts.length] = [0, 0];
  let skippedMs = 0;
  const provider = createAwsProvider({
    tokensDirectory: scene.tokens,
    secretsDirectory: scene.secrets,
    level: 'cooperative',
    timeoutMs: 2000,
    now: () => performance.now() + skippedMs,
  });
  const options = {
    ca,
    origin,
    stores: { [source.store]: store },
    credential: { source, inject: { kind: 'bearer' as const }, refreshIntervalMs },
    providers: { awsSecretsManager: provider },
  };
  await withSteadyAgent(options, async (agent) => {
    await work({ agent, skip: (ms) => (skippedMs += ms) });
    const calls = `${seen.secrets.length} calls to Secrets Manager, ${seen.sts.length} to STS`;
    t.diagnostic(`${agent.figures()}; ${calls}`);
  });
}

async function nextReading(): Promise<void> {
  const { secrets } = scene.front.seen;
  const from = secrets.length;
  await waitFor({ what: 'a reading', timeoutMs: 10_000, everyMs: 5 }, async () => secrets.length > from);
  await sleep(100);
}

/** Breaks AWS just after it was read, so that the value still lives for a while; mends it when that is over. */
async function outage({ agent }: Chaos, code: string, breaking: () => unknown, mending: () => unknown) {
  const { secrets, sts } = scene.front.seen;
  const asked = (): number => secrets.length + sts.length;
  await nextReading();
  const brokenAtMs = performance.now();
  let [refusedAtMs, mendedAtMs, before_, calls] = [0, 0, 0, 0];
  try {
    await breaking();
    await agent.until(code);
    [refusedAtMs, before_] = [performance.now(), asked()];
    await sleep(observedMs);
  } finally {
    [mendedAtMs, calls] = [performance.now(), asked() - before_];
    await mending();
  }
  await agent.until('good');
  const recoveredAtMs = performance.now();
  await sleep(1500);
  agent.assertGood(brokenAtMs, brokenAtMs + graceMs);
  agent.assertGood(recoveredAtMs);
  agent.assertSound([code]);
  // However many requests were refused; the SDK's own attempts count as well.
  assert.ok(calls <= Math.ceil((mendedAtMs - refusedAtMs) / 1000), `${calls} calls`);
}

const answer = (status: number, type: string): Fault => ({ kind: 'answer', status, body: jsonError(type) });

describe('P-22: an agent’s view of Secrets Manager', () => {
  const faults: Record<string, readonly [fault: Fault, code: string]> = {
    'that throttles': [answer(400, 'ThrottlingException'), 'AWS_THROTTLED'],
    'that answers 500': [answer(500, 'InternalServiceError'), 'AWS_UNAVAILABLE'],
    'behind a black hole': [{ kind: 'silent' }, 'AWS_UNREACHABLE'],
    'too slow': [{ kind: 'slow', delayMs: 5000 }, 'AWS_UNREACHABLE'],
  };
  for (const [sentence, [fault, code]] of Object.entries(faults)) {
    test(`${sentence}, then not`, (t) =>
      chaos(t, (at) =>
        outage(
          at,
          code,
          () => (scene.front.faults.secrets = fault),
          () => (scene.front.faults.secrets = null),
        ),
      ));
  }

  test('slow: nothing is noticed', (t) =>
    chaos(t, async ({ agent }) => {
      scene.front.faults.secrets = { kind: 'slow', delayMs: 400 };
      await sleep(5000);
      agent.assertGood();
    }));

  test('that denies access, until it is allowed', (t) =>
    chaos(t, (at) =>
      outage(
        at,
        'AWS_ACCESS_DENIED',
        () => scene.front.readers.delete(role),
        () => scene.front.readers.add(role),
      ),
    ));

  test('of which the secret is deleted, until it is restored', (t) =>
    chaos(t, (at) =>
      outage(
        at,
        'AWS_SECRET_DELETED',
        () => scene.moto.request('DeleteSecret', { SecretId: source.secretId }),
        () => scene.moto.request('RestoreSecret', { SecretId: source.secretId }),
      ),
    ));

  test('whose clock is ten minutes ahead of the pod’s, and then ten behind: nothing is noticed', (t) =>
    chaos(t, async ({ agent }) => {
      for (const minutes of [10, -10]) {
        scene.front.sts.ring.clockOffsetMs = minutes * 60_000;
        await nextReading();
        await nextReading();
      }
      agent.assertGood();
    }));
});

describe('P-22: an agent’s view of STS', () => {
  test('that ended the session early: nothing is noticed', (t) =>
    chaos(t, async ({ agent, skip }) => {
      await nextReading();
      // A refusal of keys logs in again only where they are older than ten seconds.
      skip(10_001);
      for (const keys of scene.front.sts.ring.all()) {
        if (keys.principal === role) keys.expiresAtMs = Date.now() - 1;
      }
      await nextReading();
      await nextReading();
      agent.assertGood();
      assert.equal(scene.front.seen.sts.length, 2);
    }));

  test('that is away while the session lives: nothing is noticed', (t) =>
    chaos(t, async ({ agent, skip }) => {
      skip(2_500_000);
      scene.front.faults.sts = answer(503, 'ServiceUnavailable');
      for (let reading = 0; reading < 2; reading += 1) await nextReading();
      agent.assertGood();
      assert.ok(scene.front.seen.sts.length > 1, 'it was asked');
    }));

  test('that is away when the session has ended, until it is back', (t) =>
    chaos(t, (at) =>
      outage(
        at,
        'AWS_UNAVAILABLE',
        () => {
          at.skip(3_600_001);
          scene.front.faults.sts = answer(503, 'ServiceUnavailable');
        },
        () => (scene.front.faults.sts = null),
      ),
    ));

  test('with a token in the pod that has expired, until the kubelet writes another', (t) =>
    chaos(t, (at) =>
      outage(
        at,
        'AWS_LOGIN_REFUSED',
        async () => {
          scene.writeToken(source.store, await token(-60));
          at.skip(3_600_001);
        },
        async () => scene.writeToken(source.store, await token(3600)),
      ),
    ));

  test('that does not trust the pod, until it does', (t) =>
    chaos(t, (at) =>
      outage(
        at,
        'AWS_LOGIN_REFUSED',
        () => {
          roles[role] = { principal: user };
          at.skip(3_600_001);
        },
        () => (roles[role] = { web: { subject, audience } }),
      ),
    ));
});

describe('P-20, P-22: an agent’s view of a rotation in Secrets Manager', () => {
  test('staged as AWSPENDING, then made AWSCURRENT while the upstream refuses the old value: no request fails', (t) =>
    chaos(t, async ({ agent }) => {
      for (let rotation = 0; rotation < 2; rotation += 1) {
        versions += 1;
        const next = `canary-${versions}`;
        const versionId = await stage(next, 'AWSPENDING');
        await nextReading();
        await sleep(2500);
        agent.assertGood();
        const { VersionIdsToStages: stages } = await scene.moto.request('DescribeSecret', {
          SecretId: source.secretId,
        });
        const [current] = Object.entries(stages as Record<string, readonly string[]>).find(([, names]) =>
          names.includes('AWSCURRENT'),
        ) ?? [''];
        await scene.moto.request('UpdateSecretVersionStage', {
          SecretId: source.secretId,
          VersionStage: 'AWSCURRENT',
          MoveToVersionId: versionId,
          RemoveFromVersionId: current,
        });
        accepted = next;
        await agent.until('good');
      }
      agent.assertGood();
    }));
});
