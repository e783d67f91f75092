import assert from 'node:assert/strict';
import { describe, test } from 'node:test';
import fc from 'fast-check';
import { placeholder } from '../../../../policy/contract.ts';
import type { BodyInject } from '../../../../policy/ruleset-credential.ts';
import { needsBody, placesOf } from '../../../../sidecar/credentials/inject/inject.ts';
import type { Outgoing } from '../../../../sidecar/credentials/inject/injector.ts';
import { assertRefused, assertUnusable, filled, outgoing, unprintable } from './filling.ts';

const inject: BodyInject = { kind: 'body', pointer: '/auth/key' };
const flat: BodyInject = { kind: 'body', pointer: '/key' };
const ours = placeholder('support', 'tracker');
const escaped = ours.replace('o', '\\u006f');
const value = 'canary-1';

const json = 'application/json';
const form = 'application/x-www-form-urlencoded';

function post(type: string | null, text: string, more: readonly string[] = []): Outgoing {
  const headers = type === null ? more : ['content-type', type, ...more];
  return outgoing({ method: 'POST', headers, body: Buffer.from(text), placeholder: ours });
}

describe('body refuses', () => {
  for (const [what, stored] of Object.entries(unprintable)) {
    test(`P-23: a secret with ${what}`, () =>
      assertUnusable(inject, { value: stored }, 'SECRET_UNPRINTABLE'));
  }

  const good = `{"auth":{"key":"${ours}"}}`;
  const cases: Record<string, [request: Outgoing, message: RegExp]> = {
    'no body': [outgoing({ method: 'POST', headers: ['content-type', json] }), /must be application\/json/],
    'a body of no type': [post(null, good), /must be application\/json/],
    'a body of another type': [post('text/plain', good), /must be application\/json/],
    'a body of a type that is JSON as well': [
      post('application/scim+json', good),
      /must be application\/json/,
    ],
    'a body in another charset': [post(`${json}; charset=utf-16`, good), /must be application\/json/],
    'a compressed body': [post(json, good, ['content-encoding', 'gzip']), /uncompressed/],
    'two types': [post(json, good, ['content-type', form]), /must be application\/json/],
    'a digest of the body': [post(json, good, ['content-md5', 'x']), /has a digest/],
    'a body that is no JSON': [post(json, `${good},`), /more than one JSON document/],
    'a key twice': [post(json, `{"auth":{"key":"${ours}","key":"x"}}`), /has a key twice/],
    'S-22: no placeholder': [post(json, '{"auth":{"key":"x"}}'), /whole value at \/auth\/key/],
    "S-22: another credential's placeholder": [
      post(json, `{"auth":{"key":"${placeholder('support', 'tracker-2')}"}}`),
      /whole value/,
    ],
    'S-22: a placeholder elsewhere': [post(json, `{"auth":{"note":"${ours}"}}`), /whole value/],
    'S-22: a placeholder as a key': [post(json, `{"auth":{"${ours}":1}}`), /whole value/],
    'S-22: a placeholder with something after it': [
      post(json, `{"auth":{"key":"${ours} x"}}`),
      /whole value/,
    ],
    'S-22: a placeholder with something before it': [
      post(json, `{"auth":{"key":"x ${ours}"}}`),
      /whole value/,
    ],
    'S-22: a placeholder in a list': [post(json, `{"auth":{"key":["${ours}"]}}`), /whole value/],
    'S-22: the placeholder of the pointer and a second one': [
      post(json, `{"auth":{"key":"${ours}"},"note":"${ours}"}`),
      /nowhere else/,
    ],
    'S-22: the placeholder of the pointer in escapes': [
      post(json, `{"auth":{"key":"${escaped}"}}`),
      /escapes/,
    ],
    'S-22: the placeholder of the pointer in escapes, and one that would be replaced instead': [
      post(json, `{"auth":{"key":"${escaped}"},"note":"${ours}"}`),
      /escapes/,
    ],
    'S-22: a guess of the secret at the pointer, and a placeholder elsewhere': [
      post(json, `{"auth":{"key":"${value}"},"note":"${ours}"}`),
      /whole value/,
    ],
    'S-22: another spelling of the key beside it': [
      post(json, `{"auth":{"key":"${ours}","Key":"x"}}`),
      /whole value/,
    ],
  };
  for (const [what, [request, message]] of Object.entries(cases)) {
    test(what, () => assertRefused(message, inject, { value }, request));
  }

  const forms: Record<string, [text: string, message: RegExp]> = {
    'the parameter twice': [`key=${ours}&key=x`, /whole value/],
    'another spelling of the parameter': [`key=${ours}&KEY=x`, /whole value/],
    'a list of the parameter': [`key[]=${ours}`, /whole value/],
    'S-22: the placeholder in another parameter': [`note=${ours}`, /whole value/],
    'S-22: the placeholder twice': [`key=${ours}&note=${ours}`, /nowhere else/],
    'S-22: the placeholder in escapes, and one that would be replaced instead': [
      `key=${ours.replace('o', '%6f')}&note=${ours}`,
      /whole value/,
    ],
    'a form that servers split in two ways': [`key=${ours};a=1`, /semicolon/],
  };
  for (const [what, [text, message]] of Object.entries(forms)) {
    test(`in a form: ${what}`, () => assertRefused(message, flat, { value }, post(form, text)));
  }
});

