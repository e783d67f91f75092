import assert from 'node:assert/strict';
import { describe, test } from 'node:test';
import { createSigners } from '../../../../sidecar/credentials/inject/aws-sig-v4/signer.ts';
import { sha256 } from '../../../../sidecar/credentials/inject/aws-sig-v4/canonical.ts';
import { Secret } from '../../../../sidecar/credentials/secret.ts';

interface Vector {
  readonly method?: string;
  readonly target?: string;
  readonly headers?: readonly string[];
  readonly signed?: readonly string[];
  readonly body?: string;
  readonly signature: string;
}

const suiteToken =
  'AQoDYXdzEPT//////////wEXAMPLEtc764bNrC9SAPBSM22wDOk4x4HIZ8j4FZTwdQWLWsKWHGBuFqwAeMicRXmxfpSPfIeoIYRqTflfKD8YUuwthAx7mSEI/qkPpKPi/kMcGdQrmGdeehM4IC1NtBmUpp2wUE8phUZampKsburEDy0KPkyQDYwT7WZ0wq5VSXDvp75YU9HFvlRd8Tx6q6fE8YQcHNVXAkiY9q6d+xo0rKwT38xVqr7ZD0u0iPPkUL64lIZbqBAz+scqKmlzm8FDrypNC9Yjc8fPOLn9FX9KSYvKTr4rvx3iSIlTJabIQwj2ICCR/oLxBA==';
const unreserved = '-._~0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz';

/** AWS's published test suite for Signature Version 4; what it asks of non-ASCII bytes on the wire never gets here. */
const suite: Record<string, Vector> = {
  'get-vanilla': { signature: '5fa00fa31553b73ebf1942676e86291e8372ff2a2260956d9b8aae1d763fbf31' },
  'get-unreserved': {
    target: `/${unreserved}`,
    signature: '07ef7494c76fa4850883e2b006601f940f8a34d404d0cfa977f52a65bbf5f24f',
  },
  'get-vanilla-empty-query-key': {
    target: '/?Param1=value1',
    signature: 'a67d582fa61cc504c4bae71f336f98b97f1ea3c7a6bfe1b6e45aec72011b9aeb',
  },
  'get-vanilla-query-order-key-case': {
    target: '/?Param2=value2&Param1=value1',
    signature: 'b97d918cfa904a5beff61c982a1b6f458b799221646efd99d3219ec94cdf2500',
  },
  'get-vanilla-query-order-key': {
    target: '/?Param1=value2&Param1=Value1',
    signature: 'eedbc4e291e521cf13422ffca22be7d2eb8146eecf653089df300a15b2382bd1',
  },
  'get-vanilla-query-order-value': {
    target: '/?Param1=value2&Param1=value1',
    signature: '5772eed61e12b33fae39ee5e7012498b51d56abc0abb7c60486157bd471c4694',
  },
  'get-vanilla-query-unreserved': {
    target: `/?${unreserved}=${unreserved}`,
    signature: '9c3e54bfcdf0b19771a7f523ee5669cdf59bc7cc0884027167c21bb143a40197',
  },
  'get-vanilla-utf8-query': {
    target: '/?%e1%88%b4=bar',
    signature: '2cdec8eed098649ff3a119c94853b13c643bcf08f8b0a1d91e12c9027818dd04',
  },
  'get-header-key-duplicate': {
    headers: ['my-header1', 'value2', 'my-header1', 'value2', 'my-header1', 'value1'],
    signed: ['my-header1'],
    signature: 'c9d5ea9f3f72853aea855b47ea873832890dbdd183b4468f858259531a5138ea',
  },
  'get-header-value-order': {
    headers: ['my-header1', 'value4', 'my-header1', 'value1', 'my-header1', 'value3', 'my-header1', 'value2'],
    signed: ['my-header1'],
    signature: '08c7e5a9acfcfeb3ab6b2185e75ce8b1deb5e634ec47601a50643f830c755c01',
  },
  'get-header-value-trim': {
    headers: ['my-header1', ' value1', 'my-header2', ' "a   b   c"'],
    signed: ['my-header1', 'my-header2'],
    signature: 'acc3ed3afb60bb290fc8d2dd0098b9911fcaa05412b367055dee359757a9c736',
  },
  'post-vanilla': {
    method: 'POST',
    signature: '5da7c1a2acd57cee7505fc6676e4e544621c30862966e37dddb68e92efbe5d6b',
  },
  'post-vanilla-query': {
    method: 'POST',
    target: '/?Param1=value1',
    signature: '28038455d6de14eafc1f9222cf5aa6f1a96197d7deb8263271d420d138af7f11',
  },
  'post-header-key-sort': {
    method: 'POST',
    headers: ['my-header1', 'value1'],
    signed: ['my-header1'],
    signature: 'c5410059b04c1ee005303aed430f6e6645f61f4dc9e1461ec8f8916fdf18852c',
  },
  'post-header-value-case': {
    method: 'POST',
    headers: ['my-header1', 'VALUE1'],
    signed: ['my-header1'],
    signature: 'cdbc9802e29d2942e5e10b5bccfdd67c5f22c7c4e8ae67b53629efa58b974b7d',
  },
  'post-sts-header-before': {
    method: 'POST',
    headers: ['x-amz-security-token', suiteToken],
    signature: '85d96828115b5dc0cfc3bd16ad9e210dd772bbebba041836c64533a82be05ead',
  },
  'post-x-www-form-urlencoded': {
    method: 'POST',
    headers: ['content-type', 'application/x-www-form-urlencoded', 'content-length', '13'],
    body: 'Param1=value1',
    signature: 'ff11897932ad3f4e8b18135d722051e5ac45fc38421b1da7b9d196a0fe09473a',
  },
};

