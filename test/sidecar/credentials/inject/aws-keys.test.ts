import assert from 'node:assert/strict';
import { describe, test } from 'node:test';
import { inspect } from 'node:util';
import type { AwsSigV4Inject } from '../../../../policy/ruleset-credential.ts';
import { checkMaterial } from '../../../../sidecar/credentials/inject/inject.ts';
import { Secret } from '../../../../sidecar/credentials/secret.ts';
import { awsKeys } from '../../../support/s3-agent.ts';

describe('a secret that cannot sign', () => {
  const inject: AwsSigV4Inject = { kind: 'awsSigV4', service: 's3', regions: ['eu-central-1'] };
  const canary = 'canary-5f2b';
  const cases: Record<string, readonly [parts: Record<string, string>, code: string]> = {
    'no access key id': [{ secretAccessKey: canary }, 'SECRET_PART_MISSING'],
    'no secret key': [{ accessKeyId: awsKeys.accessKeyId }, 'SECRET_PART_MISSING'],
    'a very short access key id': [{ accessKeyId: 'AK', secretAccessKey: canary }, 'SECRET_UNPRINTABLE'],
    'an access key id with a slash': [
      { accessKeyId: 'AKIAIOSFODNN7EXAMP/E', secretAccessKey: canary },
      'SECRET_UNPRINTABLE',
    ],
    'a secret key where the access key id belongs': [
      { accessKeyId: awsKeys.secretAccessKey, secretAccessKey: canary },
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
