import assert from 'node:assert/strict';
import { createHash } from 'node:crypto';
import { after, before, beforeEach, describe, test } from 'node:test';
import { inspect } from 'node:util';
import type { AwsSigV4Inject } from '../../../../policy/ruleset-credential.ts';
import { checkMaterial } from '../../../../sidecar/credentials/inject/inject.ts';
import { Secret } from '../../../../sidecar/credentials/secret.ts';
import { startAwsServer, type AwsReceived, type AwsServer } from '../../../support/s3.ts';
import {
  agentAuthorization,
  awsKeys,
  awsMaterial,
  awsPlaceholder,
  awsRuleset,
  sendAws,
  type AgentAnswer,
  type AgentRequest,
  type Scope,
} from '../../../support/s3-agent.ts';
import { startFixture, type Fixture } from '../../proxy/fixture.ts';
import { createTestCa, originName, type TestCa } from '../../proxy/origin.ts';

// Through the whole sidecar, to an endpoint that recomputes each signature with aws4 and the chunks' by itself.

let ca: TestCa;
let aws: AwsServer;
let fixture: Fixture;
let host = '';

before(async () => {
  ca = await createTestCa();
  aws = await startAwsServer({ authority: ca.authority, name: originName, keys: awsKeys, service: 's3' });
  host = `${originName}:${aws.port}`;
  fixture = await startFixture({ ca, origin: aws, ruleset: awsRuleset() });
});
after(async () => {
  await fixture.close();
  await aws.close();
  ca.close();
});
beforeEach(() => use());

/** What the credential says, and so what the endpoint takes. */
function use(inject: Partial<AwsSigV4Inject> = {}, keys = awsKeys): void {
  aws.received.length = 0;
  aws.expect(keys, inject.service ?? 's3');
  fixture.swap(awsRuleset(inject));
  fixture.setSecret(awsMaterial(keys));
}

const send = (request: AgentRequest): Promise<AgentAnswer> => sendAws(fixture, host, request);
const signedAs = (scope: Scope = {}): string[] => ['authorization', agentAuthorization(scope)];
const sha256 = (data: string): string => createHash('sha256').update(data).digest('hex');
const stated = (value: string): string[] => ['x-amz-content-sha256', value];

/** Sent, verified upstream, and as it stood there. */
async function arrive(request: AgentRequest): Promise<AwsReceived> {
  const answer = await send(request);
  const [received] = aws.received;
  assert.ok(received !== undefined, `nothing arrived: ${answer.body}`);
  assert.equal(received.fault, null);
  assert.ok(!inspect(received.rawHeaders).includes('outrider-placeholder'), 'a placeholder went upstream');
  return received;
}

async function isRefused(request: AgentRequest, code: string, message: RegExp): Promise<void> {
  const { problem } = await send(request);
  assert.equal(problem?.code, code);
  assert.match(problem.message, message);
  assert.deepEqual(aws.received, []);
}