describe("AWS's test suite", () => {
  const secretAccessKey = new Secret('wJalrXUtnFEMI/K7MDENG+bPxRfiCYEXAMPLEKEY');
  const signerFor = createSigners();
  for (const [
    name,
    { method = 'GET', target = '/', headers = [], signed = [], body = '', signature },
  ] of Object.entries(suite)) {
    test(`H-63: ${name} has the signature that AWS publishes`, () => {
      const signer = signerFor({
        accessKeyId: 'AKIDEXAMPLE',
        secretAccessKey,
        region: 'us-east-1',
        service: 'service',
        nowMs: Date.UTC(2015, 7, 30, 12, 36),
      });
      const [path = '', query = null] = target.split('?');
      const made = signer.authorize({
        method,
        host: 'example.amazonaws.com',
        path,
        query,
        headers: [...headers, 'x-amz-date', signer.date],
        signed: new Set(signed),
        payloadHash: sha256(body),
        encodesPathOnce: false,
      });
      assert.equal(made.signature, signature);
    });
  }
});

const emptyHash = sha256('');

/** Amazon S3 API Reference, "Signature Calculations for the Authorization Header". */
const s3Examples: Record<string, Vector & { readonly hash?: string }> = {
  'GET Object with a range': {
    target: '/test.txt',
    headers: ['range', 'bytes=0-9'],
    signed: ['range'],
    signature: 'f0e8bdb87c964420e857bd35b5d6ed310bd44f0170aba48dd91039c6036bdb41',
  },
  'PUT Object with a dollar in its key and a signed date': {
    method: 'PUT',
    target: '/test%24file.text',
    headers: ['date', 'Fri, 24 May 2013 00:00:00 GMT', 'x-amz-storage-class', 'REDUCED_REDUNDANCY'],
    signed: ['date'],
    body: 'Welcome to Amazon S3.',
    signature: '98ad721746da40c64f1a55b78f14c238d841ea1380cd77a1b5971af0ece108bd',
  },
  'the same with the dollar as it is': {
    method: 'PUT',
    target: '/test$file.text',
    headers: ['date', 'Fri, 24 May 2013 00:00:00 GMT', 'x-amz-storage-class', 'REDUCED_REDUNDANCY'],
    signed: ['date'],
    body: 'Welcome to Amazon S3.',
    signature: '98ad721746da40c64f1a55b78f14c238d841ea1380cd77a1b5971af0ece108bd',
  },
  'GET Bucket Lifecycle, a parameter without value': {
    target: '/?lifecycle',
    signature: 'fea454ca298b7da1c68078a5d1bdbfbbe0d65c699e0f91ac7a200a0136783543',
  },
  'List Objects': {
    target: '/?max-keys=2&prefix=J',
    signature: '34b48302e7b5fa45bde8084f4b7868a86f0a534bc59db6670ed5711ef69dc6f7',
  },
};

describe("S3's examples", () => {
  const secretAccessKey = new Secret('wJalrXUtnFEMI/K7MDENG/bPxRfiCYEXAMPLEKEY');
  const signerFor = createSigners();
  for (const [
    name,
    { method = 'GET', target = '/', headers = [], signed = [], body, signature },
  ] of Object.entries(s3Examples)) {
    test(`H-63: ${name} has the signature that S3 documents`, () => {
      const signer = signerFor({
        accessKeyId: 'AKIAIOSFODNN7EXAMPLE',
        secretAccessKey,
        region: 'us-east-1',
        service: 's3',
        nowMs: Date.UTC(2013, 4, 24),
      });
      const [path = '', query = null] = target.split('?');
      const payloadHash = body === undefined ? emptyHash : sha256(body);
      const made = signer.authorize({
        method,
        host: 'examplebucket.s3.amazonaws.com',
        path,
        query,
        headers: [...headers, 'x-amz-content-sha256', payloadHash, 'x-amz-date', signer.date],
        signed: new Set(signed),
        payloadHash,
        encodesPathOnce: true,
      });
      assert.equal(made.signature, signature);
    });
  }
});

test('H-63: a day, a region and another secret each give another key, and none is used in place of another', () => {
  const signerFor = createSigners();
  const signable = {
    method: 'GET',
    host: 'example.amazonaws.com',
    path: '/',
    query: null,
    headers: [],
    signed: new Set<string>(),
    payloadHash: emptyHash,
    encodesPathOnce: true,
  };
  const first = new Secret('wJalrXUtnFEMI/K7MDENG+bPxRfiCYEXAMPLEKEY');
  const second = new Secret('another');
  const day = Date.UTC(2015, 7, 30, 23, 59, 59);
  const signatures = [first, second, first].flatMap((secretAccessKey) =>
    ['us-east-1', 'eu-west-1'].flatMap((region) =>
      [day, day + 1000, day].map(
        (nowMs) =>
          signerFor({
            accessKeyId: 'AKIDEXAMPLE',
            secretAccessKey,
            region,
            service: 'service',
            nowMs,
          }).authorize(signable).signature,
      ),
    ),
  );
  assert.equal(new Set(signatures).size, 2 * 2 * 2);
});
