// What aws4, which is none of ours, makes of the same request: any path and query that can get here.

import assert from 'node:assert/strict';
import { describe, test } from 'node:test';
import aws4 from 'aws4';
import fc from 'fast-check';
import { canonicalRequest, sha256 } from '../../../../sidecar/credentials/inject/aws-sig-v4/canonical.ts';

const byte = (code: number): string => `%${code.toString(16).padStart(2, '0')}`;
/** In upper and lower case, of letters too, and of text in several bytes. */
const escaped = fc.oneof(
  fc.constantFrom('%20', '%2f', '%2F', '%25', '%2B', '%7e', '%41', '%E1%88%B4', '%e1%88%b4', '%F0%9F%98%80'),
  fc.integer({ min: 0x21, max: 0x7e }).map(byte),
);
const plain = fc.constantFrom(..."abzAZ09-._~!$&'()*,;=:@".split(''));
const nameOrValue = fc.array(fc.oneof(escaped, fc.constantFrom(..."abzAZ09-._~!$'()*,;:@/?+".split(''))), {
  minLength: 1,
  maxLength: 6,
});
const segment = fc
  .array(fc.oneof(escaped, plain), { minLength: 1, maxLength: 6 })
  .map((parts) => parts.join(''))
  // Dot segments are refused before.
  .filter((text) => !/^(?:\.|%2e)+$/i.test(text) && !/%2f/i.test(text));
const path = fc.array(segment, { maxLength: 4 }).map((segments) => `/${segments.join('/')}`);
const query = fc.uniqueArray(fc.tuple(nameOrValue, fc.option(nameOrValue)), {
  maxLength: 5,
  // What S3 takes once is refused when it is sent twice, in whatever spelling.
  selector: ([name]) => decodeURIComponent(name.join('').replaceAll('+', ' ')),
});

function ofAws4(service: string, target: string): string {
  const options = {
    service,
    region: 'us-east-1',
    method: 'GET',
    path: target,
    host: 'example.amazonaws.com',
    headers: { host: 'example.amazonaws.com', 'x-amz-content-sha256': sha256('') },
    doNotModifyHeaders: true,
  };
  const signer = new aws4.RequestSigner(options, { accessKeyId: 'a', secretAccessKey: 'b' });
  signer.prepareRequest();
  return signer.canonicalString();
}

describe('canonical requests', () => {
  for (const service of ['s3', 'execute-api']) {
    test(`H-63: ${service}: are what another signer makes of the same bytes`, () => {
      fc.assert(
        fc.property(path, query, (wirePath, pairs) => {
          const wireQuery = pairs
            .map(([name, value]) => name.join('') + (value === null ? '' : `=${value.join('')}`))
            .join('&');
          const { text } = canonicalRequest({
            method: 'GET',
            host: 'example.amazonaws.com',
            path: wirePath,
            query: pairs.length === 0 ? null : wireQuery,
            headers: ['x-amz-content-sha256', sha256('')],
            signed: new Set(),
            payloadHash: sha256(''),
            encodesPathOnce: service === 's3',
          });
          assert.equal(text, ofAws4(service, pairs.length === 0 ? wirePath : `${wirePath}?${wireQuery}`));
        }),
        { numRuns: 2000 },
      );
    });
  }
});
