import assert from 'node:assert/strict';
import { after, before, describe, test } from 'node:test';
import type { AwsSecretsManagerSource } from '../../../policy/ruleset-credential.ts';
import { jsonError } from '../../support/aws-front.ts';
import {
  assertFails,
  canary,
  partsOf,
  region,
  source,
  startAwsScene,
  user,
  valueOf,
  type AwsScene,
} from './aws-scene.ts';

const at = 'spec.source.awsSecretsManager';
const json = { apiKey: canary, account: 'acct', number: 7, empty: '', nested: { a: 'b' } };

let scene: AwsScene;
let arn = '';
let versions: Record<'first' | 'second' | 'pending', string>;

before(async () => {
  scene = await startAwsScene();
  const create = async (Name: string, value: object): Promise<Readonly<Record<string, unknown>>> =>
    scene.moto.request('CreateSecret', { Name, ...value });
  const created = await create('agents/stripe', { SecretString: JSON.stringify(json) });
  arn = String(created['ARN']);
  await create('agents/plain', { SecretString: `${canary}\n` });
  await create('agents/list', { SecretString: JSON.stringify([canary]) });
  await create('agents/empty', {});
  await create('agents/large', { SecretString: 'x'.repeat(65_536) });
  await create('agents/binary', { SecretBinary: Buffer.from([0, 255, 1, 254]).toString('base64') });
  await create('agents/binary-text', { SecretBinary: Buffer.from('grüße').toString('base64') });
  await create('agents/binary-large', { SecretBinary: Buffer.alloc(60_000).toString('base64') });
  await create('agents/deleted', { SecretString: canary });
  await scene.moto.request('DeleteSecret', { SecretId: 'agents/deleted' });
  const first = await create('agents/rotated', { SecretString: 'first' });
  const put = async (SecretString: string, stages?: readonly string[]): Promise<string> => {
    const input = {
      SecretId: 'agents/rotated',
      SecretString,
      ...(stages === undefined ? {} : { VersionStages: stages }),
    };
    return String((await scene.moto.request('PutSecretValue', input))['VersionId']);
  };
  versions = {
    first: String(first['VersionId']),
    second: await put('second'),
    pending: await put('pending', ['AWSPENDING']),
  };
});
after(() => scene?.stop());

const of = (more: Partial<AwsSecretsManagerSource>): AwsSecretsManagerSource => ({ ...source, ...more });

describe('P-23: a secret that cannot be used is refused, with the field that must change', () => {
  const cases: Record<string, [from: Partial<AwsSecretsManagerSource>, code: string, field: string]> = {
    'a field that is not there': [{ field: 'token' }, 'SECRET_FIELD_MISSING', `${at}.field`],
    'a name of an object’s prototype': [{ field: 'toString' }, 'SECRET_FIELD_MISSING', `${at}.field`],
    'the second of several fields': [
      { fields: ['apiKey', 'token'] },
      'SECRET_FIELD_MISSING',
      `${at}.fields[1]`,
    ],
    'a number': [{ field: 'number' }, 'SECRET_FIELD_NOT_TEXT', `${at}.field`],
    'an object': [{ field: 'nested' }, 'SECRET_FIELD_NOT_TEXT', `${at}.field`],
    'an empty field': [{ field: 'empty' }, 'SECRET_EMPTY', `${at}.field`],
    'a field of plain text': [{ secretId: 'agents/plain', field: 'apiKey' }, 'SECRET_NOT_JSON', at],
    'a field of a list': [{ secretId: 'agents/list', field: '0' }, 'SECRET_NOT_JSON', at],
    'bytes that are no text': [{ secretId: 'agents/binary' }, 'SECRET_NOT_TEXT', `${at}.binary`],
    'a field of bytes as Base64': [
      { secretId: 'agents/binary', binary: 'Base64', field: 'apiKey' },
      'SECRET_NOT_JSON',
      at,
    ],
    'bytes whose Base64 is too large': [
      { secretId: 'agents/binary-large', binary: 'Base64' },
      'SECRET_TOO_LARGE',
      at,
    ],
  };
  for (const [sentence, [from, code, field]] of Object.entries(cases)) {
    test(sentence, () =>
      scene.withProvider((provider) => assertFails(valueOf(provider, of(from), scene.store), code, field)),
    );
  }

  test('a secret that AWS gives without any value', async () => {
    scene.front.faults.secrets = { kind: 'answer', status: 200, body: JSON.stringify({ Name: 'x' }) };
    await scene
      .withProvider((provider) => assertFails(valueOf(provider, source, scene.store), 'SECRET_EMPTY', at))
      .finally(() => (scene.front.faults.secrets = null));
  });
});

