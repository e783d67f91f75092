import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import fc from 'fast-check';
import { compileBody } from '../../../policy/fields/body.ts';
import type { RulesetBody, RulesetMatcher } from '../../../policy/ruleset.ts';
import { readingOf, type Asked } from './asking.ts';

function body(fields: Record<string, RulesetMatcher> | null, rest: Partial<RulesetBody> = {}): RulesetBody {
  return { types: ['Json', 'Form'], maxBytes: 1000, ...(fields === null ? {} : { fields }), ...rest };
}

const large = body({ '/amount': { min: 5000 } });
const deleting = body({ '/action': { equals: 'delete' } });
const mcp = body({ '/tools/*/type': { equals: 'mcp' } });
const json = (value: unknown): Asked => ({ json: JSON.stringify(value) });
const typed = (type: string): Asked => ({ json: '{"x":1}', headers: ['content-type', type] });

describe('a guard on the body holds', () => {
  const cases: Record<string, [body: RulesetBody, asked: Asked]> = {
    'when the value is the one': [deleting, json({ action: 'delete' })],
    'in another letter case of the value': [deleting, json({ action: 'Delete' })],
    'in another letter case of the name (H-51)': [deleting, json({ ACTION: 'delete' })],
    'when one of two spellings is the value (H-51)': [deleting, json({ action: 'get', Action: 'delete' })],
    'with spaces around the value': [deleting, json({ action: ' delete\n' })],
    'with a NUL behind the value (H-51)': [deleting, json({ action: 'delete\0x' })],
    'when the value is in a list': [deleting, json({ action: ['delete'] })],
    'when the query has it instead (H-23)': [deleting, { ...json({}), query: 'action=delete' }],
    'when there is no body and the query has it (H-23)': [deleting, { query: 'action=delete' }],
    'when the query is unreadable (H-23)': [deleting, { ...json({ action: 'get' }), query: 'a;b' }],
    'when a number is written as a string (M-09)': [large, json({ amount: '5000' })],
    'when a number is written as a string with an exponent (M-09)': [large, json({ amount: ' 5e3' })],
    'when a number is written as a string with a unit (M-09)': [large, json({ amount: '6000 EUR' })],
    'when a number is unsafe (H-51)': [large, { json: '{"amount":9007199254740993}' }],
    'when a number is in a list (M-09)': [large, json({ amount: [[6000]] })],
    'when a string is written as a number (M-09)': [body({ '/id': { equals: '5' } }), json({ id: 5 })],
    'when any element is the one': [mcp, json({ tools: [{ type: 'function' }, { type: 'MCP' }] })],
    'when an object stands in place of the list (M-09)': [mcp, json({ tools: { 0: { type: 'mcp' } } })],
    'when a form has it': [deleting, { form: 'action=DELETE' }],
    'when a form has a variant of it (H-52)': [deleting, { form: 'Action[]=delete' }],
    'when a form has a member spelt with a point (H-52)': [
      body({ '/a/b': { equals: 'x' } }),
      { form: 'a.b=x' },
    ],
    'when a form has an element without a number (H-52)': [
      body({ '/a/0/b': { equals: 'x' } }),
      { form: 'a[][b]=x' },
    ],
    'when a form has elements': [mcp, { form: 'tools[x][type]=mcp' }],
    'when it is unreadable (H-51)': [deleting, { json: '{"a":1,"a":2}' }],
    'when it has no document (H-51)': [deleting, { json: ' ' }],
    'when it is too long (H-55)': [deleting, { json: '{}', isCut: true }],
    'when it is compressed (H-53)': [deleting, { json: '{}', headers: ['content-encoding', 'gzip'] }],
    'when it is text that could be JSON (H-50)': [deleting, typed('text/plain')],
    'when it has no Content-Type (H-50)': [deleting, { bytes: Buffer.from('{}') }],
    'when it is multipart (H-52)': [deleting, typed('multipart/form-data; boundary=x')],
    'when it is of a type that it lists': [body(null, { types: ['Json'] }), json({})],
    'when it may be of a type that it lists (H-50)': [body(null, { types: ['Json'] }), typed('text/plain')],
    'when what it wants absent is': [body({ '/a': { absent: true } }), json({ A: 1 })],
    'when what it wants absent is null': [body({ '/a': { absent: true } }), json({ a: null })],
    'when what it wants absent is so in one element': [
      body({ '/a/*/b': { absent: true } }),
      json({ a: [{ b: 1 }, {}] }),
    ],
    'when an optional one is missing': [body({ '/a': { equals: 'x', optional: true } }), json({})],
    'when its pattern does not compile': [body({ '/a': { pattern: '(' } }), {}],
    'when its pointer is none': [body({ '/~': { equals: 'x' } }), {}],
  };
  for (const [when, [rule, asked]] of Object.entries(cases)) {
    it(when, () => assert.equal(compileBody(rule, 'guard')(readingOf(asked)), null));
  }
});

