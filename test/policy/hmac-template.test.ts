import assert from 'node:assert/strict';
import { describe, test } from 'node:test';
import fc from 'fast-check';
import { findHmacProblems, isHmacProblem, parseHmacTemplate } from '../../policy/hmac-template.ts';

describe('a template that cannot be read', () => {
  const cases: Record<string, [text: string, problem: RegExp]> = {
    'a brace that nobody closes': ['a{timestamp', /^has a brace without its counterpart/],
    'a brace that nobody opened': ['timestamp}', /^has a brace without its counterpart/],
    'braces inside braces': ['{a{timestamp}}', /^has a brace without its counterpart/],
    'doubled braces': ['{{timestamp}}', /^has a brace without its counterpart/],
    'a variable without a name': [
      '{}',
      /^has \{\}, which is no variable: write one of \{timestamp\} \{nonce\}/,
    ],
    'an unknown variable': ['{time}', /^has \{time\}, which is no variable/],
    'another letter case': ['{Timestamp}', /^has \{Timestamp\}, which is no variable/],
    'a name that every object has': ['{constructor}', /^has \{constructor\}, which is no variable/],
    'spaces inside': ['{ timestamp }', /^has \{ timestamp \}, which is no variable/],
    'a header without a name': ['{header.}', /^has \{header\.\}, which is no variable/],
    'a header in capitals': ['{header.Date}', /^has \{header\.Date\}: write the header's name in lower case/],
    'the Host header': ['{header.host}', /leave it out, or write \{host\}$/],
    'a header that frames the request': ['{header.content-length}', /cannot be signed: leave it out$/],
    'a field without a name': ['{field.}', /^has \{field\.\}, which is no variable/],
    'a field with another character': ['{field.a b}', /^has \{field\.a b\}, which is no variable/],
  };
  for (const [what, [text, problem]] of Object.entries(cases)) {
    test(`has ${what}`, () => {
      const parsed = parseHmacTemplate(text);
      assert.ok(isHmacProblem(parsed));
      assert.match(parsed.problem, problem);
    });
  }
});

describe('templates that do not fit together', () => {
  const headers = { 'x-signature': '{signature}' };
  const signature = { name: 'signature', value: '{signature}' };
  const cases: Record<string, [Parameters<typeof findHmacProblems>[0], findings: [field: string, RegExp][]]> =
    {
      'the signature signs itself': [
        { canonical: '{signature}', headers },
        [['canonical', /is what canonical is made into/]],
      ],
      'the signature signs a header that holds it': [
        { canonical: '{header.x-signature}', headers },
        [['canonical', /has \{header\.x-signature\}, which has the signature in it/]],
      ],
      'a header holds what can only be signed': [
        { canonical: '{body}', headers: { ...headers, 'x-path': '{path}' } },
        [['headers[x-path]', /has \{path\}, which can only be signed/]],
      ],
      'a parameter holds another header': [
        { canonical: '{body}', query: [{ name: 'd', value: '{header.date}' }, signature] },
        [['query[0].value', /has \{header\.date\}, which can only be signed/]],
      ],
      'the signature goes nowhere': [
        { canonical: '{body}', headers: { 'x-key': '{field.id}' } },
        [['headers', /has \{signature\} nowhere/]],
      ],
      'the upstream is not told the time': [
        { canonical: '{timestamp}{body}', headers },
        [['canonical', /has \{timestamp\}, which the upstream is not told/]],
      ],
      'the upstream is not told the nonce': [
        { canonical: '{nonce}{body}', headers },
        [['canonical', /has \{nonce\}, which the upstream is not told/]],
      ],
      'a parameter stands behind the signature': [
        { canonical: '{query}', query: [signature, { name: 'a', value: '1' }] },
        [['query[0]', /is not the last/]],
      ],
      'a parameter stands there twice': [
        { canonical: '{query}', query: [{ name: 'a', value: '1' }, { name: 'a', value: '2' }, signature] },
        [['query[1].name', /is a for the second time/]],
      ],
      'two cannot be read': [
        { canonical: '{x}', headers: { 'x-signature': '{y}' } },
        [
          ['canonical', /\{x\}/],
          ['headers[x-signature]', /\{y\}/],
        ],
      ],
    };
  for (const [what, [templates, expected]] of Object.entries(cases)) {
    test(what, () => {
      const findings = findHmacProblems(templates);
      assert.deepEqual(
        findings.map(({ field }) => field),
        expected.map(([field]) => field),
      );
      for (const [at, { problem }] of findings.entries()) assert.match(problem, expected[at]?.[1] ?? /^$/);
    });
  }
});

test('a template is text, variables, headers and fields, in order', () => {
  assert.deepEqual(parseHmacTemplate('v0:{timestamp}\n{header.x-date}{field.id}'), [
    { kind: 'text', text: 'v0:' },
    { kind: 'variable', name: 'timestamp' },
    { kind: 'text', text: '\n' },
    { kind: 'header', name: 'x-date' },
    { kind: 'field', name: 'id' },
  ]);
  assert.deepEqual(parseHmacTemplate(''), []);
});

test('a header of ours may be signed where it does not hold the signature', () => {
  assert.deepEqual(
    findHmacProblems({
      canonical: '{header.x-date}{body}',
      headers: { 'x-date': '{timestamp}', authorization: 'HMAC {signature}' },
    }),
    [],
  );
});

test('whatever is read without a problem is written back as it was', () => {
  const piece = fc.constantFrom(
    '{',
    '}',
    '{timestamp}',
    '{field.a}',
    '{header.x-a}',
    'a',
    '\n',
    'é',
    '{{',
    '}}',
  );
  fc.assert(
    fc.property(fc.array(piece), (pieces) => {
      const text = pieces.join('');
      const parsed = parseHmacTemplate(text);
      if (isHmacProblem(parsed)) return;
      const written = parsed.map((part) => {
        if (part.kind === 'text') return part.text;
        return part.kind === 'variable' ? `{${part.name}}` : `{${part.kind}.${part.name}}`;
      });
      assert.equal(written.join(''), text);
    }),
  );
});
