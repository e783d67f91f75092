import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import fc from 'fast-check';
import { compileArguments } from '../../../policy/fields/arguments.ts';
import { compileBody } from '../../../policy/fields/body.ts';
import { compileHeaders } from '../../../policy/fields/headers.ts';
import { findFieldProblems } from '../../../policy/fields/problems.ts';
import { compileQuery } from '../../../policy/fields/query.ts';
import type { RulesetFields, RulesetMatcher } from '../../../policy/ruleset.ts';
import { readingOf } from './asking.ts';

describe('fields can never match', () => {
  const one: Record<string, [matcher: RulesetMatcher, message: RegExp]> = {
    'with a min above the max': [{ min: 2, max: 1 }, /min above its max/],
    'with equals below the min': [{ equals: '1', min: 2 }, /no value that passes/],
    'with equals that is no number': [{ equals: 'x', min: 2 }, /no plain decimal/],
    'with equals of another spelling of a number': [{ type: 'Number', equals: '1e3' }, /no plain decimal/],
    'with equals longer than maxLength': [{ equals: 'abc', maxLength: 2 }, /no value that passes/],
    'with equals that starts otherwise': [{ equals: 'abc', startsWith: 'x' }, /no value that passes/],
    'with equals that the pattern does not match': [
      { equals: 'abc', pattern: '[0-9]+' },
      /no value that passes/,
    ],
    'with equals beside oneOf without it': [{ equals: 'a', oneOf: ['b'] }, /no value that passes/],
    'with oneOf of which nothing is left': [{ oneOf: ['a', 'b'], startsWith: 'c' }, /no value that passes/],
    'with a Boolean that is neither': [{ type: 'Boolean', equals: 'yes' }, /"true" or "false"/],
    'with absent beside a value': [{ absent: true, equals: 'a' }, /absent beside equals/],
    'with a number that starts with something': [
      { min: 1, startsWith: '1' },
      /string and for something else/,
    ],
    'with a string that has a min': [{ type: 'String', min: 1 }, /which only numbers have/],
    'with a start longer than maxLength': [
      { startsWith: 'abc', maxLength: 2 },
      /shorter than its startsWith/,
    ],
    'with a pattern that does not compile': [{ pattern: '(a' }, /closing parenthesis/],
    'with a pattern that could not be linear (H-25)': [{ pattern: '(a)\\1' }, /has a pattern that/],
  };
  for (const [how, [matcher, message]] of Object.entries(one)) {
    it(how, () => {
      const [problem, ...rest] = findFieldProblems({ fields: { x: matcher } }, 'query');
      assert.equal(problem?.field, 'query.fields[x]');
      assert.match(problem.message, message);
      assert.deepEqual(rest, []);
    });
  }

  const several: Record<string, [fields: Record<string, RulesetMatcher>, where: string, field: string]> = {
    'with two spellings of a parameter': [{ a: {}, A: {} }, 'query', 'query.fields[A]'],
    'with two spellings of a header': [{ 'x-a': {}, x_a: {} }, 'headers', 'headers.fields[x_a]'],
    'with a name that is both there and absent': [{ a: {}, A: { absent: true } }, 'query', 'query.fields[A]'],
    'with a value and a member of it': [{ '/a': {}, '/a/b': {} }, 'body', 'body.fields[/a/b]'],
    'with a member of what must be absent': [
      { '/a': { absent: true }, '/a/b': {} },
      'body',
      'body.fields[/a/b]',
    ],
    'with a pointer that is none': [{ '/a~': {} }, 'body', 'body.fields[/a~]'],
    'with a name in place of a pointer': [
      { a: {} },
      'mcp.tools[x].arguments',
      'mcp.tools[x].arguments.fields[a]',
    ],
  };
  for (const [how, [fields, where, field]] of Object.entries(several)) {
    it(how, () =>
      assert.deepEqual(
        findFieldProblems({ fields }, where).map((problem) => problem.field),
        [field],
      ),
    );
  }
});

describe('fields can match', () => {
  const cases: Record<string, Record<string, RulesetMatcher>> = {
    'with nothing asked for': { '/a': {} },
    'with one of several values that pass': { '/a': { oneOf: ['ab', 'cd'], startsWith: 'a' } },
    'with equals that all else accepts': {
      '/a': { equals: 'ab', pattern: 'a.', maxLength: 2, oneOf: ['ab'] },
    },
    'with a number within its bounds': { '/a': { equals: '5', min: 5, max: 5 } },
    'with absent and optional': { '/a': { absent: true, optional: true } },
    'with a value and a member of it that must be absent': { '/a': {}, '/a/b': { absent: true } },
    'with a value and a member of it, both optional': {
      '/a': { optional: true },
      '/a/b': { optional: true },
    },
    'with an optional spelling beside one that must be absent': {
      '/a': { optional: true },
      '/A': { absent: true },
    },
  };
  for (const [how, fields] of Object.entries(cases)) {
    it(how, () => assert.deepEqual(findFieldProblems({ fields }, 'body'), []));
  }
});

describe('any fields', () => {
  const text = fc.constantFrom('', 'a', '5', '500', 'true', '(', 'a*', '/a', '~', '-0', '1e3');
  const matcher = fc.record(
    {
      optional: fc.boolean(),
      absent: fc.constant(true as const),
      type: fc.constantFrom('String', 'Number', 'Boolean'),
      equals: text,
      oneOf: fc.array(text, { maxLength: 3 }),
      startsWith: text,
      pattern: text,
      min: fc.integer(),
      max: fc.integer(),
      maxLength: fc.nat(),
    },
    { requiredKeys: [] },
  ) as fc.Arbitrary<RulesetMatcher>;
  const key = fc.constantFrom(
    'a',
    'A',
    '/a',
    '/A',
    '/a/b',
    '/a/*',
    '/*',
    '/~',
    '',
    '*',
    'a[b]',
    '/',
    '/a/*/b',
  );
  const fields = fc.record({
    fields: fc.dictionary(key, matcher, { maxKeys: 3 }),
    others: fc.constantFrom('Allow', 'Deny'),
  }) as fc.Arbitrary<RulesetFields>;
  const asked = fc.constantFrom(
    {},
    { query: 'a=5&A=a' },
    { json: '{"a":"a"}' },
    { json: '{"a":[{"b":5}]}', query: 'b' },
    { form: 'a[b]=5&a[]=1' },
    { headers: ['a', '5'] },
  );

  it('compile, and broken ones grant nothing and hold as guards', () => {
    fc.assert(
      fc.property(fields, asked, (conditions, request) => {
        const reading = readingOf(request);
        const body = { ...conditions, types: ['Json', 'Form'] as const, maxBytes: 1000 };
        const pairs = [
          ['query', compileQuery(conditions, 'grant')(reading), compileQuery(conditions, 'guard')(reading)],
          [
            'headers',
            compileHeaders(conditions, 'grant')(reading),
            compileHeaders(conditions, 'guard')(reading),
          ],
          ['body', compileBody(body, 'grant')(reading), compileBody(body, 'guard')(reading)],
          ['', compileArguments(conditions, 'grant')(null), compileArguments(conditions, 'guard')(null)],
        ] as const;
        for (const [where, granted, guarded] of pairs) {
          if (findFieldProblems(conditions, where).length > 0) {
            assert.notEqual(granted, null);
            assert.equal(guarded, null);
          }
          // What is proved cannot be ruled out.
          if (granted === null) assert.equal(guarded, null, where);
        }
      }),
      { numRuns: 10_000 },
    );
  });
});
