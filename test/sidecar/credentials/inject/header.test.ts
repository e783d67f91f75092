import assert from 'node:assert/strict';
import { describe, test } from 'node:test';
import type { HeaderInject } from '../../../../policy/ruleset-credential.ts';
import { placesOf } from '../../../../sidecar/credentials/inject/inject.ts';
import { assertUnusable, filled, outgoing, unprintable } from './filling.ts';

const apiKey: HeaderInject = { kind: 'header', name: 'x-api-key' };

describe('header refuses', () => {
  for (const [what, value] of Object.entries(unprintable)) {
    test(`P-23: a secret with ${what}`, () => assertUnusable(apiKey, { value }, 'SECRET_UNPRINTABLE'));
    test(`P-23: a secret with ${what}, after a prefix`, () =>
      assertUnusable({ ...apiKey, prefix: 'Token ' }, { value }, 'SECRET_UNPRINTABLE'));
  }

  test('P-23: a secret without the part', () => {
    assertUnusable(apiKey, { token: 'canary-t' }, 'SECRET_PART_MISSING');
  });

  for (const prefix of [' ', 'a\r\nb: ', 'é ']) {
    test(`a prefix that no header carries: ${JSON.stringify(prefix)}`, () =>
      assertUnusable({ ...apiKey, prefix }, { value: 'canary' }, 'SECRET_UNPRINTABLE'));
  }
});

describe('header fills', () => {
  const cases: Record<string, [HeaderInject, value: string, expected: readonly [string, string]]> = {
    'the value alone': [apiKey, 'k-1', ['x-api-key', 'k-1']],
    'a prefix with a space (Opsgenie)': [
      { kind: 'header', name: 'authorization', prefix: 'GenieKey ' },
      'k-1',
      ['authorization', 'GenieKey k-1'],
    ],
    'a prefix without one (PagerDuty)': [
      { kind: 'header', name: 'authorization', prefix: 'Token token=' },
      'k-1',
      ['authorization', 'Token token=k-1'],
    ],
    'a value with inner spaces': [apiKey, 'a b', ['x-api-key', 'a b']],
  };
  for (const [what, [inject, value, expected]] of Object.entries(cases)) {
    test(what, () => {
      const request = outgoing({ headers: ['x-api-key', 'outrider-placeholder.research.bot'] });
      assert.deepEqual(filled(inject, { value }, request), { headers: [expected] });
    });
  }

  test('S-22: the placeholder stands in that header alone', () => {
    assert.deepEqual(placesOf(apiKey), { headers: ['x-api-key'], query: [] });
  });
});
