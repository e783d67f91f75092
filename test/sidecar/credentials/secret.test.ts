import assert from 'node:assert/strict';
import { test } from 'node:test';
import { format, inspect } from 'node:util';
import { Secret } from '../../../sidecar/credentials/secret.ts';
import { filled } from './opened.ts';

const canary = 'canary-5f2b';
const secret = new Secret(canary);

const prints: Record<string, () => string> = {
  'a template': () => `a ${secret as unknown as string}`,
  'String()': () => String(secret),
  concatenation: () => 'x'.concat(secret as unknown as string),
  'JSON.stringify': () => JSON.stringify({ secret, list: [secret] }),
  inspect: () => inspect({ secret }, { showHidden: true, depth: null, customInspect: true }),
  'inspect without custom inspection': () => inspect({ secret }, { showHidden: true, customInspect: false }),
  'console formatting': () => format('%s %o %O %j', secret, secret, secret, secret),
  'an error that carries it': () => inspect(Object.assign(new Error('x'), { secret })),
  'a structured clone': () => inspect(structuredClone({ secret }), { showHidden: true }),
  'its own properties': () => JSON.stringify(Object.getOwnPropertyDescriptors(secret)),
};

for (const [way, print] of Object.entries(prints)) {
  test(`S-12: a secret does not show its value through ${way}`, () => {
    assert.doesNotMatch(print(), /canary/);
  });
}

test('a secret prints as [secret]', () => {
  assert.equal(String(secret), '[secret]');
  assert.equal(inspect(secret), '[secret]');
  assert.equal(JSON.stringify(secret), '"[secret]"');
});

const unprintable: Record<string, string> = {
  'a line end': 'abc\n',
  'a carriage return and another header': 'abc\r\nx-admin: 1',
  'a NUL': 'a\0b',
  'a DEL': 'a\u007fb',
  'a space at its end': 'abc ',
  'a space inside': 'a b',
  'a tab': 'a\tb',
  'a letter beyond ASCII': 'abcé',
  'a byte that JS trims as space': 'abc\u00a0',
  nothing: '',
};

for (const [what, value] of Object.entries(unprintable)) {
  test(`P-23: a bearer slot refuses a secret with ${what}, and the error does not print it`, () => {
    assert.throws(
      () => filled({ kind: 'bearer' }, new Map([['value', new Secret(value)]])),
      (error: Error & { code?: string; field?: string }) => {
        assert.equal(error.code, 'SECRET_UNPRINTABLE');
        assert.equal(error.field, 'spec.inject.bearer');
        if (value.trim() !== '') assert.ok(!inspect(error).includes(value.trim()));
        return true;
      },
    );
  });
}

test('a bearer slot is the authorization header', () => {
  assert.deepEqual(filled({ kind: 'bearer' }, new Map([['value', secret]])), {
    headers: [['authorization', `Bearer ${canary}`]],
  });
});