describe('a guard on the body is ruled out', () => {
  const cases: Record<string, [body: RulesetBody, asked: Asked, field: string]> = {
    'when there is no body': [deleting, {}, 'body.types'],
    'when there is no body and the query has another value': [
      deleting,
      { query: 'action=get' },
      'body.types',
    ],
    'when there is no body and all is optional': [
      body({ '/a': { equals: 'x', optional: true } }),
      { query: 'b=x' },
      'body.types',
    ],
    'when it is of another type than listed': [
      body({ '/a': { equals: 'x' } }, { types: ['Form'] }),
      json({ a: 'x' }),
      'body.types',
    ],
    'when it is multipart and only types are asked for': [
      body(null),
      typed('multipart/form-data; boundary=x'),
      'body.types',
    ],
    'when the field is missing': [deleting, json({}), 'body.fields[/action]'],
    'when the value is another': [deleting, json({ action: 'get' }), 'body.fields[/action]'],
    'when the value is null': [deleting, json({ action: null }), 'body.fields[/action]'],
    'when the value is an object': [deleting, json({ action: { a: 'delete' } }), 'body.fields[/action]'],
    'when the number is smaller': [large, json({ amount: 4999 }), 'body.fields[/amount]'],
    'when the number is smaller, as a string': [large, json({ amount: '4999' }), 'body.fields[/amount]'],
    'when no element is the one': [
      mcp,
      json({ tools: [{ type: 'function' }] }),
      'body.fields[/tools/*/type]',
    ],
    'when what it wants absent is there': [
      body({ '/a': { absent: true } }),
      json({ a: 1 }),
      'body.fields[/a]',
    ],
    'when a form has another value': [deleting, { form: 'action=get' }, 'body.fields[/action]'],
  };
  for (const [when, [rule, asked, field]] of Object.entries(cases)) {
    it(when, () => assert.equal(compileBody(rule, 'guard')(readingOf(asked))?.field, field));
  }
});

describe('any body', () => {
  const rule = body({ '/amount': { min: 1, max: 100 }, '/tags/*': { oneOf: ['a', 'b'], optional: true } });
  const grant = compileBody(rule, 'grant');
  const guard = compileBody(rule, 'guard');
  const value = fc.oneof(
    fc.constantFrom(5, 500, '5', null, 'a', [], ['a'], ['a', 'b'], { 0: 'a' }, -0, 1e21),
    fc.jsonValue({ maxDepth: 2 }),
  );
  const object = fc.array(fc.tuple(fc.constantFrom('amount', 'Amount', 'tags', 'x', 'am\u006funt'), value), {
    maxLength: 4,
  });
  const write = (members: [string, unknown][]): string =>
    `{${members.map(([key, member]) => `${JSON.stringify(key)}:${JSON.stringify(member)}`).join(',')}}`;

  it('that a grant takes is one that the same guard holds on, and none throws (H-51)', () => {
    fc.assert(
      fc.property(object, (members) => {
        const asked = { json: write(members) };
        if (grant(readingOf(asked)) === null) assert.equal(guard(readingOf(asked)), null);
      }),
      { numRuns: 10_000 },
    );
  });

  it('gets the same answer however its keys are escaped, spaced and ordered (H-51)', () => {
    const escape = (text: string): string =>
      text
        .split('')
        .map((unit) => `\\u${unit.charCodeAt(0).toString(16).padStart(4, '0')}`)
        .join('');
    fc.assert(
      fc.property(object, (members) => {
        const escaped = members.map(
          ([key, member]) => `"${escape(key)}" :\n${JSON.stringify(member, null, 2)}`,
        );
        const sources = [write(members), `\t{${escaped.join(' , ')}} `, write(members.toReversed())];
        for (const condition of [grant, guard]) {
          const answers = sources.map((source) => condition(readingOf({ json: source })) === null);
          assert.equal(new Set(answers).size, 1, sources.join(' | '));
        }
      }),
      { numRuns: 10_000 },
    );
  });

  it('of any bytes is refused by a grant or read, and never throws (H-51)', () => {
    fc.assert(
      fc.property(fc.uint8Array({ maxLength: 60 }), fc.boolean(), (bytes, isForm) => {
        const type = isForm ? 'application/x-www-form-urlencoded' : 'application/json';
        const asked = { bytes, headers: ['content-type', type] };
        if (grant(readingOf(asked)) === null) assert.equal(guard(readingOf(asked)), null);
      }),
      { numRuns: 10_000 },
    );
  });
});
