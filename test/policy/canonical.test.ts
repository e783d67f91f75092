import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import fc from 'fast-check';
import { canonicalHost, parseAuthority, parseRequestTarget } from '../../policy/canonical.ts';
import { isRefusal } from '../../policy/refusal.ts';

describe('a request target is refused', () => {
  const refused: Record<string, string> = {
    'with a dot segment (H-20)': '/a/../b',
    'with a single dot segment (H-20)': '/a/./b',
    'that ends in a dot segment (H-20)': '/a/..',
    'with an encoded dot segment (H-20)': '/a/%2e%2e/b',
    'with a half encoded dot segment (H-20)': '/a/.%2E/b',
    'with a doubly encoded dot segment (H-20)': '/a/%252e%252e/b',
    'with a dot segment behind a doubly encoded slash (H-20)': '/a/x%252f%252e%252e%252fb',
    'with a doubly encoded backslash (H-20)': '/a%255Cb',
    'with a doubly encoded NUL (H-20)': '/a%2500',
    'with a doubly encoded line end (H-20)': '/a%250d%250ab',
    'with a doubly encoded dot segment beside bytes that are no UTF-8 (H-20)': '/a/..%252f%25ff',
    'with a dot segment and a path parameter (H-20)': '/a/..;/b',
    'with an encoded backslash (H-20)': '/a%5Cb',
    'with a backslash (H-13)': '/a\\b',
    'with an empty segment (H-20)': '/a//b',
    'that starts with two slashes (H-13)': '//evil.example/a',
    'with an encoded NUL (H-20)': '/a%00',
    'with an encoded line feed (H-20)': '/a%0ab',
    'with an overlong encoding (H-20)': '/%c0%ae%c0%ae/a',
    'with a lone percent sign (H-20)': '/a%zz',
    'with a truncated escape (H-20)': '/a%2',
    'with a fragment (H-22)': '/a#b',
    'with a space': '/a b',
    'with non-ASCII characters': '/caf\u00e9',
    'that is an asterisk (H-13)': '*',
    'that is empty': '',
    'that is a URL (H-11)': 'http://evil.example/',
    'with a control character in the query': '/a?b=\u0001',
    'with a backslash in the query': '/a?b=\\',
    'with a broken escape in the query': '/a?b=%g0',
  };
  for (const [how, target] of Object.entries(refused)) {
    it(how, () => {
      const result = parseRequestTarget(target);
      assert.ok(isRefusal(result), `${target} was read as ${JSON.stringify(result)}`);
      assert.match(result.message, /\.$/);
    });
  }
});

describe('a request target is read', () => {
  const read: Record<string, [target: string, segments: string[], query: string | null]> = {
    'when it is the root': ['/', [''], null],
    'with a trailing slash': ['/a/', ['a', ''], null],
    'with three dots inside a segment': ['/a...b/...', ['a...b', '...'], null],
    'with a verb after a colon': [
      '/v1/models/x:generateContent',
      ['v1', 'models', 'x:generateContent'],
      null,
    ],
    'with a dot name': ['/.well-known/a', ['.well-known', 'a'], null],
    'with an encoded space and UTF-8': ['/a%20b/caf%C3%A9', ['a b', 'caf\u00e9'], null],
    'with an encoded percent sign': ['/100%25', ['100%'], null],
    'with an at sign': ['/calendars/team@acme.example', ['calendars', 'team@acme.example'], null],
    'with an empty query': ['/a?', ['a'], ''],
    'with brackets and a second question mark in the query': ['/a?b[]=1&c=?/', ['a'], 'b[]=1&c=?/'],
    'with dot segments in the query, which is not a path': ['/a?next=/../b', ['a'], 'next=/../b'],
  };
  for (const [how, [target, segments, query]] of Object.entries(read)) {
    it(how, () => {
      const path = target.split('?')[0];
      assert.deepEqual(parseRequestTarget(target), { path, segments, opens: [], query });
    });
  }
});

