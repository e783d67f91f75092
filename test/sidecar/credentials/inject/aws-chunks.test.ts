import assert from 'node:assert/strict';
import { buffer } from 'node:stream/consumers';
import { Readable, type Transform } from 'node:stream';
import { pipeline } from 'node:stream/promises';
import { describe, test } from 'node:test';
import { BodyRefusal } from '../../../../sidecar/credentials/inject/aws-sig-v4/body-refusal.ts';
import { sha256 } from '../../../../sidecar/credentials/inject/aws-sig-v4/canonical.ts';
import {
  createChunkSigner,
  maxChunkBytes,
  type ChunkOptions,
} from '../../../../sidecar/credentials/inject/aws-sig-v4/chunks.ts';
import { createSigners } from '../../../../sidecar/credentials/inject/aws-sig-v4/signer.ts';
import { createHashCheck } from '../../../../sidecar/credentials/inject/aws-sig-v4/stated-hash.ts';
import { Secret } from '../../../../sidecar/credentials/secret.ts';

const signer = createSigners()({
  accessKeyId: 'AKIAIOSFODNN7EXAMPLE',
  secretAccessKey: new Secret('wJalrXUtnFEMI/K7MDENG/bPxRfiCYEXAMPLEKEY'),
  region: 'us-east-1',
  service: 's3',
  nowMs: Date.UTC(2013, 4, 24),
});

const placeholderSignature = 'f'.repeat(64);
const large = 'a'.repeat(65_536);
const small = 'a'.repeat(1024);

function framed(signatures: readonly string[], end: string): string {
  const [first, second, last] = signatures;
  return (
    `10000;chunk-signature=${first}\r\n${large}\r\n` +
    `400;chunk-signature=${second}\r\n${small}\r\n` +
    `0;chunk-signature=${last}\r\n${end}`
  );
}

/** Amazon S3 API Reference, the examples of sigv4-streaming and sigv4-streaming-trailers. */
const documented = {
  plain: {
    seed: '4f232c4386841ef735655705268965c44a0e4690baa4adea153f7db9fa80a0a9',
    trailers: null,
    body: framed(
      [
        'ad80c730a21e5b8d04586a2213dd63b9a0e99e0e2307b0ade35a65485a288648',
        '0055627c9e194cb4542bae2aa5492e3c1575bbb81b612b7d234b86a503ef5497',
        'b6c6ea8a5354eaf15b3cb7646744f4275b71ea724fed81ceb9323e279d449df9',
      ],
      '\r\n',
    ),
  },
  trailing: {
    seed: '106e2a8a18243abcf37539882f36619c00e2dfc72633413f02d3b74544bfeb8e',
    trailers: ['x-amz-checksum-crc32c'],
    body: framed(
      [
        'b474d8862b1487a5145d686f57f013e54db672cee1c953b3010fb58501ef5aa2',
        '1c1344b170168f8e65b41376b44b20fe354e373826ccbbe2c1d40a8cae51e5c7',
        '2ca2aba2005185cf7159c6277faf83795951dd77a3a99e6e65d5c9f85863f992',
      ],
      'x-amz-checksum-crc32c:sOO8/Q==\r\nx-amz-trailer-signature:d81f82fc3505edab99d459891051a732e8730629a2e4a59689829ca17fe2e435\r\n\r\n',
    ),
  },
} as const;

/** What left, and how it ended. */
async function run(
  transform: Transform,
  parts: Iterable<string | Buffer>,
): Promise<{ readonly sent: string; readonly error: unknown }> {
  const sent: Buffer[] = [];
  const pieces = [...parts].map((part) => Buffer.from(part as string, 'latin1'));
  const error: unknown = await pipeline(Readable.from(pieces), transform, async (out) => {
    for await (const chunk of out) sent.push(chunk as Buffer);
  }).then(
    () => null,
    (failure: unknown) => failure,
  );
  return { sent: Buffer.concat(sent).toString('latin1'), error };
}

const chunk = (data: string): string =>
  `${data.length.toString(16)};chunk-signature=${placeholderSignature}\r\n${data}\r\n`;
const last = `0;chunk-signature=${placeholderSignature}\r\n`;
const signed = `x-amz-trailer-signature:${placeholderSignature}\r\n\r\n`;

