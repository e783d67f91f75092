import assert from 'node:assert/strict';
import { createHash, createHmac } from 'node:crypto';
import { describe, test } from 'node:test';
import { Stripe } from 'stripe';
import type { HmacInject } from '../../../../policy/ruleset-credential.ts';
import { needsBody, placesOf } from '../../../../sidecar/credentials/inject/inject.ts';
import type { Outgoing } from '../../../../sidecar/credentials/inject/injector.ts';
import { assertRefused, assertUnusable, filled, outgoing, unprintable } from './filling.ts';

const plain: HmacInject = {
  kind: 'hmac',
  algorithm: 'Sha256',
  keyEncoding: 'Utf8',
  canonical: '{body}',
  digest: 'Hex',
  timestamp: 'Seconds',
  headers: { 'x-signature': '{signature}' },
};

function post(text: string, changes: Partial<Outgoing> = {}): Outgoing {
  return outgoing({ method: 'POST', body: Buffer.from(text), ...changes });
}

function sha256(key: string | Buffer, text: string | Buffer): string {
  return createHmac('sha256', key).update(text).digest('hex');
}

describe('hmac refuses', () => {
  for (const [what, value] of Object.entries(unprintable)) {
    test(`P-23: a key with ${what}`, () => assertUnusable(plain, { value }, 'SECRET_UNPRINTABLE'));
    test(`P-23: a field that a template writes, with ${what}`, () => {
      const inject = { ...plain, headers: { ...plain.headers, 'x-key': '{field.id}' } };
      assertUnusable(inject, { key: 'canary-k', id: value }, 'SECRET_UNPRINTABLE');
    });
  }

  const encodings: Record<string, [HmacInject['keyEncoding'], value: string]> = {
    'Base64 without its padding': ['Base64', 'Y2FuYXJ5LWs'],
    'Base64 with a line end': ['Base64', 'Y2FuYXJ5LWs=\n'],
    'Base64 of the URL alphabet': ['Base64', 'Y2FuYXJ5-_=='],
    'Base64 with something before it': ['Base64', 'whsec_Y2FuYXJ5LWs='],
    'hex of an odd length': ['Hex', 'abc'],
    'hex with 0x before it': ['Hex', '0xabcd'],
    'hex with a letter beyond it': ['Hex', 'canary'],
  };
  for (const [what, [keyEncoding, value]] of Object.entries(encodings)) {
    test(`P-23: a key that is ${what}`, () =>
      assertUnusable(
        { ...plain, keyEncoding },
        { value },
        'SECRET_ENCODING_WRONG',
        'spec.inject.hmac.keyEncoding',
      ));
  }

  const materials: Record<string, [HmacInject, Record<string, string>]> = {
    'without the key': [plain, { id: 'canary-i' }],
    'without a field that a template writes': [
      { ...plain, headers: { ...plain.headers, 'x-key': '{field.id}' } },
      { key: 'canary-k' },
    ],
    'without a field that is signed': [{ ...plain, canonical: '{field.id}{body}' }, { key: 'canary-k' }],
  };
  for (const [what, [inject, parts]] of Object.entries(materials)) {
    test(`P-23: a secret ${what}`, () => assertUnusable(inject, parts, 'SECRET_PART_MISSING'));
  }

  test('a template that cannot be read', () => {
    const cases: [Partial<HmacInject>, field: string][] = [
      [{ canonical: '{bodyy}' }, 'canonical'],
      [{ headers: { 'x-signature': '{signature' } }, 'headers[x-signature]'],
      [{ canonical: '{timestamp}' }, 'canonical'],
    ];
    for (const [changes, field] of cases) {
      const inject = { ...plain, ...changes };
      assertUnusable(inject, { key: 'canary-k' }, 'HMAC_TEMPLATE_INVALID', `spec.inject.hmac.${field}`);
    }
  });

  const dated = { ...plain, canonical: '{header.date}{body}' };
  const requests: Record<string, [HmacInject, Outgoing, message: RegExp]> = {
    'H-63: a request without a header that is signed': [
      dated,
      post('x'),
      /header date is part of what is signed/,
    ],
    'H-63: a request with two of a header that is signed': [
      dated,
      post('x', { headers: ['date', 'a', 'date', 'b'] }),
      /exactly once/,
    ],
    'H-63: a request with another spelling of a parameter that is set': [
      { ...plain, query: [{ name: 'timestamp', value: '{timestamp}' }] },
      post('x', { query: 'TimeStamp=1' }),
      /leave it out/,
    ],
  };
  for (const [what, [inject, request, message]] of Object.entries(requests)) {
    test(what, () => assertRefused(message, inject, { key: 'canary-k' }, request));
  }
});

