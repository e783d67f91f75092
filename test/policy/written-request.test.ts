import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import fc from 'fast-check';
import { isRefusal } from '../../policy/refusal.ts';
import { parseWrittenRequest } from '../../policy/written-request.ts';
import { readHeaders } from '../../sidecar/proxy/headers.ts';

const url = 'https://api.example.com/v1';

const itself: unknown[] = [];
itself.push(itself);

describe('a written request is invalid', () => {
  const cases: Record<string, [value: unknown, field: string, message: RegExp]> = {
    'when it is no map': ['GET /', '', /is no request/],
    'without a URL': [{ method: 'GET' }, 'url', /is no URL/],
    'with a path alone': [{ url: '/v1' }, 'url', /is no URL/],
    'with a scheme that nobody speaks': [{ url: 'ftp://a.example/' }, 'url', /is no URL/],
    'with a field that it does not have': [
      { url, query: {} },
      'query',
      /is not a field of a request; those are method, url/,
    ],
    'with a method of two words': [{ url, method: 'GET x' }, 'method', /write one word/],
    'with a method that is a number': [{ url, method: 1 }, 'method', /write one word/],
    'with headers that are a list': [{ url, headers: ['a'] }, 'headers', /is no map/],
    'with a header whose name is none': [
      { url, headers: { 'a b': 'c' } },
      'headers.a b',
      /is no name of a header/,
    ],
    'with a header that is a number': [{ url, headers: { 'x-id': 7 } }, 'headers.x-id', /in quotes/],
    'with a line break in a header': [
      { url, headers: { 'x-id': 'a\r\nb: c' } },
      'headers.x-id',
      /printable ASCII/,
    ],
    'with a header that a sidecar makes itself': [
      { url, headers: { Host: 'a' } },
      'headers.Host',
      /never seen by a rule/,
    ],
    'with a placeholder in a header': [
      { url, headers: { authorization: 'Bearer outrider-placeholder.a.b' } },
      'headers.authorization',
      /write placeholder: namespace\.name/,
    ],
    'with two bodies': [{ url, json: 1, form: {} }, '', /has json and form: write at most one/],
    'with a form that is a text': [{ url, form: 'a=b' }, 'form', /is no map/],
    'with a number in a form, which has only text': [
      { url, form: { amount: 100 } },
      'form.amount',
      /in quotes/,
    ],
    'with a body that is a map': [{ url, body: {} }, 'body', /is no text/],
    'with base64 that is none': [{ url, base64: 'a' }, 'base64', /is no padded base64/],
    'with an integer that a double does not hold': [
      { url, json: { a: [2 ** 53] } },
      'json.a[0]',
      /not kept exactly/,
    ],
    'with infinity in JSON': [{ url, json: Infinity }, 'json', /not kept exactly/],
    'with -0 in JSON': [{ url, json: -0 }, 'json', /not kept exactly/],
    'with a date in JSON': [{ url, json: { at: new Date(0) } }, 'json.at', /is nothing that JSON has/],
    'with JSON that contains itself': [
      { url, json: itself },
      `json${'[0]'.repeat(101)}`,
      /lies deeper than 100/,
    ],
    'with a placeholder without its namespace': [
      { url, placeholder: 'stripe' },
      'placeholder',
      /namespace\.name/,
    ],
    'over tcp with a path': [{ url: 'tcp://db.example:5432/x' }, 'url', /a host and a port and nothing else/],
    'over tcp without a port': [{ url: 'tcp://db.example' }, 'url', /a host and a port/],
    'over tcp with a method': [
      { url: 'tcp://db.example:5432', method: 'GET' },
      'method',
      /does not go with tcp/,
    ],
  };
  for (const [what, [value, field, message]] of Object.entries(cases)) {
    it(what, () => {
      const read = parseWrittenRequest(value);
      assert.equal(read.kind, 'invalid');
      const problem = read.problems.find((each) => each.field === field);
      assert.match(problem?.message ?? JSON.stringify(read.problems), message);
    });
  }
});

describe('a written request is refused as a sidecar would', () => {
  const cases: Record<string, [url: string, reason: string]> = {
    'with a user in its URL': ['https://user@api.example.com/', 'request_ambiguous'],
    'with a dot segment': ['https://api.example.com/a/../b', 'request_ambiguous'],
    'with a fragment': ['https://api.example.com/a#b', 'request_ambiguous'],
    'with an empty segment': ['https://api.example.com//a', 'request_ambiguous'],
    'with a backslash for a slash': [String.raw`https://api.example.com\a`, 'request_malformed'],
    'with an address that can be read as a name': ['https://127.1/', 'request_ambiguous'],
    'with a port of its own spelling': ['https://api.example.com:0443/', 'request_ambiguous'],
  };
  for (const [what, [written, reason]] of Object.entries(cases)) {
    it(what, () => {
      const read = parseWrittenRequest({ url: written });
      assert.ok(read.kind === 'refused' && read.refusal.reason === reason, JSON.stringify(read));
    });
  }

  it('when it is a TRACE', () => {
    const read = parseWrittenRequest({ url, method: 'TRACE' });
    assert.ok(read.kind === 'refused' && read.refusal.reason === 'protocol_unsupported');
  });
});

