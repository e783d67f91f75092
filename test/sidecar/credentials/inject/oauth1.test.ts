import assert from 'node:assert/strict';
import { createHmac } from 'node:crypto';
import { createServer, request as send, type IncomingMessage, type Server } from 'node:http';
import type { AddressInfo } from 'node:net';
import { after, before, describe, test } from 'node:test';
import OAuth from 'oauth-1.0a';
import fc from 'fast-check';
import type { OAuth1Inject } from '../../../../policy/ruleset-credential.ts';
import { needsBody, placesOf } from '../../../../sidecar/credentials/inject/inject.ts';
import type { Outgoing } from '../../../../sidecar/credentials/inject/injector.ts';
import { baseString } from '../../../../sidecar/credentials/inject/oauth1/base-string.ts';
import { assertRefused, assertUnusable, filled, outgoing, unprintable } from './filling.ts';

const form = 'application/x-www-form-urlencoded';
const inject: OAuth1Inject = { kind: 'oauth1', signatureMethod: 'HmacSha1', consumerKey: 'ck/1' };
const parts = { consumerSecret: 'canary-consumer', token: 'tk+1', tokenSecret: 'canary-token' };
const nowMs = 1_800_000_000_999;

describe('oauth1 refuses', () => {
  for (const [what, value] of Object.entries(unprintable)) {
    test(`P-23: a consumer secret with ${what}`, () =>
      assertUnusable(inject, { ...parts, consumerSecret: value }, 'SECRET_UNPRINTABLE'));
    test(`P-23: a token secret with ${what}`, () =>
      assertUnusable(inject, { ...parts, tokenSecret: value }, 'SECRET_UNPRINTABLE'));
  }
  test('P-23: a secret without the consumer secret', () =>
    assertUnusable(inject, { token: 'canary' }, 'SECRET_PART_MISSING'));
  test('P-23: a secret without the consumer key, where it is not written out', () =>
    assertUnusable(
      { kind: 'oauth1', signatureMethod: 'Plaintext' },
      { value: 'canary' },
      'SECRET_PART_MISSING',
    ));

  const post = (type: string, text: string, more: readonly string[] = []): Outgoing =>
    outgoing({ method: 'POST', headers: ['content-type', type, ...more], body: Buffer.from(text) });
  const cases: Record<string, [request: Outgoing, message: RegExp]> = {
    "H-63: the agent's own oauth_ parameters in the query": [
      outgoing({ query: 'a=1&oauth_token=x' }),
      /names begin with oauth_/,
    ],
    "H-63: the agent's own oauth_ parameters in the query, escaped": [
      outgoing({ query: '%6fauth_nonce=x' }),
      /names begin with oauth_/,
    ],
    "H-63: the agent's own oauth_ parameters in the form": [
      post(form, 'oauth_callback=oob'),
      /names begin with oauth_/,
    ],
    'H-63: a query that can be read in two ways': [
      outgoing({ query: 'a=1;b=2' }),
      /query, which has a semicolon/,
    ],
    'H-63: a query that is no UTF-8': [outgoing({ query: 'a=%ff' }), /query, which has an escape/],
    'H-63: a form that can be read in two ways': [post(form, 'a=1;b=2'), /body, which has a semicolon/],
    'H-63: a form in another charset': [
      post(`${form}; charset=latin1`, 'a=1'),
      /body, which has a Content-Type/,
    ],
    'H-63: a compressed form': [post(form, 'x', ['content-encoding', 'gzip']), /body, which is compressed/],
    'H-63: a body of two types': [
      post(form, 'a=1', ['content-type', 'text/plain']),
      /body, which has content-type twice/,
    ],
  };
  for (const [what, [request, message]] of Object.entries(cases)) {
    test(what, () => assertRefused(message, inject, parts, request, nowMs));
  }
});

