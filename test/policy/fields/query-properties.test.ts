import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import fc from 'fast-check';
import { compileQuery, queryNeedsBody } from '../../../policy/fields/query.ts';
import type { Miss } from '../../../policy/reading.ts';
import type { RulesetFields, RulesetMatcher } from '../../../policy/ruleset.ts';
import { readingOf } from './asking.ts';

const amount: RulesetFields = { fields: { amount: { min: 1, max: 100 } } };

describe('a condition on the query', () => {
  it('needs the body only while it could be JSON or a form that is not read', () => {
    const head = (...headers: string[]): boolean => queryNeedsBody(readingOf({ headers, isUnread: true }));
    assert.ok(head('content-type', 'application/json'));
    assert.ok(head('content-type', 'application/x-www-form-urlencoded'));
    assert.ok(!head('content-type', 'text/plain'));
    assert.ok(!head('content-type', 'multipart/form-data; boundary=x'));
    assert.ok(!head('content-type', 'application/json', 'content-encoding', 'gzip'));
    assert.ok(!head());
    assert.ok(!queryNeedsBody(readingOf({})));
    assert.ok(!queryNeedsBody(readingOf({ json: '{}' })));
  });

  it('says what the rule asks for', () => {
    const messages: [matcher: RulesetMatcher, message: string][] = [
      [{ min: 1, max: 100 }, "The query's x must be a number from 1 to 100."],
      [{ min: 1 }, "The query's x must be a number of at least 1."],
      [{ equals: 'usd' }, 'The query\'s x must be "usd".'],
      [{ oneOf: ['a', 'b'] }, 'The query\'s x must be one of "a", "b".'],
      [{ type: 'Number', oneOf: ['1', '2'] }, "The query's x must be one of 1, 2."],
      [
        { startsWith: 'a', maxLength: 9 },
        'The query\'s x must be a string that starts with "a" and has at most 9 characters.',
      ],
      [{ type: 'Boolean' }, "The query's x must be true or false."],
      [{}, "The query's x must be a string."],
    ];
    for (const [matcher, message] of messages) {
      const miss = compileQuery({ fields: { x: matcher } }, 'grant')(readingOf({ query: 'y=SECRET' }));
      assert.equal(miss?.message, message);
    }
  });

  it('says so of what may be missing and of what must be', () => {
    const missOf = (matcher: RulesetMatcher): string | undefined =>
      compileQuery({ fields: { x: matcher } }, 'grant')(readingOf({ query: 'x=SECRET' }))?.message;
    assert.equal(missOf({ equals: 'usd', optional: true }), 'The query\'s x, if it is there, must be "usd".');
    assert.equal(missOf({ absent: true }), "The query's x must be left out, in every spelling.");
  });

  it('gives the same Miss each time, made once', () => {
    const condition = compileQuery(amount, 'grant');
    const misses = new Set<Miss | null>();
    for (const query of ['a=1', 'a=2', 'amount=x']) misses.add(condition(readingOf({ query })));
    assert.equal(misses.size, 1);
  });
});

describe('any query', () => {
  const unit = fc.constantFrom('amount', 'Amount', '=', '&', '5', '%61', '[', ']', '.', '+', 'x', '0', ';');
  const anyQuery = fc.string({ unit, maxLength: 12 });

  it('gets the same answer in another order and however it is escaped (H-23)', () => {
    const pair = fc.tuple(
      fc.constantFrom('amount', 'Amount', 'amount[]', 'b', 'amount[x]'),
      fc.constantFrom('5', '500'),
    );
    const escape = (text: string): string =>
      [...Buffer.from(text)].map((byte) => `%${byte.toString(16)}`).join('');
    fc.assert(
      fc.property(fc.array(pair, { maxLength: 4 }), fc.constantFrom('grant', 'guard'), (pairs, stance) => {
        const condition = compileQuery(amount, stance);
        const write = (all: typeof pairs, how: (text: string) => string): string =>
          all.map((one) => one.map(how).join('=')).join('&');
        const answers = [
          write(pairs, String),
          write(pairs, escape),
          write(pairs.toReversed(), encodeURIComponent),
        ].map((query) => condition(readingOf({ query })));
        assert.equal(new Set(answers).size, 1);
      }),
      { numRuns: 10_000 },
    );
  });

  it('that a grant takes is one that the same guard holds on, and none throws', () => {
    const grant = compileQuery(amount, 'grant');
    const guard = compileQuery(amount, 'guard');
    fc.assert(
      fc.property(anyQuery, fc.option(anyQuery), (query, form) => {
        const asked = form === null ? { query } : { query, form };
        if (grant(readingOf(asked)) === null) assert.equal(guard(readingOf(asked)), null);
      }),
      { numRuns: 10_000 },
    );
  });
});
