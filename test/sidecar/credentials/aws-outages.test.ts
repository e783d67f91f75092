import assert from 'node:assert/strict';
import { once } from 'node:events';
import { createServer, type AddressInfo, type Server } from 'node:net';
import { after, afterEach, before, describe, test } from 'node:test';
import type { AwsStore } from '../../../policy/ruleset-credential.ts';
import { createAuthority } from '../../cluster/certificates.ts';
import { jsonError, type Fault } from '../../support/aws-front.ts';
import { assertFails, canary, source, startAwsScene, user, valueOf, type AwsScene } from './aws-scene.ts';

const endpoint = 'spec.awsSecretsManager.endpoint';
const stsEndpoint = 'spec.awsSecretsManager.stsEndpoint';
const storeRole = 'spec.awsSecretsManager.roleArn';
const region = 'spec.awsSecretsManager.region';
const staticKeys = 'spec.awsSecretsManager.auth.staticKeys.secret';
const role = 'arn:aws:iam::123456789012:role/outrider-agents';

let scene: AwsScene;
/** Its STS knows no token; what it answers here is always a fault. */
let byToken: AwsStore;
const listening: Server[] = [];

/** What the SDK says beside its answers: a sidecar's output is decision lines. */
const said: unknown[] = [];

before(async () => {
  for (const level of ['debug', 'log', 'info', 'warn', 'error', 'trace'] as const) {
    console[level] = (...words: unknown[]) => void said.push(words);
  }
  process.on('warning', (warning) => said.push(warning));
  scene = await startAwsScene({ roles: { [role]: { principal: user } } });
  await scene.moto.request('CreateSecret', { Name: 'agents/stripe', SecretString: canary });
  scene.writeToken('corp-aws', 'no.such.token');
  byToken = { ...scene.store, roleArn: role, auth: { kind: 'webIdentity' } };
  scene.front.readers.add(role);
});
after(async () => {
  for (const server of listening) server.close();
  await scene?.stop();
});
afterEach(() => {
  scene.front.faults.secrets = null;
  scene.front.faults.sts = null;
  scene.front.sts.ring.clockOffsetMs = 0;
  scene.front.seen.secrets.length = 0;
  scene.front.seen.sts.length = 0;
});

async function fails(store: AwsStore, code: string, field: string, timeoutMs = 3000): Promise<number> {
  const start = performance.now();
  await scene.withProvider((provider) => assertFails(valueOf(provider, source, store), code, field), {
    timeoutMs,
  });
  return performance.now() - start;
}

const answer = (status: number, body: string, headers: Record<string, string> = {}): Fault => ({
  kind: 'answer',
  status,
  body,
  headers,
});

/** Accepts connections and never says a word. */
async function blackHole(): Promise<string> {
  const server = createServer((socket) => socket.unref()).listen(0, '127.0.0.1');
  await once(server, 'listening');
  server.unref();
  listening.push(server);
  return `https://127.0.0.1:${(server.address() as AddressInfo).port}`;
}