describe('oauth1', () => {
  test('the base string is the one that RFC 5849 section 3.4.1.1 shows, but for its scheme', () => {
    const parameters = [
      ['b5', '=%3D'],
      ['a3', 'a'],
      ['c@', ''],
      ['a2', 'r b'],
      ['oauth_consumer_key', '9djdj82h48djs9d2'],
      ['oauth_token', 'kkk9d7dh3k39sjv7'],
      ['oauth_signature_method', 'HMAC-SHA1'],
      ['oauth_timestamp', '137131201'],
      ['oauth_nonce', '7d8f3e4a'],
      ['c2', ''],
      ['a3', '2 q'],
    ] as const;
    assert.equal(
      baseString({ method: 'post', host: 'EXAMPLE.com:443', path: '/request' }, parameters),
      'POST&https%3A%2F%2Fexample.com%2Frequest&a2%3Dr%2520b%26a3%3D2%2520q%26a3%3Da%26b5%3D%253D%25253D%26c%2540' +
        '%3D%26c2%3D%26oauth_consumer_key%3D9djdj82h48djs9d2%26oauth_nonce%3D7d8f3e4a%26oauth_signature_method%3DHMAC-' +
        'SHA1%26oauth_timestamp%3D137131201%26oauth_token%3Dkkk9d7dh3k39sjv7',
    );
  });

  test("the signature is the one that Twitter's documentation shows", () => {
    const parameters = [
      ['status', 'Hello Ladies + Gentlemen, a signed OAuth request!'],
      ['include_entities', 'true'],
      ['oauth_consumer_key', 'xvz1evFS4wEEPTGEFPHBog'],
      ['oauth_nonce', 'kYjzVBB8Y0ZFabxSWbWovY3uYSQ2pTgmZeNu2VS4cg'],
      ['oauth_signature_method', 'HMAC-SHA1'],
      ['oauth_timestamp', '1318622958'],
      ['oauth_token', '370773112-GmHxMAgYyLbNEtIKZeRNFsMKPR9EyMZeS9weJAEb'],
      ['oauth_version', '1.0'],
    ] as const;
    const base = baseString(
      { method: 'POST', host: 'api.twitter.com', path: '/1.1/statuses/update.json' },
      parameters,
    );
    const key = 'kAcSOqF21Fu85e7zjz7ZN2U4ZRhfV3WpwPAoE3Z7kBw&LswwdoUaIvS8ltyTt5jkRh4J50vUPVVHtR2YPi5kE';
    assert.equal(createHmac('sha1', key).update(base).digest('base64'), 'hCtSmYh+iHYCEqBWrE7C7hYmtUk=');
  });

  test("Authorization is ours alone, with one nonce a request and the second's timestamp", () => {
    const request = outgoing({ headers: ['authorization', 'OAuth oauth_token="x"'] });
    const [first, second] = [1, 2].map(() => headerOf(filled(inject, parts, request, nowMs).headers));
    assert.match(
      first ?? '',
      /^OAuth oauth_consumer_key="ck%2F1", oauth_nonce="[0-9a-f]{32}", oauth_signature_method="HMAC-SHA1", oauth_timestamp="1800000000", oauth_token="tk%2B1", oauth_version="1\.0", oauth_signature="[A-Za-z0-9%]+"$/,
    );
    assert.notEqual(first, second);
  });

  test('the realm is a quoted string, and stands first', () => {
    const [header] = filled({ ...inject, realm: 'a "b" \\' }, parts, outgoing(), nowMs).headers;
    assert.match(header?.[1] ?? '', /^OAuth realm="a \\"b\\" \\\\", oauth_consumer_key=/);
  });

  test('PLAINTEXT is both secrets, encoded twice', () => {
    const plain: OAuth1Inject = { kind: 'oauth1', signatureMethod: 'Plaintext', consumerKey: 'ck' };
    const cases = [
      [{ value: 'a&b' }, 'a%2526b%26'],
      [{ consumerSecret: 'a', tokenSecret: 'b', token: 't' }, 'a%26b'],
    ] as const;
    for (const [material, signature] of cases) {
      const [header] = filled(plain, material, outgoing(), nowMs).headers;
      assert.match(header?.[1] ?? '', new RegExp(`oauth_signature="${signature}"$`));
    }
  });

  test('parts by the names that the secret has for them', () => {
    const fields = { consumerKey: 'ck', consumerSecret: 'cs', token: 't', tokenSecret: 'ts' };
    const [header] = filled(
      { kind: 'oauth1', signatureMethod: 'Plaintext', fields },
      { ck: '1', cs: '2', t: '3', ts: '4' },
      outgoing(),
      nowMs,
    ).headers;
    assert.match(header?.[1] ?? '', /oauth_consumer_key="1".*oauth_token="3".*oauth_signature="2%264"$/);
  });

  test('S-22: the placeholder stands in Authorization alone', () => {
    assert.deepEqual(placesOf(inject), { headers: ['authorization'], query: [] });
  });

  test('the body is asked for only when it is a form', () => {
    const types = { [form]: true, [`${form}; charset=utf-8`]: true, 'application/json': false };
    for (const [type, expected] of Object.entries(types)) {
      const request = outgoing({ method: 'POST', headers: ['content-type', type], body: Buffer.from('a=1') });
      assert.equal(needsBody(inject, request), expected, type);
    }
  });
});