describe('hmac, as providers document it', () => {
  test("GitHub's webhooks, with the vector of its documentation", () => {
    const inject: HmacInject = { ...plain, headers: { 'x-hub-signature-256': 'sha256={signature}' } };
    assert.deepEqual(filled(inject, { value: "It's a Secret to Everybody" }, post('Hello, World!')), {
      headers: [
        ['x-hub-signature-256', 'sha256=757107ea0eb2509fc211221cce984b8a37570b6d7586c22c46f4379c8b043e17'],
      ],
    });
  });

  test("Slack's requests, with the vector of its documentation", () => {
    const inject: HmacInject = {
      ...plain,
      canonical: 'v0:{timestamp}:{body}',
      headers: { 'x-slack-request-timestamp': '{timestamp}', 'x-slack-signature': 'v0={signature}' },
    };
    const body =
      'token=xyzz0WbapA4vBCDEFasx0q6G&team_id=T1DC2JH3J&team_domain=testteamnow&channel_id=G8PSS9T3V&channel_name=foobar' +
      '&user_id=U2CERLKJA&user_name=roadrunner&command=%2Fwebhook-collect&text=&response_url=https%3A%2F%2Fhooks.slack.com' +
      '%2Fcommands%2FT1DC2JH3J%2F397700885554%2F96rGlfmibIGlgcZRskXaIFfN&trigger_id=398738663015.47445629121.803a0bc887a14d10' +
      'd2c447fce8b6703c';
    assert.deepEqual(
      filled(inject, { value: '8f742231b10e8888abcd99yyyzzz85a5' }, post(body), 1_531_420_618_999),
      {
        headers: [
          ['x-slack-request-timestamp', '1531420618'],
          ['x-slack-signature', 'v0=a2114d57b48eac39b9ad189dd8316235a7b4a8d21a10bd27519666489c69b503'],
        ],
      },
    );
  });

  test("Stripe's webhooks, which its own library accepts", () => {
    const inject: HmacInject = {
      ...plain,
      canonical: '{timestamp}.{body}',
      headers: { 'stripe-signature': 't={timestamp},v1={signature}' },
    };
    const payload = '{"id":"evt_1","object":"event"}';
    const { headers } = filled(inject, { value: 'whsec_canary' }, post(payload), Date.now());
    const stripe = new Stripe('sk_test_x');
    const event = stripe.webhooks.constructEvent(payload, headers[0]?.[1] ?? '', 'whsec_canary');
    assert.equal(event.id, 'evt_1');
    assert.throws(() => stripe.webhooks.constructEvent(`${payload} `, headers[0]?.[1] ?? '', 'whsec_canary'));
  });

  describe('Coinbase Exchange, with signatures that OpenSSL made', () => {
    const inject: HmacInject = {
      kind: 'hmac',
      algorithm: 'Sha256',
      keyEncoding: 'Base64',
      canonical: '{timestamp}{method}{target}{body}',
      digest: 'Base64',
      timestamp: 'Seconds',
      headers: {
        'cb-access-key': '{field.id}',
        'cb-access-sign': '{signature}',
        'cb-access-timestamp': '{timestamp}',
        'cb-access-passphrase': '{field.passphrase}',
      },
      fields: { key: 'secret', id: 'key' },
    };
    // The key of the HMAC is the part `key`, and Coinbase's key is a field that the secret calls so.
    const parts = { key: 'ck-1', secret: 'c2VjcmV0LWNhbmFyeS1vZi1jb2luYmFzZQ==', passphrase: 'open sesame' };
    const cases: Record<string, [Outgoing, signature: string]> = {
      'a GET with a query': [
        outgoing({ path: '/orders', query: 'status=open' }),
        'uW2UjvaJH/9qdqTv2N6ECh0pFZdKIwlaLL5cYTw+3L8=',
      ],
      'a POST': [
        post('{"price":"1.0","size":"1.0","side":"buy","product_id":"BTC-USD"}', { path: '/orders' }),
        'qN37X+yV2LS0kRHAQFhE2cd+iD7t4iygGvC0e+mtHL4=',
      ],
    };
    for (const [what, [request, signature]] of Object.entries(cases)) {
      test(what, () => {
        const headers = ['cb-access-key', 'outrider-placeholder.trade.coinbase', 'cb-access-sign', 'x'];
        assert.deepEqual(filled(inject, parts, { ...request, headers }, 1_394_062_800_000), {
          headers: [
            ['cb-access-key', 'ck-1'],
            ['cb-access-sign', signature],
            ['cb-access-timestamp', '1394062800'],
            ['cb-access-passphrase', 'open sesame'],
          ],
        });
      });
    }
  });

  describe('Binance, with the vectors of its documentation', () => {
    const inject: HmacInject = {
      ...plain,
      canonical: '{query}{body}',
      timestamp: 'Milliseconds',
      headers: { 'x-mbx-apikey': '{field.apiKey}' },
      query: [
        { name: 'timestamp', value: '{timestamp}' },
        { name: 'signature', value: '{signature}' },
      ],
    };
    const parts = {
      apiKey: 'vmPUZE6mv9SD5VNHk4HlWFsOr6aKE2zvsw0MuIgwCIPy6utIco14y7Ju91duEh8A',
      key: 'NhqPtmdSJYdKjVHjA7PZj4Mge3R5YNiP1e3UZjInClVN65XAbvqqM6A7H5fATj0j',
    };
    const order = 'symbol=LTCBTC&side=BUY&type=LIMIT&timeInForce=GTC&quantity=1&price=0.1&recvWindow=5000';
    const signed =
      'timestamp=1499827319559&signature=c8db56825ae71d6d79447849e617115f4a920fa2acdcab2b053c4b2838bd6b71';
    const queries: Record<string, string> = {
      'an order': order,
      'an order that the SDK has signed with placeholders': `timestamp=1&${order}&signature=abc&%73ignature=def`,
    };
    for (const [what, query] of Object.entries(queries)) {
      test(what, () => {
        assert.deepEqual(filled(inject, parts, outgoing({ method: 'POST', query }), 1_499_827_319_559), {
          headers: [['x-mbx-apikey', parts.apiKey]],
          query: `${order}&${signed}`,
        });
      });
    }

    test('an order that is in the query and in the body', () => {
      const query = 'symbol=LTCBTC&side=BUY&type=LIMIT&timeInForce=GTC&recvWindow=5000';
      assert.equal(
        filled(inject, parts, post('quantity=1&price=0.1', { query }), 1_499_827_319_559).query,
        `${query}&timestamp=1499827319559&signature=d8383a10ca503bf8be5aac38adecf79ab71bcb81a405bea7981193c73ec84d2b`,
      );
    });
  });

  test('Gate.io, whose text has lines and a digest of the body', () => {
    const inject: HmacInject = {
      ...plain,
      algorithm: 'Sha512',
      canonical: '{method}\n{path}{newline}{query}\n{bodySha512Hex}\n{timestamp}',
      headers: { key: '{field.id}', timestamp: '{timestamp}', sign: '{signature}' },
    };
    const request = post('{"x":1}', { path: '/api/v4/spot/orders', query: 'a=1' });
    assert.deepEqual(
      filled(inject, { key: 'gate-canary', id: 'k' }, request, 1_800_000_000_000).headers.at(-1),
      [
        'sign',
        'ac278c2d9301bc6c419a6f78991938fa2b61e843739b61ee6117ec12b98b351c045fa6fd6e4b269c1ffe064dc52f2a399349885664a5afbc1e1d353a904a4652',
      ],
    );
  });

  test('Standard Webhooks, with an id of its own and a key in Base64', () => {
    const inject: HmacInject = {
      ...plain,
      keyEncoding: 'Base64',
      digest: 'Base64',
      canonical: 'msg_{nonce}.{timestamp}.{body}',
      headers: {
        'webhook-id': 'msg_{nonce}',
        'webhook-timestamp': '{timestamp}',
        'webhook-signature': 'v1,{signature}',
      },
    };
    const { headers } = filled(inject, { value: 'AAECAw==' }, post('x'));
    const sent = new Map(headers);
    assert.match(sent.get('webhook-id') ?? '', /^msg_[0-9a-f]{32}$/);
    const expected = createHmac('sha256', Buffer.from([0, 1, 2, 3]))
      .update(`${sent.get('webhook-id')}.0.x`)
      .digest('base64');
    assert.equal(sent.get('webhook-signature'), `v1,${expected}`);
  });
});