describe('S-13: a refusal by AWS is a code with the field that must change, and nothing of AWS’s words', () => {
  const secretId = `${at}.secretId`;
  const cases: Record<string, [from: Partial<AwsSecretsManagerSource>, code: string, field: string]> = {
    'no such secret': [{ secretId: 'agents/nothing' }, 'AWS_SECRET_NOT_FOUND', secretId],
    'a secret that is scheduled for deletion': [
      { secretId: 'agents/deleted' },
      'AWS_SECRET_DELETED',
      secretId,
    ],
    'P-22: a secret that has no value yet': [
      { secretId: 'agents/empty' },
      'AWS_VERSION_NOT_FOUND',
      `${at}.versionStage`,
    ],
    'P-22: no such version': [
      { secretId: 'agents/rotated', versionId: '00000000-0000-0000-0000-000000000000' },
      'AWS_VERSION_NOT_FOUND',
      `${at}.versionId`,
    ],
    'P-22: an ARN of another region': [
      { secretId: 'arn:aws:secretsmanager:us-east-1:123456789012:secret:agents/stripe-AbCdEf' },
      'AWS_REGION_WRONG',
      secretId,
    ],
    'an ARN of another service': [{ secretId: 'arn:aws:s3:::bucket' }, 'AWS_REQUEST_INVALID', secretId],
    'an ARN without a name': [
      { secretId: 'arn:aws:secretsmanager:eu-central-1:123456789012:secret:' },
      'AWS_REQUEST_INVALID',
      secretId,
    ],
    'a store that there is not': [{ store: 'other' }, 'STORE_UNKNOWN', `${at}.store`],
    'a store by the name of an object’s prototype': [
      { store: 'constructor' },
      'STORE_UNKNOWN',
      `${at}.store`,
    ],
  };
  for (const [sentence, [from, code, field]] of Object.entries(cases)) {
    test(sentence, () =>
      scene.withProvider(async (provider) => {
        const reading = provider.read(of(from), { 'corp-aws': scene.store });
        await assertFails(reading, code, field);
      }),
    );
  }

  // What moto does not say as AWS does, or never.
  const answers: Record<string, [type: string, message: string, code: string, field: string]> = {
    'P-22: a stage that no version has': [
      'ResourceNotFoundException',
      "Secrets Manager can't find the specified secret value for staging label: AWSPENDING",
      'AWS_VERSION_NOT_FOUND',
      `${at}.versionStage`,
    ],
    'a key that the role may not use': [
      'AccessDeniedException',
      'Access to KMS is not allowed',
      'AWS_KMS_DENIED',
      secretId,
    ],
    'a key that is disabled': ['DecryptionFailure', 'canary', 'AWS_KMS_DENIED', secretId],
    'a malformed version': ['InvalidParameterException', 'canary', 'AWS_REQUEST_INVALID', secretId],
    'a malformed name': ['ValidationException', 'canary', 'AWS_REQUEST_INVALID', secretId],
    'a code that AWS has not invented yet': [
      'SomethingNewException',
      'canary',
      'AWS_REQUEST_INVALID',
      secretId,
    ],
  };
  for (const [sentence, [type, message, code, field]] of Object.entries(answers)) {
    test(sentence, async () => {
      scene.front.faults.secrets = { kind: 'answer', status: 400, body: jsonError(type, message) };
      await scene
        .withProvider((provider) => assertFails(valueOf(provider, source, scene.store), code, field))
        .finally(() => (scene.front.faults.secrets = null));
    });
  }

  test('a role without permission on the secret', async () => {
    scene.front.readers.delete(user);
    await scene
      .withProvider((provider) =>
        assertFails(valueOf(provider, source, scene.store), 'AWS_ACCESS_DENIED', secretId),
      )
      .finally(() => scene.front.readers.add(user));
  });
});

