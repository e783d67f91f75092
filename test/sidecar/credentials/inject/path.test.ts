import assert from 'node:assert/strict';
import { describe, test } from 'node:test';
import fc from 'fast-check';
import { placeholder } from '../../../../policy/contract.ts';
import type { PathInject } from '../../../../policy/ruleset-credential.ts';
import { placesOf } from '../../../../sidecar/credentials/inject/inject.ts';
import { assertRefused, assertUnusable, filled, outgoing, unprintable } from './filling.ts';

const bot: PathInject = { kind: 'path', prefix: '/bot' };
const ours = placeholder('support', 'telegram.bot');
const token = '110201543:AAHdqTcvCH1vGWJxfSeofSAs0K5PALDsaw';

describe('path refuses', () => {
  const values: Record<string, string> = {
    ...unprintable,
    'a slash': 'canary/x',
    'an escape': 'canary%2Fx',
    'a question mark': 'canary?x',
    'a hash': 'canary#x',
    'a semicolon': 'canary;x',
    'a backslash': 'canary\\x',
    'dots alone': '..',
    'one dot alone': '.',
    'no letter or digit': '-',
  };
  for (const [what, value] of Object.entries(values)) {
    test(`P-23: a secret with ${what}`, () => assertUnusable(bot, { value }, 'SECRET_UNPRINTABLE'));
  }

  const misplaced: Record<string, [path: string, query?: string]> = {
    'S-22: a path without the placeholder': ['/bot123:abc/sendMessage'],
    'S-22: after another prefix': [`/file/bot${ours}/sendMessage`],
    'S-22: not right after the prefix': [`/botx${ours}/sendMessage`],
    'S-22: in a later segment': [`/bot/${ours}`],
    'S-22: not up to the end of its segment': [`/bot${ours}_x/sendMessage`],
    'S-22: followed by an escaped slash': [`/bot${ours}%2Fx`],
    'S-22: followed by a path parameter': [`/bot${ours};x=1/sendMessage`],
    'S-22: in two places of the path': [`/bot${ours}/${ours}`],
    'S-22: in the path and in the query': [`/bot${ours}/sendMessage`, `text=${ours}`],
    'S-22: in the path and escaped in the query': [
      `/bot${ours}/sendMessage`,
      `text=${ours.replace('o', '%6F')}`,
    ],
    'S-22: in the path and escaped in it': [`/bot${ours}/${ours.replace('o', '%6f')}`],
    'S-22: written with an escape': [`/bot${ours.replace('o', '%6f')}/sendMessage`],
    "S-22: another credential's placeholder": [`/bot${placeholder('support', 'telegram')}/sendMessage`],
    'S-22: only its beginning': ['/botoutrider-placeholder./sendMessage'],
    'S-22: longer than any name': [`/bot${ours}${'a'.repeat(400)}/sendMessage`],
  };
  for (const [what, [path, query = null]] of Object.entries(misplaced)) {
    test(what, () =>
      assertRefused(/begin with \/bot/, bot, { value: token }, outgoing({ path, query, placeholder: ours })),
    );
  }
});

describe('path fills', () => {
  const cases: Record<string, [inject: PathInject, path: string, expected: string]> = {
    'the rest of a segment': [bot, `/bot${ours}/sendMessage`, `/bot${token}/sendMessage`],
    'the last segment': [bot, `/bot${ours}`, `/bot${token}`],
    'a whole segment': [
      { kind: 'path', prefix: '/services/T000/B000/' },
      `/services/T000/B000/${ours}`,
      `/services/T000/B000/${token}`,
    ],
    'and leaves the rest byte for byte': [bot, `/bot${ours}/a%2fb/%C3%A9;c/`, `/bot${token}/a%2fb/%C3%A9;c/`],
  };
  for (const [what, [inject, path, expected]] of Object.entries(cases)) {
    test(what, () => {
      assert.deepEqual(
        filled(inject, { value: token }, outgoing({ path, query: 'a=1', placeholder: ours })),
        {
          headers: [],
          path: expected,
        },
      );
    });
  }

  test('S-22: the placeholder stands in the path alone', () => {
    assert.deepEqual(placesOf(bot), { headers: [], query: [], path: true });
  });
});

test('whatever the rest of the path, it stays, and the secret stands once', () => {
  const character = fc.constantFrom(
    'a',
    'Z',
    '0',
    '-',
    '.',
    '_',
    '~',
    ':',
    '@',
    '/',
    '%',
    ';',
    '=',
    '%41',
    '%2F',
  );
  fc.assert(
    fc.property(fc.string({ unit: character }), (rest) => {
      const { path } = filled(
        bot,
        { value: token },
        outgoing({ path: `/bot${ours}/${rest}`, placeholder: ours }),
      );
      assert.equal(path, `/bot${token}/${rest}`);
    }),
  );
});
