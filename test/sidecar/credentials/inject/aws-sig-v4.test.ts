import assert from 'node:assert/strict';
import { after, before, beforeEach, describe, test } from 'node:test';
import { Secret } from '../../../../sidecar/credentials/secret.ts';
import { awsKeys, awsPlaceholder } from '../../../support/s3-agent.ts';
import { signedAs, startAwsScene, type AwsScene } from '../../../support/s3-scene.ts';

let scene: AwsScene;

before(async () => {
  scene = await startAwsScene();
});
after(() => scene.close());
beforeEach(() => scene.use());

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
      const { url } = await scene.arrive({ target, headers: signedAs() });
      assert.equal(url, target);
    });
    test(`H-63: another service: ${target}`, async () => {
      scene.use({ service: 'execute-api' });
      const { url } = await scene.arrive({ target, headers: signedAs({ service: 'execute-api' }) });
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
      scene.use({ service: 'bedrock' });
      const { url } = await scene.arrive({ target, headers: signedAs({ service: 'bedrock' }) });
      assert.equal(url, target);
    });
  }

  test('headers: every x-amz- one, content-type, content-md5 and those that the agent signed', async () => {
    const { verified } = await scene.arrive({
      method: 'PUT',
      target: '/bucket/key',
      body: 'x',
      headers: [
        ...signedAs({ signed: 'date;host;if-match;user-agent;accept-encoding;x-custom;x-gone;x-amz-date' }),
        'Date',
        'Wed, 01 Jan 2020 00:00:00 GMT',
        'If-Match',
        '"a"',
        'User-Agent',
        'sdk  1',
        'X-Custom',
        '  a   b  ',
        'x-custom',
        'c',
        'X-Amz-Meta-Two',
        'b',
        'x-amz-meta-two',
        'a',
        'content-type',
        'text/plain;  charset=utf-8',
        'Content-MD5',
        'nd1Z2BE1KdEjhyqVpjYJ8A==',
        'accept',
        '*/*',
        'Cache-Control',
        'no-cache',
        'accept-encoding',
        'gzip',
        'x-amz-acl',
        'private',
      ],
    });
    assert.deepEqual(
      verified?.signedHeaders.join(' '),
      'content-md5 content-type date host if-match x-amz-acl x-amz-content-sha256 x-amz-date x-amz-meta-two x-custom',
    );
  });

  test('the date is ours, whatever the agent says', async () => {
    const { headers } = await scene.arrive({
      headers: [...signedAs(), 'x-amz-date', '20200101T000000Z'],
    });
    assert.notEqual(headers['x-amz-date'], '20200101T000000Z');
  });

  test('an access key of its own is replaced as a placeholder is', async () => {
    const { headers } = await scene.arrive({ headers: signedAs({ key: 'AKIAAGENTSOWNKEY0000' }) });
    assert.doesNotMatch(String(headers.authorization), /AGENTSOWN/);
  });

  test('K-01: the region is the one that the agent signed for, if the credential has it', async () => {
    for (const region of ['eu-central-1', 'us-east-1']) {
      scene.aws.received.length = 0;
      const { verified } = await scene.arrive({ headers: signedAs({ region }) });
      assert.equal(verified?.region, region);
    }
  });

  test('what is not signed at all gets the one region of the credential', async () => {
    scene.use({ regions: ['eu-north-1'] });
    const { verified } = await scene.arrive({ target: '/bucket?list-type=2' });
    assert.equal(verified?.region, 'eu-north-1');
  });

  test('an access key id that is written out, and a secret of one value', async () => {
    scene.use({ accessKeyId: awsKeys.accessKeyId });
    scene.fixture.setSecret(awsKeys.secretAccessKey);
    await scene.arrive({ headers: signedAs() });
  });

  test('fields that are called otherwise', async () => {
    scene.use({
      fields: { accessKeyId: 'access_key', secretAccessKey: 'secret_key', sessionToken: 'security_token' },
    });
    const keys = { ...awsKeys, sessionToken: 'FwoGZXIvYXdzEXAMPLE//==' };
    scene.aws.expect(keys, 's3');
    scene.fixture.setSecret(
      new Map([
        ['access_key', new Secret(keys.accessKeyId)],
        ['secret_key', new Secret(keys.secretAccessKey)],
        ['security_token', new Secret(keys.sessionToken)],
      ]),
    );
    await scene.arrive({ headers: signedAs() });
  });

  test('a session token goes with the keys that it belongs to', async () => {
    const keys = { ...awsKeys, sessionToken: 'FwoGZXIvYXdzEXAMPLE//==' };
    scene.use({}, keys);
    const { verified, headers } = await scene.arrive({
      headers: [...signedAs(), 'x-amz-security-token', awsPlaceholder],
    });
    assert.equal(headers['x-amz-security-token'], keys.sessionToken);
    assert.ok(verified?.signedHeaders.includes('x-amz-security-token'));
  });

  test("the agent's session token is dropped where the secret has none", async () => {
    const { headers } = await scene.arrive({
      headers: [...signedAs({ signed: 'host;x-amz-security-token' }), 'x-amz-security-token', awsPlaceholder],
    });
    assert.equal(headers['x-amz-security-token'], undefined);
  });
});
