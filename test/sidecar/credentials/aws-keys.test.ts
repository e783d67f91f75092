import assert from 'node:assert/strict';
import { once } from 'node:events';
import { rmSync } from 'node:fs';
import { createServer, type IncomingHttpHeaders } from 'node:http';
import type { AddressInfo } from 'node:net';
import { join } from 'node:path';
import { after, before, beforeEach, describe, test } from 'node:test';
import type { AwsStore } from '../../../policy/ruleset-credential.ts';
import { assertFails, canary, source, startAwsScene, user, valueOf, type AwsScene } from './aws-scene.ts';

const role = (name: string): string => `arn:aws:iam::123456789012:role/${name}`;
const agents = role('outrider-agents');
const reader = role('stripe-reader');
const byUser = role('by-user');

const staticKeys = 'spec.awsSecretsManager.auth.staticKeys.secret';
const podIdentity = 'spec.awsSecretsManager.auth.podIdentity';

let scene: AwsScene;

before(async () => {
  scene = await startAwsScene({ roles: { [reader]: { principal: agents }, [byUser]: { principal: user } } });
  await scene.moto.request('CreateSecret', { Name: 'agents/stripe', SecretString: canary });
});
after(() => scene?.stop());

beforeEach(() => {
  scene.front.readers.clear();
  for (const principal of [agents, reader, user]) scene.front.readers.add(principal);
});

describe('static keys', () => {
  const files = (more: Record<string, string>): AwsStore => {
    scene.writeKeys('keys', more);
    return { ...scene.store, auth: { kind: 'staticKeys', secret: 'keys' } };
  };
  test('no volume, no file, an empty one and one with a line end in it are refused', async () => {
    const fails = (at: AwsStore, code: string, options = {}): Promise<void> =>
      scene.withProvider((provider) => assertFails(valueOf(provider, source, at), code, staticKeys), options);
    await fails(scene.store, 'VOLUME_MISSING', { secretsDirectory: null });
    await fails({ ...scene.store, auth: { kind: 'staticKeys', secret: 'absent' } }, 'FILE_NOT_FOUND');
    await fails(files({ 'access-key-id': '\n', 'secret-access-key': canary }), 'SECRET_EMPTY');
    await fails(files({ 'access-key-id': 'a', 'secret-access-key': 'b\nc' }), 'SECRET_UNPRINTABLE');
  });

  test('keys that AWS does not know, or with another’s secret, are refused', async () => {
    const known = scene.front.sts.ring.add(user);
    for (const keys of [
      { 'access-key-id': 'AKIAUNKNOWN', 'secret-access-key': canary },
      { 'access-key-id': known.accessKeyId, 'secret-access-key': canary },
    ]) {
      await scene.withProvider((provider) =>
        assertFails(valueOf(provider, source, files(keys)), 'AWS_KEYS_REFUSED', staticKeys),
      );
      await scene.withProvider((provider) =>
        assertFails(
          valueOf(provider, { ...source, roleArn: byUser }, files(keys)),
          'AWS_KEYS_REFUSED',
          staticKeys,
        ),
      );
    }
  });

  test('P-22: they are read anew, with and without a session', async () => {
    const ring = scene.front.sts.ring;
    const [first, session] = [ring.add(user), ring.issue(user, 60_000)];
    const at = files({ 'access-key-id': first.accessKeyId, 'secret-access-key': first.secretAccessKey });
    await scene.withProvider(async (provider) => {
      assert.equal(await valueOf(provider, source, at), canary);
      ring.revoke(first.accessKeyId);
      files({
        'access-key-id': session.accessKeyId,
        'secret-access-key': session.secretAccessKey,
        'session-token': session.sessionToken ?? '',
      });
      assert.equal(await valueOf(provider, source, at), canary);
    });
    rmSync(join(scene.secrets, 'secret.keys', 'session-token'));
  });
});

