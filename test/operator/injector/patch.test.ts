import assert from 'node:assert/strict';
import { describe, test } from 'node:test';
import fc from 'fast-check';
import { createPatch } from '../../../operator/injector/patch.ts';
import { applyPatch } from '../../support/apply-patch.ts';

describe('createPatch', () => {
  test('equal values need no patch, whatever the order of their keys', () => {
    assert.deepEqual(createPatch({ a: [1, { b: null }], c: 'd' }, { c: 'd', a: [1, { b: null }] }), []);
  });

  test('a key is escaped as RFC 6901 says', () => {
    const operations = createPatch({ labels: {} }, { labels: { 'outrider.dev/a~b': 'true' } });
    assert.deepEqual(operations, [{ op: 'add', path: '/labels/outrider.dev~1a~0b', value: 'true' }]);
  });

  test('a named item is inserted before another, which is patched in place', () => {
    const before = { containers: [{ name: 'agent', image: 'a' }] };
    const after = { containers: [{ name: 'outrider' }, { name: 'agent', image: 'a', env: [] }] };
    assert.deepEqual(createPatch(before, after), [
      { op: 'add', path: '/containers/0', value: { name: 'outrider' } },
      { op: 'add', path: '/containers/1/env', value: [] },
    ]);
  });

  test('a list whose items change places is replaced', () => {
    const [a, b] = [{ name: 'a' }, { name: 'b' }];
    assert.deepEqual(createPatch([a, b], [b, a]), [{ op: 'replace', path: '', value: [b, a] }]);
  });

  test('whatever two documents are, the patch turns one into the other', () => {
    const named = fc.array(fc.record({ name: fc.constantFrom('a', 'b', 'c'), value: fc.jsonValue() }));
    const keys = fc.constantFrom('a', 'b/c', '~', '', 'constructor');
    // A webhook's body is parsed with __proto__ refused.
    const value = fc
      .oneof(fc.jsonValue(), named, fc.dictionary(keys, named))
      .map((generated) => JSON.stringify(generated))
      .filter((text) => !text.includes('__proto__'))
      .map((text): unknown => JSON.parse(text));
    fc.assert(
      fc.property(value, value, (before, after) => {
        assert.deepEqual(applyPatch(before, createPatch(before, after)), after);
      }),
      { numRuns: 2000 },
    );
  });
});