describe('what a store may say', () => {
  const store = (more: object) => ({ ...scene.store, ...more });
  const cases: Record<string, [more: object, code: string, field: string]> = {
    'T-07: an endpoint without TLS': [
      { endpoint: 'http://127.0.0.1:1' },
      'AWS_ENDPOINT_INVALID',
      'spec.awsSecretsManager.endpoint',
    ],
    'T-07: an STS endpoint without TLS': [
      { stsEndpoint: 'http://127.0.0.1:1' },
      'AWS_ENDPOINT_INVALID',
      'spec.awsSecretsManager.stsEndpoint',
    ],
    'an endpoint with a path': [
      { endpoint: 'https://127.0.0.1/x' },
      'AWS_ENDPOINT_INVALID',
      'spec.awsSecretsManager.endpoint',
    ],
    'an endpoint with a user': [
      { endpoint: 'https://a@127.0.0.1' },
      'AWS_ENDPOINT_INVALID',
      'spec.awsSecretsManager.endpoint',
    ],
    'P-22: a region that would be another host': [
      { region: 'eu-central-1.evil.example/' },
      'AWS_REGION_WRONG',
      'spec.awsSecretsManager.region',
    ],
    'P-22: a region that is not the endpoint’s': [
      { region: 'us-east-1' },
      'AWS_REGION_WRONG',
      'spec.awsSecretsManager.region',
    ],
  };
  for (const [sentence, [more, code, field]] of Object.entries(cases)) {
    test(`${sentence} is refused`, () =>
      scene.withProvider((provider) => assertFails(valueOf(provider, source, store(more)), code, field)));
  }
});

describe('a secret is read', () => {
  const cases: Record<string, [from: () => Partial<AwsSecretsManagerSource>, parts: Record<string, string>]> =
    {
      'whole, as it is': [() => ({ secretId: 'agents/plain' }), { value: `${canary}\n` }],
      'a field of it': [() => ({ field: 'apiKey' }), { value: canary }],
      'several fields of it': [
        () => ({ fields: ['apiKey', 'account'] }),
        { apiKey: canary, account: 'acct' },
      ],
      'by its ARN': [() => ({ secretId: arn, field: 'apiKey' }), { value: canary }],
      'of the largest size': [() => ({ secretId: 'agents/large' }), { value: 'x'.repeat(65_536) }],
      'bytes that are text': [() => ({ secretId: 'agents/binary-text' }), { value: 'grüße' }],
      'bytes as Base64': [() => ({ secretId: 'agents/binary', binary: 'Base64' }), { value: 'AP8B/g==' }],
      'P-22: the current version': [() => ({ secretId: 'agents/rotated' }), { value: 'second' }],
      'P-22: the current version by its stage': [
        () => ({ secretId: 'agents/rotated', versionStage: 'AWSCURRENT' }),
        { value: 'second' },
      ],
      'P-22: the previous version': [
        () => ({ secretId: 'agents/rotated', versionStage: 'AWSPREVIOUS' }),
        { value: 'first' },
      ],
      'P-22: the pending version': [
        () => ({ secretId: 'agents/rotated', versionStage: 'AWSPENDING' }),
        { value: 'pending' },
      ],
      'P-22: a version by its id': [
        () => ({ secretId: 'agents/rotated', versionId: versions.first }),
        { value: 'first' },
      ],
    };
  for (const [sentence, [from, parts]] of Object.entries(cases)) {
    test(sentence, () =>
      scene.withProvider(async (provider) => {
        assert.deepEqual(await partsOf(provider, of(from()), scene.store), parts);
      }),
    );
  }

  test('P-22: a rotation between two readings', () =>
    scene.withProvider(async (provider) => {
      await scene.moto.request('CreateSecret', { Name: 'agents/turning', SecretString: 'before' });
      const turning = of({ secretId: 'agents/turning' });
      assert.equal(await valueOf(provider, turning, scene.store), 'before');
      await scene.moto.request('PutSecretValue', { SecretId: 'agents/turning', SecretString: 'after' });
      assert.equal(await valueOf(provider, turning, scene.store), 'after');
      const previous = { ...turning, versionStage: 'AWSPREVIOUS' };
      assert.equal(await valueOf(provider, previous, scene.store), 'before');
    }));

  test('at moto’s own TLS, as any endpoint of AWS’s', () =>
    scene.withProvider(async (provider) => {
      const store = { ...scene.store, endpoint: scene.moto.address };
      assert.equal(await valueOf(provider, of({ field: 'apiKey' }), store), canary);
    }));

  test('with a user agent that says no more than our name', () =>
    scene.withProvider(async (provider) => {
      scene.front.seen.secrets.length = 0;
      await valueOf(provider, of({ field: 'apiKey' }), scene.store);
      const headers = scene.front.seen.secrets[0]?.headers ?? {};
      assert.equal(headers['user-agent'], 'outrider');
      assert.equal(headers['x-amz-user-agent'], undefined);
      assert.match(headers.authorization ?? '', new RegExp(`/${region}/secretsmanager/aws4_request`));
    }));
});
