import assert from 'node:assert/strict';
import { describe, test } from 'node:test';
import fc from 'fast-check';
import { isRefusal } from '../../../../policy/refusal.ts';
import type { QueryInject } from '../../../../policy/ruleset-credential.ts';
import { placesOf } from '../../../../sidecar/credentials/inject/inject.ts';
import { assertRefused, assertUnusable, filled, fillOrRefuse, outgoing, unprintable } from './filling.ts';

const key: QueryInject = { kind: 'query', name: 'api_key' };

describe('query refuses', () => {
  for (const [what, value] of Object.entries(unprintable)) {
    test(`P-23: a secret with ${what}`, () => assertUnusable(key, { value }, 'SECRET_UNPRINTABLE'));
  }

  test('P-23: a secret with a space inside, which a query carries in two ways', () =>
    assertUnusable(key, { value: 'canary b' }, 'SECRET_UNPRINTABLE'));

  const lookalikes: Record<string, string> = {
    'another letter case': 'API_KEY=x',
    'another letter case, escaped': '%41pi_key=x',
    'a list of it': 'api_key[]=x',
    'a list of it, escaped': 'api_key%5B%5D=x',
    'a member of it': 'api_key[a]=x',
    'a dot, of which PHP makes an underscore': 'api.key=x',
    'a space, of which PHP makes an underscore': 'api+key=x',
    'an open bracket, of which PHP makes an underscore': 'api[key=x',
    'a space before it': '+api_key=x',
    'a NUL, where software written in C ends': 'api_key%00=x',
    'a semicolon, where some servers split': 'a=1;api_key=x',
    'a semicolon after it': 'api_key=x;b=2',
  };
  for (const [what, query] of Object.entries(lookalikes)) {
    test(`another spelling of the parameter: ${what}`, () => {
      assertRefused(/leave it out/, key, { value: 'canary' }, outgoing({ query }));
      assertRefused(/leave it out/, key, { value: 'canary' }, outgoing({ query: `a=1&${query}&b=2` }));
    });
  }
});

describe('query fills', () => {
  const cases: Record<string, [query: string | null, value: string, expected: string]> = {
    'a request without a query': [null, 'k-1', 'api_key=k-1'],
    'an empty query': ['', 'k-1', 'api_key=k-1'],
    'at the end': ['a=1&b=2', 'k-1', 'a=1&b=2&api_key=k-1'],
    'in place of the placeholder': [
      'api_key=outrider-placeholder.research.maps&a=1',
      'k-1',
      'a=1&api_key=k-1',
    ],
    'in place of every other one': ['api_key=x&a=1&api_key=y&api_key', 'k-1', 'a=1&api_key=k-1'],
    'in place of an escaped spelling': ['%61pi_key=x&a=1&api%5Fkey=y', 'k-1', 'a=1&api_key=k-1'],
    'in place of the only parameter': ['api_key=x', 'k-1', 'api_key=k-1'],
    'beside names that only begin like it': [
      'api_keys=1&api_key_id=2&my_api_key=3',
      'k-1',
      'api_keys=1&api_key_id=2&my_api_key=3&api_key=k-1',
    ],
    'and leaves the rest byte for byte': [
      'q=a+b%20c&&x=%zz&e=%c3%A9&=1&a;b=1&f=%ff',
      'k-1',
      'q=a+b%20c&&x=%zz&e=%c3%A9&=1&a;b=1&f=%ff&api_key=k-1',
    ],
    'what is not unreserved, escaped': [
      null,
      `a-._~!'()*&=+/?#"%`,
      'api_key=a-._~%21%27%28%29%2A%26%3D%2B%2F%3F%23%22%25',
    ],
  };
  for (const [what, [query, value, expected]] of Object.entries(cases)) {
    test(what, () => {
      assert.deepEqual(filled(key, { value }, outgoing({ query })), { headers: [], query: expected });
    });
  }

  test('a name that must be escaped', () => {
    assert.equal(
      filled({ kind: 'query', name: '$key[x]' }, { value: 'k' }, outgoing()).query,
      '%24key%5Bx%5D=k',
    );
  });

  test('S-22: the placeholder stands in that parameter alone', () => {
    assert.deepEqual(placesOf(key), { headers: [], query: ['api_key'] });
  });
});

const name = fc.constantFrom(
  'a',
  'api_key',
  '%61pi_key',
  'api_ke%79',
  'api_keys',
  'API_KEY',
  'api_key[]',
  '',
  'z%20',
);
const pair = fc.tuple(name, fc.constantFrom('', '=', '=1', '=a%26b', '=api_key', '=;', '=%26api_key=x'));
const queries = fc.array(pair.map((parts) => parts.join(''))).map((pairs) => pairs.join('&'));

test('whatever the query, others stay as they are and in order, and ours is there once and last', () => {
  fc.assert(
    fc.property(
      queries,
      fc.string({ unit: fc.constantFrom('k', '&', '=', '%', '+'), minLength: 1 }),
      (query, value) => {
        const result = fillOrRefuse(key, { value }, outgoing({ query }));
        const parsed = [...new URLSearchParams(query)];
        if (isRefusal(result)) {
          assert.ok(/API_KEY|api_key\[\]|;/.test(query));
          return;
        }
        const sent = [...new URLSearchParams(result.query ?? '')];
        assert.deepEqual(sent, [...parsed.filter(([each]) => each !== 'api_key'), ['api_key', value]]);
        const pairs = (result.query ?? '').split('&').slice(0, -1);
        const before = query.split('&');
        let at = 0;
        for (const each of pairs) {
          at = before.indexOf(each, at) + 1;
          assert.notEqual(at, 0, 'not one of the pairs that were sent, in their order');
        }
      },
    ),
  );
});
