// Whatever is written and whatever is sent, an expression is compiled and decides without throwing, and a guard holds
// wherever a grant of the same expression has no outcome.

import assert from 'node:assert/strict';
import { it } from 'node:test';
import fc from 'fast-check';
import { compileWhen } from '../../../policy/cel/when.ts';
import { createReading } from '../../../policy/reading.ts';

const names = [
  'request.body',
  'request.query',
  'request.headers',
  'request.segments',
  'request.method',
  'mcp.arguments',
];
const more = [
  'now',
  'agent.namespace',
  'request',
  'x',
  'y',
  'x.a',
  'request.body.a',
  'request.body["b"]',
  'null',
  'true',
];
const values = [
  '1',
  '2u',
  '1.5',
  '"a"',
  'b"a"',
  '[1, "a"]',
  '{"a": 1}',
  '-9223372036854775808',
  '0',
  '""',
  'int',
  '[]',
  '{}',
];
const operators = [
  '+',
  '-',
  '*',
  '/',
  '%',
  '==',
  '!=',
  '<',
  '>=',
  'in',
  '&&',
  '||',
  '?',
  ':',
  '!',
  '-',
  '.',
  ',',
  '[',
  ']',
  '(',
  ')',
];
const calls = [
  'size(',
  'type(',
  'int(',
  'string(',
  'double(',
  'timestamp(',
  'duration(',
  'has(',
  'dyn(',
  'bytes(',
  'bool(',
];
const methods = [
  '.all(x,',
  '.exists(x,',
  '.map(y,',
  '.filter(x,',
  '.exists_one(x,',
  '.size()',
  '.matches("a+")',
  '.contains(',
  '.getHours()',
  '.a',
];
const token = fc.constantFrom(...names, ...more, ...values, ...operators, ...calls, ...methods);
const soup = fc.array(token, { minLength: 1, maxLength: 12 }).map((tokens) => tokens.join(' '));

/** Mostly well-formed, so that much of it is evaluated. */
const { expression } = fc.letrec<{ expression: string }>((tie) => ({
  expression: fc.oneof(
    { maxDepth: 4, withCrossShrink: true },
    fc.constantFrom(...names, ...more, ...values),
    fc
      .tuple(
        tie('expression'),
        fc.constantFrom('+', '==', '!=', '<', '>', 'in', '&&', '||', '-', '/', '%'),
        tie('expression'),
      )
      .map(([left, operator, right]) => `(${left} ${operator} ${right})`),
    fc.tuple(fc.constantFrom(...calls), tie('expression')).map(([call, argument]) => `${call}${argument})`),
    fc
      .tuple(
        tie('expression'),
        fc.constantFrom('all', 'exists', 'map', 'filter', 'exists_one'),
        tie('expression'),
      )
      .map(([range, macro, body]) => `dyn(${range}).${macro}(x, ${body})`),
    fc
      .tuple(tie('expression'), tie('expression'))
      .map(([container, key]) => `dyn(${container})[dyn(${key})]`),
    fc
      .tuple(tie('expression'), tie('expression'))
      .map(([one, other]) => `(dyn(${one}) == 1 ? dyn(${other}) : dyn(${one}))`),
  ),
}));
const bodies = fc.oneof(
  fc.json(),
  fc.constantFrom(
    '{"a":1e400,"b":[1,"2",null]}',
    '[9007199254740993, 1]',
    '{"a":{"a":[0.5]},"x":"\\ud83d\\ude00"}',
    '{',
    '',
  ),
);

it('No text makes an expression throw, and no body either (O-06)', () => {
  const agent = { namespace: 'support', serviceAccount: 'triage' };
  let compiled = 0;
  let decided = 0;
  fc.assert(
    fc.property(fc.oneof(soup, expression, fc.string()), bodies, (when, body) => {
      const grant = compileWhen(when, 'grant', agent);
      const guard = compileWhen(when, 'guard', agent);
      const reading = createReading(
        {
          scheme: 'https',
          host: 'api.example',
          port: 443,
          method: 'POST',
          path: '/a',
          segments: ['a'],
          opens: [],
          query: 'a=1&b=2',
          headers: ['content-type', 'application/json'],
          body: { kind: 'read', bytes: Buffer.from(body), isWhole: true },
          placeholder: null,
        },
        0,
      );
      const miss = grant.condition(reading);
      const applies = guard.condition(reading) === null;
      assert.ok(miss !== null || applies, 'what a grant proves, a guard cannot rule out');
      if (grant.problem !== null) assert.ok(miss !== null && applies, 'what is broken is closed both ways');
      if (grant.problem === null) compiled += 1;
      if (miss === null || !applies) decided += 1;
    }),
    { numRuns: 10_000 },
  );
  assert.ok(compiled > 250 && decided > 25, `${compiled} of 10,000 compiled, ${decided} were decided`);
});