describe('refused before the last byte', () => {
  const crc = ['x-amz-checksum-crc32'];
  const cases: Record<string, readonly [body: string, decodedLength: number, trailers?: readonly string[]]> =
    {
      'no signature on a chunk': ['3\r\nabc\r\n0\r\n\r\n', 3],
      'a signature that is none': ['3;chunk-signature=abc\r\nabc\r\n', 3],
      'another extension': [`3;x=y;chunk-signature=${placeholderSignature}\r\nabc\r\n`, 3],
      'a size with a leading zero': [`03;chunk-signature=${placeholderSignature}\r\nabc\r\n`, 3],
      'a size with a sign': [`+3;chunk-signature=${placeholderSignature}\r\nabc\r\n`, 3],
      'a chunk longer than it says': [chunk('abcd').replace('4;', '3;') + last, 3],
      'a chunk shorter than it says': [chunk('abc').replace('3;', '4;') + last, 4],
      'a bare line feed': [chunk('abc').replaceAll('\r\n', '\n'), 3],
      'a line that never ends': ['1'.repeat(1000), 3],
      'a chunk beyond what is held': [
        `${(maxChunkBytes + 1).toString(16)};chunk-signature=${placeholderSignature}\r\n`,
        maxChunkBytes + 1,
      ],
      'more than was announced': [chunk('abc') + chunk('d') + `${last}\r\n`, 3],
      'less than was announced': [`${chunk('abc')}${last}\r\n`, 4],
      'no last chunk': [chunk('abc'), 3],
      'no end after the last chunk': [chunk('abc') + last, 3],
      'something after the end': [`${chunk('abc')}${last}\r\nGET / HTTP/1.1\r\n`, 3],
      'a trailer that was not announced': [
        `${chunk('abc')}${last}x-amz-checksum-crc32:NSRBwg==\r\n${signed}`,
        3,
      ],
      'a trailer other than the announced': [`${chunk('abc')}${last}x-amz-meta-a:b\r\n${signed}`, 3, crc],
      'an announced trailer that is missing': [`${chunk('abc')}${last}${signed}`, 3, crc],
      'a trailer twice': [
        `${chunk('abc')}${last}x-amz-checksum-crc32:NSRBwg==\r\nx-amz-checksum-crc32:AAAAAA==\r\n${signed}`,
        3,
        crc,
      ],
      'a trailer without signature': [`${chunk('abc')}${last}x-amz-checksum-crc32:NSRBwg==\r\n\r\n`, 3, crc],
      'a trailer with a space': [`${chunk('abc')}${last}x-amz-checksum-crc32: NSRBwg==\r\n${signed}`, 3, crc],
      nothing: ['', 0],
    };
  for (const [what, [body, decodedLength, trailers = null]] of Object.entries(cases)) {
    test(`H-63: ${what}`, async () => {
      const options: ChunkOptions = { signer, seed: documented.plain.seed, decodedLength, trailers };
      const { sent, error } = await run(createChunkSigner(options), [body]);
      assert.ok(error instanceof BodyRefusal, String(error));
      assert.equal(error.refusal.reason, 'request_unsignable');
      assert.ok(!sent.includes('\r\n0;'), 'the last chunk was sent');
    });
  }
});

describe("S3's documented examples, signed again", () => {
  for (const [name, { seed, trailers, body }] of Object.entries(documented)) {
    const arrivals: Record<string, (text: string) => string[]> = {
      'in one piece': (text) => [text],
      'byte by byte': (text) => text.split(''),
      'in pieces of 1000 bytes': (text) => text.match(/[^]{1,1000}/g) ?? [],
    };
    for (const [how, split] of Object.entries(arrivals)) {
      test(`H-63: ${name}, arriving ${how}, leaves with the signatures that S3 documents and as many bytes`, async () => {
        const asSent = body.replaceAll(/(?<=signature[=:])[0-9a-f]{64}/g, placeholderSignature);
        const options: ChunkOptions = { signer, seed, decodedLength: 66_560, trailers };
        const { sent, error } = await run(createChunkSigner(options), split(asSent));
        assert.equal(error, null);
        assert.ok(sent === body, 'the bytes differ');
      });
    }
  }

  test('an empty object is one last chunk', async () => {
    const options: ChunkOptions = { signer, seed: documented.plain.seed, decodedLength: 0, trailers: null };
    const { sent, error } = await run(createChunkSigner(options), [`${last}\r\n`]);
    assert.equal(error, null);
    assert.equal(sent.length, `${last}\r\n`.length);
    assert.ok(!sent.includes(placeholderSignature));
  });
});

describe('a body whose hash is stated', () => {
  const pieces = ['one', 'two', 'three'];
  test('H-63: keeps its last piece back when it is another body', async () => {
    const { sent, error } = await run(createHashCheck(sha256('onetwofour')), pieces);
    assert.ok(error instanceof BodyRefusal);
    assert.equal(error.refusal.reason, 'request_unsignable');
    assert.ok('onetwo'.startsWith(sent), sent);
  });
  test('H-63: sends nothing of one piece that is another body, nor an end', async () => {
    const { sent, error } = await run(createHashCheck(sha256('a')), ['b']);
    assert.ok(error instanceof BodyRefusal);
    assert.equal(sent, '');
  });
  test('passes whole when it is the one', async () => {
    assert.deepEqual(await run(createHashCheck(sha256('onetwothree')), pieces), {
      sent: 'onetwothree',
      error: null,
    });
  });
  test('passes when it is empty', async () => {
    assert.equal((await buffer(Readable.from([]).pipe(createHashCheck(sha256(''))))).length, 0);
  });
});