describe('refused', () => {
  const cases: Record<string, readonly [request: AgentRequest, code: string, message: RegExp]> = {
    'another region': [
      { headers: signedAs({ region: 'eu-west-1' }) },
      'credential_ceiling',
      /signed for eu-west-1; the credential is for eu-central-1, us-east-1/,
    ],
    'another service': [
      { headers: signedAs({ service: 'sts' }) },
      'credential_ceiling',
      /signed for sts, and the credential is for s3/,
    ],
    'the service of directory buckets': [
      { headers: signedAs({ service: 's3express' }) },
      'request_unsignable',
      /S3 Express/,
    ],
    'a session of a directory bucket': [
      { headers: [...signedAs(), 'x-amz-s3session-token', 'abc'] },
      'request_unsignable',
      /S3 Express/,
    ],
    'no signature where the credential is for two regions': [
      {},
      'request_unsignable',
      /several regions \(eu-central-1, us-east-1\)/,
    ],
    'Signature Version 4A': [
      {
        headers: [
          'authorization',
          `AWS4-ECDSA-P256-SHA256 Credential=${awsPlaceholder}/20200101/s3/aws4_request, SignedHeaders=host;x-amz-date;x-amz-region-set, Signature=3045`,
        ],
      },
      'request_unsignable',
      /Version 4A/,
    ],
    'a set of regions': [
      { headers: [...signedAs(), 'x-amz-region-set', '*'] },
      'request_unsignable',
      /Version 4A/,
    ],
    'Signature Version 2': [
      { headers: ['authorization', `AWS ${awsPlaceholder}:c2lnbmF0dXJl`] },
      'request_unsignable',
      /Version 2/,
    ],
    'a bearer token in place of a signature': [
      { headers: ['authorization', `Bearer ${awsPlaceholder}`] },
      'request_unsignable',
      /Authorization is not `AWS4-HMAC-SHA256/,
    ],
    'a scope with a part too many': [
      { headers: signedAs({ region: 'eu-central-1/s3' }) },
      'request_unsignable',
      /Authorization is not/,
    ],
    'two signatures in one Authorization': [
      { headers: ['authorization', `${agentAuthorization()}, ${agentAuthorization({ key: 'AKIA' })}`] },
      'request_unsignable',
      /Authorization is not/,
    ],
    'Authorization twice': [
      { headers: [...signedAs(), ...signedAs()] },
      'request_ambiguous',
      /authorization was sent twice/,
    ],
    'a plus in a key, which S3 reads as a space': [
      { target: '/bucket/a+b', headers: signedAs() },
      'request_unsignable',
      /plus/,
    ],
    'a parameter twice': [
      { target: '/bucket?prefix=a&prefix=b', headers: signedAs() },
      'request_unsignable',
      /parameter twice/,
    ],
    'the hash of a body where there is none': [
      { headers: [...signedAs(), ...stated(sha256('x'))] },
      'request_unsignable',
      /not the SHA-256/,
    ],
    'a hash in capitals': [
      { headers: [...signedAs(), ...stated(sha256('').toUpperCase())] },
      'request_unsignable',
      /neither a SHA-256/,
    ],
    'chunks that are signed by Signature Version 4A': [
      {
        method: 'PUT',
        body: 'x',
        headers: [...signedAs(), ...stated('STREAMING-AWS4-ECDSA-P256-SHA256-PAYLOAD')],
      },
      'request_unsignable',
      /Version 4A/,
    ],
    'a stream of events': [
      { method: 'POST', body: 'x', headers: [...signedAs(), ...stated('STREAMING-AWS4-HMAC-SHA256-EVENTS')] },
      'request_unsignable',
      /neither/,
    ],
    'chunks without their length': [
      { method: 'PUT', body: 'x', headers: [...signedAs(), ...stated('STREAMING-AWS4-HMAC-SHA256-PAYLOAD')] },
      'request_unsignable',
      /x-amz-decoded-content-length/,
    ],
    'a trailer that is not announced': [
      {
        method: 'PUT',
        body: 'x',
        headers: [
          ...signedAs(),
          ...stated('STREAMING-AWS4-HMAC-SHA256-PAYLOAD-TRAILER'),
          'x-amz-decoded-content-length',
          '1',
        ],
      },
      'request_unsignable',
      /x-amz-trailer/,
    ],
    'a body that is not what its hash says': [
      {
        method: 'PUT',
        target: '/bucket/a',
        body: 'another',
        headers: [...signedAs(), ...stated(sha256('one'))],
      },
      'request_unsignable',
      /not the SHA-256/,
    ],
    'a long body that is not what its hash says': [
      {
        method: 'PUT',
        target: '/bucket/a',
        body: 'a'.repeat(3_000_000),
        headers: [...signedAs(), ...stated(sha256('one'))],
      },
      'request_unsignable',
      /not the SHA-256/,
    ],
  };
  for (const [what, [request, code, message]] of Object.entries(cases)) {
    test(`H-63: ${what}`, () => isRefused(request, code, message));
  }

  const presigned: Record<string, string> = {
    'a presigned URL': `X-Amz-Algorithm=AWS4-HMAC-SHA256&X-Amz-Credential=AKIA%2F20200101%2Feu-central-1%2Fs3%2Faws4_request&X-Amz-Date=20200101T000000Z&X-Amz-Expires=900&X-Amz-SignedHeaders=host&X-Amz-Signature=${'0'.repeat(64)}`,
    'one in another letter case': 'x-amz-SIGNATURE=0',
    'one with an escaped name': 'X%2DAmz%2dSignature=0',
    'one with an escaped letter': 'X-Amz-%53ignature=0',
    'a name without value': 'X-Amz-Credential',
    'a token alone': 'prefix=a&X-Amz-Security-Token=abc',
    'one of Version 4A': 'X-Amz-Region-Set=*',
    'one of Version 2': 'AWSAccessKeyId=AKIA&Expires=1&Signature=abc%3D',
    'a signature of Version 2 alone': 'signature=abc%3D',
  };
  for (const [what, query] of Object.entries(presigned)) {
    test(`H-63: in the query ${what}`, () =>
      isRefused(
        { target: `/bucket/key?${query}`, headers: signedAs() },
        'request_unsignable',
        /as presigned URLs do/,
      ));
  }

  test('H-63: a payload that is not signed, for any service but S3', async () => {
    use({ service: 'dynamodb' });
    for (const value of ['UNSIGNED-PAYLOAD', 'STREAMING-UNSIGNED-PAYLOAD-TRAILER']) {
      await isRefused(
        {
          method: 'POST',
          body: '{}',
          headers: [...signedAs({ service: 'dynamodb' }), ...stated(value)],
        },
        'request_unsignable',
        /for S3 alone/,
      );
    }
  });

  test('H-63: a credential for directory buckets', async () => {
    use({ service: 's3express' });
    await isRefused({ headers: signedAs({ service: 's3express' }) }, 'request_unsignable', /S3 Express/);
  });
});

describe('a secret that cannot sign', () => {
  const inject: AwsSigV4Inject = { kind: 'awsSigV4', service: 's3', regions: ['eu-central-1'] };
  const canary = 'canary-5f2b';
  const cases: Record<string, readonly [parts: Record<string, string>, code: string]> = {
    'no access key id': [{ secretAccessKey: canary }, 'SECRET_PART_MISSING'],
    'no secret key': [{ accessKeyId: awsKeys.accessKeyId }, 'SECRET_PART_MISSING'],
    'a short access key id': [{ accessKeyId: 'AKIA', secretAccessKey: canary }, 'SECRET_UNPRINTABLE'],
    'an access key id with a slash': [
      { accessKeyId: 'AKIAIOSFODNN7EXAMP/E', secretAccessKey: canary },
      'SECRET_UNPRINTABLE',
    ],
    'a secret key with a line end': [
      { accessKeyId: awsKeys.accessKeyId, secretAccessKey: `${canary}\n` },
      'SECRET_UNPRINTABLE',
    ],
    'an empty secret key': [{ accessKeyId: awsKeys.accessKeyId, secretAccessKey: '' }, 'SECRET_UNPRINTABLE'],
    'a session token with a line end': [
      { accessKeyId: awsKeys.accessKeyId, secretAccessKey: canary, sessionToken: `${canary}\r\n` },
      'SECRET_UNPRINTABLE',
    ],
  };
  for (const [what, [parts, code]] of Object.entries(cases)) {
    test(`P-23: ${what} is told as soon as it is read, and not printed`, () => {
      const material = new Map(Object.entries(parts).map(([name, value]) => [name, new Secret(value)]));
      assert.throws(
        () => checkMaterial(inject, material),
        (error: Error & { code?: string; field?: string }) => {
          assert.equal(error.code, code);
          assert.equal(error.field, 'spec.inject.awsSigV4');
          assert.ok(!inspect(error).includes(canary));
          return true;
        },
      );
    });
  }
});

describe('what arrives is signed as AWS recomputes it', () => {
  const targets = [
    '/',
    '/bucket',
    '/bucket/',
    '/bucket/a%20b',
    '/bucket/a%2Fb',
    '/bucket/a%2fb',
    '/bucket/%E1%88%B4/%e1%88%b4',
    '/bucket/folder/',
    '/bucket/~tilde-._',
    '/bucket/%7Etilde',
    '/bucket/a%2Bb',
    '/bucket/a*b',
    "/bucket/!$&'(),;=:@",
    '/bucket/%21%24%26%27%28%29',
    '/bucket/100%25',
    '/bucket?list-type=2&prefix=a%2Fb%20c&delimiter=%2F',
    '/bucket?prefix=a/b&marker=',
    '/bucket?uploads',
    '/bucket?versioning=',
    '/bucket/key?partNumber=1&uploadId=u%2B1%2Fa%3D',
    '/bucket?b=1&a=2&B=3&a-b=4&a.b=5&a0=6',
    '/bucket?prefix=a+b',
    "/bucket?prefix=!'()*~",
    '/bucket?prefix=%e1%88%b4',
    '/bucket?prefix=a=b',
    '/bucket?a=1&&b=2&',
  ];
  for (const target of targets) {
    test(`H-63: S3: ${target}`, async () => {
      const { url } = await arrive({ target, headers: signedAs() });
      assert.equal(url, target);
    });
    test(`H-63: another service: ${target}`, async () => {
      use({ service: 'execute-api' });
      const { url } = await arrive({ target, headers: signedAs({ service: 'execute-api' }) });
      assert.equal(url, target);
    });
  }

  const others = [
    '/model/anthropic.claude-v2%3A1/invoke',
    '/model/arn%3Aaws%3Abedrock%3Aus-east-1%3A1%3Ainference-profile%2Fx/converse',
    '/a+b',
    '/?Action=X&Name=2&Name=1&Name=1',
  ];
  for (const target of others) {
    test(`H-63: another service alone: ${target}`, async () => {
      use({ service: 'bedrock' });
      const { url } = await arrive({ target, headers: signedAs({ service: 'bedrock' }) });
      assert.equal(url, target);
    });
  }

  test('headers: every x-amz- one, content-type, content-md5 and those that the agent signed', async () => {
    const { verified } = await arrive({
      method: 'PUT',
      target: '/bucket/key',
      body: 'x',
      headers: [
        ...signedAs({ signed: 'date;host;if-match;user-agent;accept-encoding;x-custom;x-gone;x-amz-date' }),
        ...['Date', 'Wed, 01 Jan 2020 00:00:00 GMT', 'If-Match', '"a"', 'User-Agent', 'sdk  1'],
        ...['X-Custom', '  a   b  ', 'x-custom', 'c', 'X-Amz-Meta-Two', 'b', 'x-amz-meta-two', 'a'],
        ...['content-type', 'text/plain;  charset=utf-8', 'Content-MD5', 'nd1Z2BE1KdEjhyqVpjYJ8A=='],
        ...['accept', '*/*', 'Cache-Control', 'no-cache', 'accept-encoding', 'gzip', 'x-amz-acl', 'private'],
      ],
    });
    assert.deepEqual(
      verified?.signedHeaders.join(' '),
      'content-md5 content-type date host if-match x-amz-acl x-amz-content-sha256 x-amz-date x-amz-meta-two x-custom',
    );
  });

  test('the date is ours, whatever the agent says', async () => {
    const { headers } = await arrive({
      headers: [...signedAs(), 'x-amz-date', '20200101T000000Z'],
    });
    assert.notEqual(headers['x-amz-date'], '20200101T000000Z');
  });

  test('an access key of its own is replaced as a placeholder is', async () => {
    const { headers } = await arrive({ headers: signedAs({ key: 'AKIAAGENTSOWNKEY0000' }) });
    assert.doesNotMatch(String(headers.authorization), /AGENTSOWN/);
  });

  test('K-01: the region is the one that the agent signed for, if the credential has it', async () => {
    for (const region of ['eu-central-1', 'us-east-1']) {
      aws.received.length = 0;
      const { verified } = await arrive({ headers: signedAs({ region }) });
      assert.equal(verified?.region, region);
    }
  });

  test('what is not signed at all gets the one region of the credential', async () => {
    use({ regions: ['eu-north-1'] });
    const { verified } = await arrive({ target: '/bucket?list-type=2' });
    assert.equal(verified?.region, 'eu-north-1');
  });

  test('an access key id that is written out, and a secret of one value', async () => {
    use({ accessKeyId: awsKeys.accessKeyId });
    fixture.setSecret(awsKeys.secretAccessKey);
    await arrive({ headers: signedAs() });
  });

  test('fields that are called otherwise', async () => {
    use({
      fields: { accessKeyId: 'access_key', secretAccessKey: 'secret_key', sessionToken: 'security_token' },
    });
    const keys = { ...awsKeys, sessionToken: 'FwoGZXIvYXdzEXAMPLE//==' };
    aws.expect(keys, 's3');
    fixture.setSecret(
      new Map([
        ['access_key', new Secret(keys.accessKeyId)],
        ['secret_key', new Secret(keys.secretAccessKey)],
        ['security_token', new Secret(keys.sessionToken)],
      ]),
    );
    await arrive({ headers: signedAs() });
  });

  test('a session token goes with the keys that it belongs to', async () => {
    const keys = { ...awsKeys, sessionToken: 'FwoGZXIvYXdzEXAMPLE//==' };
    use({}, keys);
    const { verified, headers } = await arrive({
      headers: [...signedAs(), 'x-amz-security-token', awsPlaceholder],
    });
    assert.equal(headers['x-amz-security-token'], keys.sessionToken);
    assert.ok(verified?.signedHeaders.includes('x-amz-security-token'));
  });

  test("the agent's session token is dropped where the secret has none", async () => {
    const { headers } = await arrive({
      headers: [...signedAs({ signed: 'host;x-amz-security-token' }), 'x-amz-security-token', awsPlaceholder],
    });
    assert.equal(headers['x-amz-security-token'], undefined);
  });
});

describe('payloads', () => {
  const put = { method: 'PUT', target: '/bucket/key' };

  test('S3 is told the hash of a body that the agent did not hash', async () => {
    const { headers, body } = await arrive({ ...put, headers: signedAs(), body: 'hello' });
    assert.equal(headers['x-amz-content-sha256'], sha256('hello'));
    assert.equal(body.toString(), 'hello');
  });

  test('other services are not told, unless the agent tells', async () => {
    use({ service: 'dynamodb' });
    const headers = signedAs({ service: 'dynamodb' });
    const first = await arrive({ method: 'POST', headers, body: '{}' });
    assert.equal(first.headers['x-amz-content-sha256'], undefined);
    aws.received.length = 0;
    const second = await arrive({
      method: 'POST',
      headers: [...headers, ...stated(sha256('{}'))],
      body: '{}',
    });
    assert.equal(second.headers['x-amz-content-sha256'], sha256('{}'));
  });

  test('a body of a stated hash streams, and arrives whole', async () => {
    const body = 'a'.repeat(3_000_000);
    const { verified } = await arrive({ ...put, headers: [...signedAs(), ...stated(sha256(body))], body });
    assert.equal(verified?.payload.length, body.length);
  });

  test('S3 may have a payload that is not signed', async () => {
    const { headers } = await arrive({
      ...put,
      headers: [...signedAs(), ...stated('UNSIGNED-PAYLOAD')],
      body: 'x',
    });
    assert.equal(headers['x-amz-content-sha256'], 'UNSIGNED-PAYLOAD');
  });

  const placeholder = '0'.repeat(64);
  const chunk = (data: string): string =>
    `${data.length.toString(16)};chunk-signature=${placeholder}\r\n${data}\r\n`;
  const chunks = `${chunk('a'.repeat(70_000))}${chunk('b'.repeat(10))}0;chunk-signature=${placeholder}\r\n`;
  const chunkHeaders = ['content-encoding', 'aws-chunked', 'x-amz-decoded-content-length', '70010'];

  test('signed chunks are signed again, each of them', async () => {
    const body = `${chunks}\r\n`;
    const received = await arrive({
      ...put,
      headers: [
        ...signedAs({ signed: 'content-encoding;host' }),
        ...stated('STREAMING-AWS4-HMAC-SHA256-PAYLOAD'),
        ...chunkHeaders,
      ],
      body,
    });
    assert.equal(received.verified?.payload.length, 70_010);
    assert.equal(received.body.length, body.length);
    assert.equal(received.headers['content-length'], String(body.length));
    assert.ok(received.verified?.signedHeaders.includes('content-encoding'));
  });

  test('and so is their trailer', async () => {
    const { verified } = await arrive({
      ...put,
      headers: [
        ...signedAs(),
        ...stated('STREAMING-AWS4-HMAC-SHA256-PAYLOAD-TRAILER'),
        ...chunkHeaders,
        ...['x-amz-trailer', 'x-amz-checksum-crc32c'],
      ],
      body: `${chunks}x-amz-checksum-crc32c:sOO8/Q==\r\nx-amz-trailer-signature:${placeholder}\r\n\r\n`,
    });
    assert.equal(verified?.payload.length, 70_010);
  });

  test('H-63: chunks that go wrong half way are cut, and never look whole upstream', async () => {
    const before = aws.aborted();
    const answer = await send({
      ...put,
      headers: [...signedAs(), ...stated('STREAMING-AWS4-HMAC-SHA256-PAYLOAD'), ...chunkHeaders],
      body: chunks.replace(';chunk-signature=', ';other='),
    });
    assert.equal(answer.problem?.code, 'request_unsignable');
    assert.deepEqual(aws.received, []);
    const later = await send({
      ...put,
      headers: [...signedAs(), ...stated('STREAMING-AWS4-HMAC-SHA256-PAYLOAD'), ...chunkHeaders],
      body: `${chunks}x`,
    });
    assert.equal(later.problem?.code, 'request_unsignable');
    assert.deepEqual(aws.received, []);
    assert.ok(aws.aborted() >= before);
  });
});
