import assert from 'node:assert/strict';
import { describe, test } from 'node:test';
import type { BasicInject } from '../../../../policy/ruleset-credential.ts';
import { placesOf } from '../../../../sidecar/credentials/inject/inject.ts';
import { assertUnusable, filled, outgoing, unprintable } from './filling.ts';

const git: BasicInject = { kind: 'basic', username: 'x-access-token' };
const pair: BasicInject = { kind: 'basic' };

describe('basic refuses', () => {
  for (const [what, value] of Object.entries(unprintable)) {
    test(`P-23: a password with ${what}`, () => assertUnusable(git, { value }, 'SECRET_UNPRINTABLE'));
  }

  const cases: Record<string, [BasicInject, Record<string, string>, code: string]> = {
    'P-23: a user name with a line end': [
      pair,
      { username: 'canary\n', password: 'canary-p' },
      'SECRET_UNPRINTABLE',
    ],
    'P-23: a user name beyond ASCII': [
      pair,
      { username: 'canaryü', password: 'canary-p' },
      'SECRET_UNPRINTABLE',
    ],
    'a user name with a colon, which RFC 7617 cannot carry': [
      pair,
      { username: 'canary:admin', password: 'canary-p' },
      'SECRET_USERNAME_INVALID',
    ],
    'a written user name with a colon': [
      { kind: 'basic', username: 'a:b' },
      { value: 'canary-p' },
      'SECRET_USERNAME_INVALID',
    ],
    'P-23: a secret without the user name': [pair, { password: 'canary-p' }, 'SECRET_PART_MISSING'],
    'P-23: a secret of one value, which is never the user name too': [
      pair,
      { value: 'canary-v' },
      'SECRET_PART_MISSING',
    ],
    'P-23: a secret without the password': [git, { username: 'canary-u' }, 'SECRET_PART_MISSING'],
    'P-23: a secret whose field is called otherwise than the injection says': [
      { ...git, fields: { password: 'passwort' } },
      { password: 'canary-p' },
      'SECRET_PART_MISSING',
    ],
  };
  for (const [what, [inject, parts, code]] of Object.entries(cases)) {
    test(what, () => assertUnusable(inject, parts, code));
  }
});

describe('basic fills', () => {
  const cases: Record<string, [BasicInject, Record<string, string>, plain: string]> = {
    'a written user name and a secret of one value': [git, { value: 'ghp_1' }, 'x-access-token:ghp_1'],
    'the parts username and password': [pair, { username: 'u', password: 'p' }, 'u:p'],
    'a written user name before one of the secret': [
      git,
      { username: 'u', password: 'p' },
      'x-access-token:p',
    ],
    'parts by the names that the secret has for them': [
      { kind: 'basic', fields: { username: 'login', password: 'pass' } },
      { login: 'u', pass: 'p' },
      'u:p',
    ],
    'a password with colons and inner spaces': [git, { value: 'a:b c:d' }, 'x-access-token:a:b c:d'],
    'no user name': [{ kind: 'basic', username: '' }, { value: 'p' }, ':p'],
  };
  for (const [what, [inject, parts, plain]] of Object.entries(cases)) {
    test(what, () => {
      assert.deepEqual(filled(inject, parts, outgoing({ headers: ['authorization', 'Basic YTpi'] })), {
        headers: [['authorization', `Basic ${Buffer.from(plain).toString('base64')}`]],
      });
    });
  }

  test("the example of RFC 7617 section 2, byte for byte, in the agent's Authorization", () => {
    const parts = { username: 'Aladdin', password: 'open sesame' };
    assert.deepEqual(filled(pair, parts, outgoing()).headers, [
      ['authorization', 'Basic QWxhZGRpbjpvcGVuIHNlc2FtZQ=='],
    ]);
  });

  test('S-22: the placeholder stands in Authorization alone', () => {
    assert.deepEqual(placesOf(git), { headers: ['authorization'], query: [] });
  });
});