describe('a written request', () => {
  const requestOf = (value: unknown) => {
    const read = parseWrittenRequest(value);
    assert.ok(read.kind === 'request', JSON.stringify(read));
    return read.request;
  };
  const bodyOf = (value: unknown): string => {
    const { body } = requestOf(value);
    assert.ok(body.kind === 'read' && body.isWhole);
    return new TextDecoder().decode(body.bytes);
  };

  it('is a GET without a body unless it says otherwise', () => {
    const request = requestOf({ url: 'https://API.example.com./a%20b?x=1' });
    assert.deepEqual(
      [
        request.scheme,
        request.host,
        request.port,
        request.method,
        request.path,
        request.segments,
        request.query,
      ],
      ['https', 'api.example.com', 443, 'GET', '/a%20b', ['a b'], 'x=1'],
    );
    assert.deepEqual([request.headers, request.body, request.placeholder], [[], { kind: 'none' }, null]);
  });

  it('has a path even when its URL ends before it', () => {
    assert.deepEqual(requestOf({ url: 'https://a.example' }).path, '/');
    assert.deepEqual(requestOf({ url: 'https://a.example?b' }).query, 'b');
    assert.deepEqual(requestOf({ url: 'http://[::1]:8080/' }).host, '::1');
  });

  it('sends JSON, forms, text and bytes, with the media type of the first two', () => {
    assert.equal(bodyOf({ url, json: { b: 1, a: [null] } }), '{"b":1,"a":[null]}');
    assert.equal(bodyOf({ url, json: null }), 'null');
    assert.equal(bodyOf({ url, form: { 'a[]': ['1', '2'], b: 'c d' } }), 'a%5B%5D=1&a%5B%5D=2&b=c+d');
    assert.equal(bodyOf({ url, body: '{"a":1,"a":2}' }), '{"a":1,"a":2}');
    assert.equal(bodyOf({ url, base64: 'AAEC' }), '\u0000\u0001\u0002');
    assert.deepEqual(requestOf({ url, json: {} }).headers, ['content-type', 'application/json']);
    assert.deepEqual(requestOf({ url, json: {}, headers: { 'Content-Type': 'text/plain' } }).headers, [
      'content-type',
      'text/plain',
    ]);
    assert.deepEqual(requestOf({ url, body: 'x' }).headers, []);
    assert.deepEqual(requestOf({ url, body: '' }).body, { kind: 'none' });
  });

  it('sends a placeholder as SDKs do', () => {
    const request = requestOf({ url, placeholder: 'support.stripe' });
    assert.equal(request.placeholder, 'support.stripe');
    assert.deepEqual(request.headers, ['authorization', 'Bearer outrider-placeholder.support.stripe']);
  });

  it('has no method, path or headers over tcp', () => {
    const request = requestOf({ url: 'tcp://db.example:5432' });
    assert.deepEqual(
      [
        request.scheme,
        request.host,
        request.port,
        request.method,
        request.path,
        request.segments,
        request.headers,
      ],
      ['tcp', 'db.example', 5432, '', '', [], []],
    );
  });

  it('has the headers that a sidecar shows to rules, and no other', () => {
    const names = [
      'host content-length transfer-encoding expect connection upgrade traceparent tracestate keep-alive te trailer',
      'http2-settings proxy-connection proxy-authenticate proxy-authorization proxy-authentication-info via forwarded',
      'x-forwarded-for x-forwarded-host x-forwarded-proto x-forwarded-port x-forwarded-server x-forwarded-scheme',
      'x-forwarded-ssl x-forwarded-prefix x-real-ip x-host x-http-host-override x-original-host x-original-url',
      'x-rewrite-url baggage x-http-method-override x-http-method x-method-override',
      'accept authorization content-type content-encoding cookie range x-api-key mcp-session-id stripe-account',
    ].flatMap((line) => line.split(' '));
    for (const name of names) {
      const values: Record<string, string> = {
        expect: '100-continue',
        'content-length': '0',
        'transfer-encoding': 'chunked',
        connection: 'close',
        upgrade: '',
      };
      const value =
        values[name] ?? (name.includes('method') ? 'POST' : name === 'content-encoding' ? 'gzip' : 'a');
      const read = readHeaders([name, value], 'POST', '1.1');
      const isShown = !isRefusal(read) && read.forwarded.includes(name);
      assert.equal(
        parseWrittenRequest({ url, headers: { [name]: value } }).kind === 'request',
        isShown,
        name,
      );
    }
  });

  it('is always one of three things, whatever is written', () => {
    fc.assert(
      fc.property(fc.anything({ withDate: true, withBigInt: true, withSparseArray: true }), (value) => {
        for (const written of [
          value,
          { url: value },
          { url, json: value },
          { url, headers: value },
          { url, form: value },
        ])
          assert.ok(['request', 'refused', 'invalid'].includes(parseWrittenRequest(written).kind));
      }),
      { numRuns: 2000 },
    );
  });
});