describe('K-06: EKS Pod Identity', () => {
  const byPod = (): AwsStore => ({ ...scene.store, auth: { kind: 'podIdentity' } });

  test('is refused to an agent that is not captured, before anything is sent', async () => {
    await withAgent({}, async ({ endpoint, seen }) => {
      await scene.withProvider(
        (provider) =>
          assertFails(valueOf(provider, source, byPod()), 'POD_IDENTITY_NEEDS_CAPTURE', podIdentity),
        { podIdentityEndpoint: endpoint },
      );
      assert.equal(seen.length, 0);
    });
  });

  const refusals: Record<string, [answer: AgentAnswer, code: string]> = {
    'without an association': [{ status: 400 }, 'POD_IDENTITY_REFUSED'],
    'that is throttled': [{ status: 429 }, 'AWS_THROTTLED'],
    'that is out of order': [{ status: 500 }, 'AWS_UNAVAILABLE'],
    'whose answer is no JSON': [{ body: '<html>canary' }, 'AWS_ANSWER_UNREADABLE'],
    'whose answer is null': [{ body: 'null' }, 'AWS_ANSWER_UNREADABLE'],
    'whose keys have expired': [{ lifeMs: -2000 }, 'AWS_ANSWER_UNREADABLE'],
  };
  for (const [sentence, [answer, code]] of Object.entries(refusals)) {
    test(`T-07: one ${sentence} is refused`, () =>
      withAgent(answer, async ({ endpoint }) => {
        scene.writePodIdentityToken('corp-aws', 'pod-token');
        await scene.withProvider(
          (provider) => assertFails(valueOf(provider, source, byPod()), code, podIdentity),
          { level: 'captured', podIdentityEndpoint: endpoint },
        );
      }));
  }

  test('one that does not answer is refused', () =>
    scene.withProvider(
      (provider) => assertFails(valueOf(provider, source, byPod()), 'POD_IDENTITY_UNREACHABLE', podIdentity),
      { level: 'captured', podIdentityEndpoint: 'http://127.0.0.1:9/v1/credentials', timeoutMs: 1000 },
    ));

  test('gives its role for the token in its own file, once for its life, however wrong our clock is', () =>
    withAgent({ lifeMs: 6 * 3_600_000, clockOffsetMs: -86_400_000 }, async ({ endpoint, seen }) => {
      let nowMs = 0;
      scene.writePodIdentityToken('corp-aws', 'pod-token\n');
      await scene.withProvider(
        async (provider) => {
          assert.equal(await valueOf(provider, source, byPod()), canary);
          nowMs = 3 * 3_600_000;
          assert.equal(await valueOf(provider, source, byPod()), canary);
          assert.equal(seen.length, 1);
          assert.equal(seen[0]?.authorization, 'pod-token');
          nowMs = 4 * 3_600_000 + 1;
          assert.equal(await valueOf(provider, source, byPod()), canary);
          assert.equal(seen.length, 2);
        },
        { level: 'captured', podIdentityEndpoint: endpoint, now: () => nowMs },
      );
    }));

  test('and roles by way of it', () =>
    withAgent({}, async ({ endpoint }) => {
      scene.writePodIdentityToken('corp-aws', 'pod-token');
      scene.front.readers.delete(agents);
      await scene.withProvider(
        async (provider) => {
          assert.equal(await valueOf(provider, { ...source, roleArn: reader }, byPod()), canary);
        },
        { level: 'captured', podIdentityEndpoint: endpoint },
      );
    }));
});

interface AgentAnswer {
  readonly status?: number;
  readonly body?: string;
  readonly lifeMs?: number;
  readonly clockOffsetMs?: number;
}

/** The EKS Pod Identity agent, as https://docs.aws.amazon.com/eks/latest/userguide/pod-id-how-it-works.html has it. */
async function withAgent(
  { status = 200, body, lifeMs = 3_600_000, clockOffsetMs = 0 }: AgentAnswer,
  work: (agent: { readonly endpoint: string; readonly seen: IncomingHttpHeaders[] }) => Promise<void>,
): Promise<void> {
  const seen: IncomingHttpHeaders[] = [];
  const server = createServer((request, response) => {
    seen.push(request.headers);
    const keys = scene.front.sts.ring.issue(agents, 6 * 3_600_000);
    const theirTime = Date.now() + clockOffsetMs;
    response.writeHead(status, { date: new Date(theirTime).toUTCString() }).end(
      body ??
        JSON.stringify({
          AccessKeyId: keys.accessKeyId,
          SecretAccessKey: keys.secretAccessKey,
          Token: keys.sessionToken,
          Expiration: new Date(theirTime + lifeMs).toISOString(),
        }),
    );
  }).listen(0, '127.0.0.1');
  await once(server, 'listening');
  try {
    await work({
      endpoint: `http://127.0.0.1:${(server.address() as AddressInfo).port}/v1/credentials`,
      seen,
    });
  } finally {
    server.close();
    server.closeAllConnections();
  }
}