describe('a host is refused', () => {
  const refused: Record<string, string> = {
    'with a slash': 'a/b',
    'with userinfo (H-13)': 'user@api.example',
    'percent-encoded (H-10)': 'api%2eexample',
    'in Unicode (H-10)': 'b\u00fccher.example',
    'with a fullwidth dot (H-10)': 'api\uff0eexample',
    'with an empty label (H-10)': 'api..example',
    'with a leading dot': '.api.example',
    'with two trailing dots (H-10)': 'api.example..',
    'with an underscore (H-10)': 'a_b.example',
    'with a label of 64 characters (H-10)': `${'a'.repeat(64)}.example`,
    'longer than 253 characters (H-10)': `${'a.'.repeat(126)}example`,
    'that starts with a hyphen': '-a.example',
    empty: '',
    'as a short IPv4 address (N-10)': '127.1',
    'as a hexadecimal IPv4 address (N-10)': '0x7f.0.0.1',
    'as one hexadecimal number (N-10)': '0x7f000001',
    'as an octal IPv4 address (N-10)': '0177.0.0.1',
    'as one decimal number (N-10)': '2130706433',
    'as an IPv6 address without brackets (H-10)': '::1',
    'as an IPv6 address with a zone (H-10)': '[fe80::1%eth0]',
    'with one bracket (H-10)': '[::1',
  };
  for (const [how, host] of Object.entries(refused)) {
    it(how, () => assert.ok(isRefusal(canonicalHost(host)), host));
  }
});

describe('a request target is read, for rules that open it alone (H-20)', () => {
  const read: Record<string, [target: string, segments: string[], opens: string[]]> = {
    'with a path parameter': ['/a;x=1/b', ['a;x=1', 'b'], ['PathParameters']],
    'with an encoded slash': ['/a%2fb', ['a/b'], ['EncodedSlash']],
    'with a slash that is encoded twice': ['/a%252fb', ['a%2fb'], ['EncodedSlash']],
    'with both': ['/%2F;v=1', ['/;v=1'], ['EncodedSlash', 'PathParameters']],
  };
  for (const [how, [target, segments, opens]] of Object.entries(read)) {
    it(how, () => {
      assert.deepEqual(parseRequestTarget(target), { path: target, segments, opens, query: null });
    });
  }
});

describe('an authority is read', () => {
  const read: Record<string, [text: string, port: number | null, host: string, result: number]> = {
    'in lower case without its trailing dot (H-10)': ['API.Example.:443', null, 'api.example', 443],
    'with the default port': ['api.example', 443, 'api.example', 443],
    'in punycode': ['xn--bcher-kva.example', 443, 'xn--bcher-kva.example', 443],
    'as an IPv4 address': ['192.0.2.1:8443', null, '192.0.2.1', 8443],
    'as an IPv6 address, compressed': ['[2001:DB8:0:0::1]:443', null, '2001:db8::1', 443],
  };
  for (const [how, [text, defaultPort, host, port]] of Object.entries(read)) {
    it(how, () => assert.deepEqual(parseAuthority(text, defaultPort), { host, port }));
  }
});

describe('an authority is refused', () => {
  for (const text of [
    'a:0',
    'a:65536',
    'a:00443',
    'a:443x',
    'a: 443',
    'a:+443',
    'a:',
    'a:443:443',
    '[::1]x:443',
    'a',
  ]) {
    it(`as ${text} (N-14)`, () => assert.ok(isRefusal(parseAuthority(text, null))));
  }
});

it('reading never throws, and what it reads it reads the same again', () => {
  fc.assert(
    fc.property(fc.oneof(fc.string({ unit: 'binary' }), fc.webUrl(), fc.webPath()), (text) => {
      const target = parseRequestTarget(text);
      if (!isRefusal(target)) {
        const again = parseRequestTarget(
          target.query === null ? target.path : `${target.path}?${target.query}`,
        );
        assert.deepEqual(again, target);
      }
      const host = canonicalHost(text);
      if (!isRefusal(host) && !host.host.includes(':')) assert.deepEqual(canonicalHost(host.host), host);
    }),
    { numRuns: 10_000 },
  );
});

it('no accepted path resolves to another one (H-20)', () => {
  const piece = fc.constantFrom(
    'a',
    '.',
    '..',
    '%2e',
    '%2E',
    '%252e',
    '%2f',
    '%5c',
    ';',
    '/',
    '//',
    '%25',
    '\\',
    ' ',
  );
  fc.assert(
    fc.property(fc.array(piece, { maxLength: 12 }), (pieces) => {
      const path = `/${pieces.join('')}`;
      const read = parseRequestTarget(path);
      if (isRefusal(read)) return;
      // The WHATWG parser is what Node and browsers normalise with.
      assert.equal(new URL(`https://a.example${path}`).pathname, path);
      const decoded = encodeURI(decodeURIComponent(path));
      assert.equal(new URL(`https://a.example${decoded}`).pathname, decoded);
    }),
    { numRuns: 10_000 },
  );
});