describe('hmac signs what is sent', () => {
  const request = post('a\xffb', {
    method: 'PUT',
    host: 'api.example.com:8443',
    path: '/a%20b',
    query: 'q=%7e+x',
    headers: ['content-type', 'text/plain', 'x-date', 'today'],
    body: Buffer.from([0x61, 0xff, 0x00, 0x62]),
  });
  const body = request.body ?? Buffer.alloc(0);
  const digest = (hash: string, encoding: 'hex' | 'base64'): string =>
    createHash(hash).update(body).digest(encoding);
  const cases: Record<string, string | Buffer> = {
    '{method} {methodLower}': 'PUT put',
    '{host}{path}': 'api.example.com:8443/a%20b',
    '{query}|{target}': 'q=%7e+x|/a%20b?q=%7e+x',
    '{body}': body,
    '{bodySha256Hex}{bodySha256Base64}': digest('sha256', 'hex') + digest('sha256', 'base64'),
    '{bodySha512Hex}{bodySha512Base64}': digest('sha512', 'hex') + digest('sha512', 'base64'),
    '{bodyMd5Hex}{bodyMd5Base64}': digest('md5', 'hex') + digest('md5', 'base64'),
    '{contentType}{newline}{header.x-date}': 'text/plain\ntoday',
    '{header.x-key}{field.id}é\n': 'k=77é\n',
  };
  for (const [canonical, text] of Object.entries(cases)) {
    test(`H-63: ${JSON.stringify(canonical)}`, () => {
      const headers = { 'x-key': 'k={field.id}', 'x-signature': '{signature}' };
      const { headers: set } = filled({ ...plain, canonical, headers }, { key: 'k', id: '7' }, request);
      assert.deepEqual(set, [
        ['x-key', 'k=7'],
        ['x-signature', sha256('k', text)],
      ]);
    });
  }

  test('H-63: a request without a query, a body or a type', () => {
    const canonical = '{target}|{query}|{body}|{contentType}|{bodySha256Hex}';
    const empty = createHash('sha256').digest('hex');
    const { headers } = filled({ ...plain, canonical }, { key: 'k' }, outgoing());
    assert.equal(headers[0]?.[1], sha256('k', `/v1/things||||${empty}`));
  });

  test('H-63: an empty query, whose question mark is sent', () => {
    const { headers } = filled({ ...plain, canonical: '{target}' }, { key: 'k' }, outgoing({ query: '' }));
    assert.equal(headers[0]?.[1], sha256('k', '/v1/things?'));
  });

  test('H-63: parameters that are added, escaped as they are sent', () => {
    const inject: HmacInject = {
      ...plain,
      canonical: '{target}',
      query: [{ name: 'id', value: '{field.id}' }],
    };
    const { headers, query } = filled(inject, { key: 'k', id: 'a&b' }, outgoing({ query: 'id=x&z=%7e' }));
    assert.equal(query, 'z=%7e&id=a%26b');
    assert.equal(headers[0]?.[1], sha256('k', '/v1/things?z=%7e&id=a%26b'));
  });

  test('H-63: a header that is set, in place of what the agent sent', () => {
    const inject: HmacInject = {
      ...plain,
      canonical: '{header.x-date}',
      headers: { 'x-date': '{timestamp}', 'x-signature': '{signature}' },
    };
    const { headers } = filled(inject, { key: 'k' }, outgoing({ headers: ['x-date', 'long ago'] }), 5000);
    assert.equal(headers[1]?.[1], sha256('k', '5'));
  });
});