describe('P-22: an outage of Secrets Manager is a code, within bounds', () => {
  const throttling = jsonError('ThrottlingException', 'Rate exceeded');
  const faults: Record<string, [fault: Fault, code: string, requests: number]> = {
    'throttling by its code': [answer(400, throttling), 'AWS_THROTTLED', 3],
    'throttling by its status, which would have us wait an hour': [
      answer(429, throttling, { 'retry-after': '3600' }),
      'AWS_THROTTLED',
      3,
    ],
    'a defect of its own': [answer(500, jsonError('InternalServiceError')), 'AWS_UNAVAILABLE', 3],
    'a load balancer’s page': [
      answer(502, '<html>canary</html>', { 'content-type': 'text/html' }),
      'AWS_UNAVAILABLE',
      3,
    ],
    'a service that is away': [answer(503, ''), 'AWS_UNAVAILABLE', 3],
    'a page with a good status': [
      answer(200, '<html>canary</html>', { 'content-type': 'text/html' }),
      'AWS_ANSWER_UNREADABLE',
      1,
    ],
    'an answer of the wrong shape': [answer(200, '["canary"]'), 'SECRET_EMPTY', 1],
    'a number in place of the text': [answer(200, '{"SecretString":12345}'), 'AWS_ANSWER_UNREADABLE', 1],
    'text that is no Base64 in place of bytes': [
      answer(200, '{"SecretBinary":{"canary":1}}'),
      'AWS_ANSWER_UNREADABLE',
      1,
    ],
    'H-60: a redirect, which is not followed': [
      answer(307, '', { location: 'https://127.0.0.1:1/canary' }),
      'AWS_ANSWER_UNREADABLE',
      1,
    ],
    'an answer without end': [answer(200, `"${'x'.repeat(2 ** 20)}"`), 'AWS_ANSWER_UNREADABLE', 1],
    silence: [{ kind: 'silent' }, 'AWS_UNREACHABLE', 2],
    'an answer that comes too late': [{ kind: 'slow', delayMs: 1000 }, 'AWS_UNREACHABLE', 2],
  };
  for (const [sentence, [fault, code, requests]] of Object.entries(faults)) {
    test(sentence, async () => {
      scene.front.faults.secrets = fault;
      const field = code === 'SECRET_EMPTY' ? 'spec.source.awsSecretsManager' : endpoint;
      const tookMs = await fails(scene.store, code, field, 500);
      assert.equal(scene.front.seen.secrets.length, requests);
      assert.ok(tookMs < 10_000, `${tookMs} ms`);
    });
  }

  for (const [sentence, fault] of Object.entries({
    'one throttled answer': answer(400, throttling),
    'one defect': answer(500, jsonError('InternalServiceError')),
  })) {
    test(`${sentence} is waited out`, async () => {
      scene.front.faults.secrets = { ...fault, times: 1 } as Fault;
      await scene.withProvider(async (provider) => {
        assert.equal(await valueOf(provider, source, scene.store), canary);
      });
      assert.equal(scene.front.seen.secrets.length, 2);
    });
  }

  test('a port without a server', async () => {
    await fails({ ...scene.store, endpoint: 'https://127.0.0.1:9' }, 'AWS_UNREACHABLE', endpoint);
  });

  test('a black hole', async () => {
    const tookMs = await fails(
      { ...scene.store, endpoint: await blackHole() },
      'AWS_UNREACHABLE',
      endpoint,
      500,
    );
    assert.ok(tookMs < 3000, `${tookMs} ms`);
  });

  test('a service that comes back is read from at once', async () => {
    await scene.withProvider(
      async (provider) => {
        scene.front.faults.secrets = { kind: 'silent' };
        await assertFails(valueOf(provider, source, scene.store), 'AWS_UNREACHABLE', endpoint);
        scene.front.faults.secrets = null;
        assert.equal(await valueOf(provider, source, scene.store), canary);
      },
      { timeoutMs: 500 },
    );
  });
});