describe('an upstream that verifies with oauth-1.0a', () => {
  let server: Server;
  let port = 0;
  before(async () => {
    server = createServer((request, response) => {
      void verify(request).then((problem) => response.writeHead(problem === '' ? 200 : 401).end(problem));
    });
    await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
    ({ port } = server.address() as AddressInfo);
  });
  after(() => server.close());

  const cases: Record<string, Partial<Outgoing>> = {
    'a GET without parameters': {},
    'a port of its own': { host: 'Erp.Example.com:8443' },
    'parameters that repeat, and need escapes': {
      query: "b=2&a=x+y&a=%C3%A9&a=%2B&c&d=%3D%26&%7B%7D=~!*'()",
    },
    'a path with escapes': { path: '/a%20b/%2f/%C3%A9' },
    'a form': {
      method: 'POST',
      query: 'include=1',
      headers: ['content-type', form],
      body: Buffer.from('status=Hello+Ladies+%2B+Gentlemen%21&include=2&empty='),
    },
    'a form without a byte': {
      method: 'POST',
      headers: ['content-type', form],
      hasBody: true,
      body: Buffer.alloc(0),
    },
    'JSON, which is not signed': {
      method: 'PATCH',
      headers: ['content-type', 'application/json'],
      body: Buffer.from('{"a=1&b":2}'),
    },
  };
  for (const [what, changes] of Object.entries(cases)) {
    for (const signatureMethod of ['HmacSha1', 'HmacSha256', 'Plaintext'] as const) {
      test(`H-63: accepts ${what}, signed with ${signatureMethod}`, async () => {
        const answer = await sendSigned({ ...inject, signatureMethod, realm: '123_SB1' }, outgoing(changes));
        assert.deepEqual(answer, { status: 200, text: '' });
      });
    }
  }

  test('H-63: refuses what was changed after signing', async () => {
    const request = outgoing({ query: 'amount=1' });
    const { headers } = filled(inject, parts, request, nowMs);
    const answer = await post({ ...request, query: 'amount=2' }, headers);
    assert.equal(answer.status, 401);
  });

  async function sendSigned(
    each: OAuth1Inject,
    request: Outgoing,
  ): Promise<{ status: number; text: string }> {
    return post(request, filled(each, parts, request, nowMs).headers);
  }

  async function post(
    { method, path, query, host, headers, body }: Outgoing,
    set: readonly (readonly [string, string])[],
  ): Promise<{ status: number; text: string }> {
    return new Promise((resolve, reject) => {
      const target = query === null ? path : `${path}?${query}`;
      const sent = [...headers, ...set.flat(), 'host', host, 'content-length', String(body?.length ?? 0)];
      send({ port, method, path: target, headers: sent, timeout: 5000 }, (response) => {
        let text = '';
        response.setEncoding('utf8').on('data', (chunk: string) => (text += chunk));
        response.on('end', () => resolve({ status: response.statusCode ?? 0, text }));
      })
        .on('error', reject)
        .end(body ?? undefined);
    });
  }
});

const hashes: Record<string, OAuth.HashFunction> = {
  'HMAC-SHA1': (base, key) => createHmac('sha1', key).update(base).digest('base64'),
  'HMAC-SHA256': (base, key) => createHmac('sha256', key).update(base).digest('base64'),
  PLAINTEXT: (_base, key) => key,
};

/** @returns what is wrong with the request's signature, `''` when nothing is. */
async function verify(request: IncomingMessage): Promise<string> {
  let text = '';
  for await (const chunk of request.setEncoding('utf8')) text += chunk as string;
  const header = request.headers.authorization ?? '';
  const given = Object.fromEntries(
    [...header.matchAll(/(\w+)="([^"]*)"/g)].map(([, name = '', value = '']) => [
      name,
      decodeURIComponent(value),
    ]),
  );
  const { oauth_signature: signature, realm: _realm, ...protocol } = given;
  const method = protocol['oauth_signature_method'] ?? '';
  const url = new URL(request.url ?? '', `https://${request.headers.host}`);
  const data: Record<string, string | string[]> = {};
  const isForm = request.headers['content-type'] === form;
  for (const [name, value] of [...url.searchParams, ...new URLSearchParams(isForm ? text : '')]) {
    data[name] = Object.hasOwn(data, name) ? [data[name] ?? [], value].flat() : value;
  }
  const hash = hashes[method];
  if (hash === undefined) return `no such method: ${method}`;
  const verifier = new OAuth({
    consumer: { key: 'ck/1', secret: parts.consumerSecret },
    signature_method: method,
    hash_function: hash,
  });
  const [rawPath = ''] = (request.url ?? '').split('?');
  const expected = verifier.getSignature(
    { url: `${url.origin}${rawPath}`, method: request.method ?? '', data },
    parts.tokenSecret,
    protocol as unknown as OAuth.Data,
  );
  if (protocol['oauth_consumer_key'] !== 'ck/1' || protocol['oauth_token'] !== 'tk+1')
    return 'not the client';
  return signature === expected ? '' : `expected ${expected}`;
}

function headerOf(headers: readonly (readonly [string, string])[]): string {
  assert.deepEqual(
    headers.map(([name]) => name),
    ['authorization'],
  );
  return headers[0]?.[1] ?? '';
}

test('H-63: whatever the parameters, oauth-1.0a computes the same base string', () => {
  const oauth = new OAuth({ consumer: { key: 'k', secret: 's' }, signature_method: 'PLAINTEXT' });
  const names = fc.constantFrom('a', 'b', 'é', 'a b', '~', "!*'()", 'A', '%');
  const pair = fc.tuple(names, fc.string({ minLength: 1, unit: 'grapheme' }));
  fc.assert(
    fc.property(fc.uniqueArray(pair, { selector: ([name]) => name }), (pairs) => {
      const url = 'https://api.example.com/v1/things';
      assert.equal(
        baseString(outgoing(), pairs),
        oauth.getBaseString({ url, method: 'GET', data: Object.fromEntries(pairs) }, {} as OAuth.Data),
      );
    }),
  );
});