test('the digest and the time are written as the injection says', () => {
  const inject: HmacInject = {
    ...plain,
    canonical: '{timestamp}',
    headers: { 'x-time': '{timestamp}', 'x-signature': '{signature}' },
  };
  const raw = (text: string): Buffer => createHmac('sha1', Buffer.from('abcd', 'hex')).update(text).digest();
  const cases = [
    [{ timestamp: 'Seconds', digest: 'Hex' }, '1800000000', 'hex'],
    [{ timestamp: 'Milliseconds', digest: 'Base64' }, '1800000000999', 'base64'],
    [{ timestamp: 'Iso8601', digest: 'Base64Url' }, '2027-01-15T08:00:00.999Z', 'base64url'],
  ] as const;
  for (const [changes, time, encoding] of cases) {
    const each: HmacInject = { ...inject, algorithm: 'Sha1', keyEncoding: 'Hex', ...changes };
    assert.deepEqual(filled(each, { value: 'ABcd' }, outgoing(), 1_800_000_000_999.5).headers, [
      ['x-time', time],
      ['x-signature', raw(time).toString(encoding)],
    ]);
  }
});

test('S-22: the placeholder stands in the headers and parameters that are set', () => {
  const query = [{ name: 'signature', value: '{signature}' }];
  assert.deepEqual(placesOf({ ...plain, query }), { headers: ['x-signature'], query: ['signature'] });
});

test('the body is asked for only where a template has it', () => {
  const templates = { '{body}': true, '{bodyMd5Hex}': true, '{path}': false };
  for (const [canonical, expected] of Object.entries(templates)) {
    assert.equal(needsBody({ ...plain, canonical }, post('x')), expected, canonical);
  }
  assert.equal(needsBody(plain, outgoing()), false);
});