describe('body fills', () => {
  const cases: Record<string, [BodyInject, type: string, secret: string, sent: string, expected: string]> = {
    'JSON, and leaves the rest byte for byte': [
      inject,
      `${json}; charset=UTF-8`,
      'k-1',
      `{ "a": 1.0e2, "auth" :\t{"key":"${ours}"},\n"b":"\\u00e9é" }\n`,
      `{ "a": 1.0e2, "auth" :\t{"key":"k-1"},\n"b":"\\u00e9é" }\n`,
    ],
    'JSON, with what JSON escapes': [flat, json, 'a"b\\c/d', `{"key":"${ours}"}`, '{"key":"a\\"b\\\\c/d"}'],
    'an element of a list': [
      { kind: 'body', pointer: '/params/0' },
      json,
      'k-1',
      `{"method":"login","params":["${ours}",2]}`,
      '{"method":"login","params":["k-1",2]}',
    ],
    'a key with a slash': [
      { kind: 'body', pointer: '/a~1b' },
      json,
      'k-1',
      `{"a/b":"${ours}"}`,
      '{"a/b":"k-1"}',
    ],
    'a form, and leaves the rest byte for byte': [
      flat,
      form,
      'k-1',
      `a=1+2%20&key=${ours}&b=%c3%a9`,
      'a=1+2%20&key=k-1&b=%c3%a9',
    ],
    'a form, with what forms escape': [flat, form, 'a&b=c+d e%', `key=${ours}`, 'key=a%26b%3Dc%2Bd%20e%25'],
    'a form, under a name in brackets': [inject, form, 'k-1', `auth[key]=${ours}`, 'auth[key]=k-1'],
  };
  for (const [what, [each, type, secret, sent, expected]] of Object.entries(cases)) {
    test(what, () => {
      const result = filled(each, { value: secret }, post(type, sent));
      assert.deepEqual({ ...result, body: result.body?.toString() }, { headers: [], body: expected });
    });
  }

  test('S-22: the placeholder stands nowhere in the head', () => {
    assert.deepEqual(placesOf(inject), { headers: [], query: [] });
  });

  test('the body is asked for only where it can be filled', () => {
    assert.equal(needsBody(inject, post(json, '{}')), true);
    assert.equal(needsBody(inject, post(form, '')), true);
    assert.equal(needsBody(inject, post('image/png', '')), false);
    assert.equal(needsBody(inject, outgoing({ headers: ['content-type', json] })), false);
  });
});

test('whatever else is in the JSON, it means the same afterwards', () => {
  fc.assert(
    fc.property(fc.json({ noUnicodeString: false }), fc.json(), (before, after) => {
      const sent = `{"x":${before},"key":"${ours}","y":${after}}`;
      if (!isStrict(sent)) return;
      const { body } = filled(flat, { value }, post(json, sent));
      assert.equal(body?.toString(), sent.replace(ours, value));
    }),
  );
});

/** Strict reading refuses what fast-check also makes: half a surrogate pair, `-0`, numbers beyond a double. */
function isStrict(text: string): boolean {
  return text.isWellFormed() && !/\\ud[89a-f]|__proto__/i.test(text);
}