describe('P-22: and one of STS', () => {
  const xml = (code: string): string =>
    `<ErrorResponse xmlns="https://sts.amazonaws.com/doc/2011-06-15/"><Error><Type>Sender</Type><Code>${code}</Code><Message>canary</Message></Error><RequestId>canary</RequestId></ErrorResponse>`;
  const faults: Record<string, [fault: Fault, code: string, field: string, requests: number]> = {
    throttling: [answer(400, xml('Throttling')), 'AWS_THROTTLED', stsEndpoint, 3],
    'a service that is away': [answer(503, ''), 'AWS_UNAVAILABLE', stsEndpoint, 3],
    silence: [{ kind: 'silent' }, 'AWS_UNREACHABLE', stsEndpoint, 2],
    'an issuer that AWS cannot read': [
      answer(400, xml('IDPCommunicationError')),
      'AWS_ISSUER_UNREADABLE',
      storeRole,
      3,
    ],
    'a claim that the provider rejects': [
      answer(403, xml('IDPRejectedClaim')),
      'AWS_LOGIN_REFUSED',
      storeRole,
      1,
    ],
    'a region that is not active in the account': [
      answer(403, xml('RegionDisabledException')),
      'AWS_REGION_WRONG',
      region,
      1,
    ],
    'a malformed role': [answer(400, xml('ValidationError')), 'AWS_LOGIN_REFUSED', storeRole, 1],
    'an answer without keys': [
      answer(
        200,
        '<AssumeRoleWithWebIdentityResponse xmlns="https://sts.amazonaws.com/doc/2011-06-15/"><AssumeRoleWithWebIdentityResult/></AssumeRoleWithWebIdentityResponse>',
      ),
      'AWS_ANSWER_UNREADABLE',
      stsEndpoint,
      1,
    ],
    'a page with a good status': [answer(200, 'canary'), 'AWS_ANSWER_UNREADABLE', stsEndpoint, 1],
  };
  for (const [sentence, [fault, code, field, requests]] of Object.entries(faults)) {
    test(sentence, async () => {
      scene.front.faults.sts = fault;
      await fails(byToken, code, field, 500);
      assert.equal(scene.front.seen.sts.length, requests);
      assert.equal(scene.front.seen.secrets.length, 0, 'nobody is asked without keys');
    });
  }
});

describe('T-07: whoever cannot prove to be AWS is sent nothing', () => {
  test('a certificate of an unknown authority', async () => {
    const { caBundle: _, ...untrusting } = scene.store;
    await fails(untrusting, 'AWS_UNTRUSTED', 'spec.awsSecretsManager.caBundle');
    assert.equal(scene.front.seen.secrets.length, 0);
  });

  test('a certificate of another authority than the one that is believed', async () => {
    const other = await createAuthority(scene.moto.folder, 'other');
    await fails(
      { ...scene.store, caBundle: other.certPem },
      'AWS_UNTRUSTED',
      'spec.awsSecretsManager.caBundle',
    );
    await fails({ ...byToken, caBundle: other.certPem }, 'AWS_UNTRUSTED', 'spec.awsSecretsManager.caBundle');
    assert.equal(scene.front.seen.secrets.length + scene.front.seen.sts.length, 0);
  });

  test('a certificate for another name', async () => {
    const named = scene.front.endpoint.replace('127.0.0.1', 'localhost');
    await fails({ ...scene.store, endpoint: named }, 'AWS_UNTRUSTED', 'spec.awsSecretsManager.caBundle');
    assert.equal(scene.front.seen.secrets.length, 0);
  });
});

describe('P-22: clocks that disagree', () => {
  for (const minutes of [10, -10, 24 * 60]) {
    test(`AWS is ${minutes} minutes ahead: corrected by its own time, and remembered`, async () => {
      scene.front.sts.ring.clockOffsetMs = minutes * 60_000;
      await scene.withProvider(async (provider) => {
        assert.equal(await valueOf(provider, { ...source, roleArn: role }, scene.store), canary);
        scene.front.seen.secrets.length = 0;
        assert.equal(await valueOf(provider, source, scene.store), canary);
        assert.equal(await valueOf(provider, source, scene.store), canary);
      });
      // Three: the second session began without knowing AWS's clock.
      assert.equal(scene.front.seen.secrets.length, 3);
    });
  }

  test('what no correction mends is named, and told from a wrong key', async () => {
    const fault = (skewMs: number): Fault =>
      answer(400, jsonError('InvalidSignatureException', 'Signature expired: canary'), {
        date: new Date(Date.now() + skewMs).toUTCString(),
      });
    scene.front.faults.secrets = fault(3_600_000);
    await fails(scene.store, 'AWS_CLOCK_SKEW', endpoint);
    scene.front.faults.secrets = fault(0);
    await fails(scene.store, 'AWS_KEYS_REFUSED', staticKeys);
  });
});

test('S-13: the SDK has said nothing on the console, of all this', () => {
  assert.deepEqual(said, []);
});
