// Hosts, authorities and request targets: what is accepted has the one reading that a WHATWG parser gives it too, and
// reading it again changes nothing.

import assert from 'node:assert/strict';
import { test } from 'node:test';
import fc from 'fast-check';
import { canonicalHost, parseAuthority, parseRequestTarget } from '../../policy/canonical.ts';
import { isRefusal } from '../../policy/refusal.ts';
import { fuzzBounds } from './bounds.ts';

const parts = 3;
/** What is written in front of, between and behind the parts of a name, rightly or not. */
const hostPieces = fc.constantFrom(
  'a', 'b-c', 'xn--nxasmq6b', 'XN--A', 'Api', 'example', 'test', '1', '127', '0', '00', '0x7f', '255', '256', '2130706433', '.', '..', '-', '_', '*', '[', ']', '::', '::1', ':', 'fe80::1%25eth0', '::ffff:127.0.0.1', '%', '%61', '%2e', '@', '/', '\\', '?', '#', ' ', '\t', ',', ';', '"', '\0', '\x7f', '\x85', '\xa0', '\xad', 'é', '。', '．', '①', 'ﬀ', '\u200d', '\u0130', 'ß', 'а', '443', ':443', ':0443', ':80', ':65536', ':+1',
); // prettier-ignore
const hostText = fc.oneof(
  fc.array(hostPieces, { maxLength: 8 }).map((list) => list.join('')),
  fc.array(fc.constantFrom('a', 'b', '1', 'xn--p1ai', '127', 'x-y'), { minLength: 1, maxLength: 5 }).map((list) => list.join('.')),
  fc.ipV6().map((address) => `[${address}]`),
  fc.string({ unit: 'binary', maxLength: 20 }),
); // prettier-ignore

const targetPieces = fc.constantFrom(
  '/', '//', '.', '..', 'a', 'B', 'a...b', '%2e', '%2E', '%252e', '%2f', '%5c', '%25', '%00', '%0a', '%c0%ae', '%e9', '%C3%A9', '%zz', '%', '%4', '%41', ';', ';a=b', ':', '@', '!', '$', "'", '(', '*', '+', ',', '=', '~', '\\', ' ', '\t', '\0', '"', '<', '^', '`', '{', '|', '[', '#', '?', '??', '&', '&a=1', '?a=%', 'é', '\x80', '\u2028',
); // prettier-ignore
const targetText = fc.array(targetPieces, { maxLength: 10 }).map((list) => `/${list.join('')}`);

test('FUZZ: an accepted host is read the same again, and by a WHATWG parser', (context) => {
  fc.assert(
    fc.property(hostText, (text) => {
      const read = canonicalHost(text);
      if (isRefusal(read)) return;
      const spelled = read.host.includes(':') ? `[${read.host}]` : read.host;
      assert.deepEqual(canonicalHost(spelled), read);
      assert.match(read.host, /^[a-z0-9.:-]+$/);
      // `xn--` may be no punycode at all, which URL refuses; then nobody else reads it either.
      if (!URL.canParse(`https://${text}/`)) assert.match(read.host, /xn--/);
      else assert.equal(new URL(`https://${text}/`).hostname.replace(/\.$/, ''), spelled);
    }),
    fuzzBounds(context, parts),
  );
});

test('FUZZ: an accepted authority names the place that a WHATWG parser finds', (context) => {
  fc.assert(
    fc.property(hostText, fc.constantFrom('', ':443', ':80', ':8443', ':0', ':080', ':x'), (text, port) => {
      const read = parseAuthority(`${text}${port}`, 443);
      if (isRefusal(read) || read.host.includes('xn--')) return;
      const url = new URL(`https://${text}${port}/`);
      assert.equal(`${url.username}${url.password}`, '');
      assert.equal(url.pathname, '/');
      assert.equal(url.hostname.replace(/^\[|\]$|\.$/g, ''), read.host);
      assert.equal(Number(url.port === '' ? '443' : url.port), read.port);
    }),
    fuzzBounds(context, parts),
  );
});

test('FUZZ: an accepted target is one that a WHATWG parser leaves as it is', (context) => {
  fc.assert(
    fc.property(targetText, (text) => {
      const read = parseRequestTarget(text);
      if (isRefusal(read)) return;
      const url = new URL(text, 'https://host');
      assert.equal(url.host, 'host');
      assert.equal(url.pathname, read.path);
      assert.equal(url.hash, '');
      assert.equal(read.query === null ? read.path : `${read.path}?${read.query}`, text);
      assert.deepEqual(read.segments, read.path.slice(1).split('/').map(decodeURIComponent));
      assert.deepEqual(parseRequestTarget(text), read);
    }),
    fuzzBounds(context, parts),
  );
});
