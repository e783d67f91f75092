import { after, before, beforeEach, describe, test } from 'node:test';
import { agentAuthorization, awsPlaceholder, type AgentRequest } from '../../../support/s3-agent.ts';
import { sha256, signedAs, startAwsScene, stated, type AwsScene } from '../../../support/s3-scene.ts';

let scene: AwsScene;

before(async () => {
  scene = await startAwsScene();
});
after(() => scene.close());
beforeEach(() => scene.use());

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
    test(`H-63: ${what}`, () => scene.isRefused(request, code, message));
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
      scene.isRefused(
        { target: `/bucket/key?${query}`, headers: signedAs() },
        'request_unsignable',
        /as presigned URLs do/,
      ));
  }

  test('H-63: a payload that is not signed, for any service but S3', async () => {
    scene.use({ service: 'dynamodb' });
    for (const value of ['UNSIGNED-PAYLOAD', 'STREAMING-UNSIGNED-PAYLOAD-TRAILER']) {
      await scene.isRefused(
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
    scene.use({ service: 's3express' });
    await scene.isRefused(
      { headers: signedAs({ service: 's3express' }) },
      'request_unsignable',
      /S3 Express/,
    );
  });
});
