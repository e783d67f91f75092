import assert from 'node:assert/strict';
import { describe, test } from 'node:test';
import { placesOf } from '../../../../sidecar/credentials/inject/inject.ts';
import { assertUnusable, filled, outgoing, unprintable } from './filling.ts';

describe('bearer refuses', () => {
  for (const [what, value] of Object.entries({ ...unprintable, 'a space inside': 'canary b' })) {
    test(`P-23: a token with ${what}`, () =>
      assertUnusable({ kind: 'bearer' }, { value }, 'SECRET_UNPRINTABLE'));
  }

  test('P-23: a secret of several fields, none of which is the value', () => {
    assertUnusable({ kind: 'bearer' }, { user: 'canary-u', token: 'canary-t' }, 'SECRET_PART_MISSING');
  });
});

test("bearer fills Authorization in place of the agent's, whatever its scheme", () => {
  const request = outgoing({ headers: ['authorization', 'Basic YTpi', 'accept', '*/*'] });
  assert.deepEqual(filled({ kind: 'bearer' }, { value: 'abc._~+/-=' }, request), {
    headers: [['authorization', 'Bearer abc._~+/-=']],
  });
});

test('S-22: the placeholder stands in Authorization alone', () => {
  assert.deepEqual(placesOf({ kind: 'bearer' }), { headers: ['authorization'], query: [] });
});
