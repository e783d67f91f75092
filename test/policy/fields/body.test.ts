import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import { compileBody } from '../../../policy/fields/body.ts';
import type { RulesetBody } from '../../../policy/ruleset.ts';
import { readingOf, type Asked } from './asking.ts';

function body(fields: Partial<RulesetBody>): RulesetBody {
  return { types: ['Json', 'Form'], maxBytes: 1000, ...fields };
}

const amount = body({ fields: { '/amount': { min: 1, max: 100 } } });
const llm = body({
  types: ['Json'],
  fields: {
    '/model': { oneOf: ['gpt-5-mini'] },
    '/tools/*/type': { equals: 'function', optional: true },
    '/stream_options/include_usage': { type: 'Boolean', equals: 'true', optional: true },
  },
});
const attendees = body({ fields: { '/attendees/*/email': { pattern: '[^@]+@acme\\.example' } } });
const noServers = body({ fields: { '/mcp_servers': { absent: true } } });
const closed = body({
  fields: {
    '/a/b': { equals: 'x' },
    '/list/*/id': { type: 'Number', optional: true },
    '/c': { type: 'Boolean', optional: true },
  },
  others: 'Deny',
});
const tags = body({ fields: { '/tags/*': { oneOf: ['a', 'b'] } } });
const items = body({ fields: { '/items/*/price': { max: 5 } } });
const json = (value: unknown): Asked => ({ json: JSON.stringify(value) });

describe('a grant on the body is not proven', () => {
  const cases: Record<string, [body: RulesetBody, asked: Asked, field: string, reason?: string]> = {
    'when there is none': [amount, {}, 'body.types'],
    'when it is of another type than listed': [body({ types: ['Json'] }), { form: 'a=1' }, 'body.types'],
    'when it is JSON sent as text (H-50)': [
      amount,
      { json: '{"amount":5}', headers: ['content-type', 'text/plain'] },
      'body.types',
    ],
    'when it has no Content-Type (H-50)': [amount, { bytes: Buffer.from('{"amount":5}') }, 'body.types'],
    'when it is multipart (H-52)': [
      amount,
      { form: 'x', headers: ['content-type', 'multipart/form-data; boundary=x'] },
      'body.types',
    ],
    'when it is in another charset (H-50)': [
      amount,
      { json: '{"amount":5}', headers: ['content-type', 'application/json; charset=utf-16'] },
      'body',
      'body_unreadable',
    ],
    'when it is compressed (H-53)': [
      amount,
      { json: '{"amount":5}', headers: ['content-encoding', 'gzip'] },
      'body',
      'body_unreadable',
    ],
    'when it has a key twice (H-51)': [
      amount,
      { json: '{"amount":5,"amount":500}' },
      'body',
      'body_unreadable',
    ],
    'when a key that nobody governs is there twice (H-51)': [
      amount,
      { json: '{"amount":5,"x":{"a":1,"a":2}}' },
      'body',
      'body_unreadable',
    ],
    'when it is too long to be read (H-55)': [
      amount,
      { json: '{"amount":5}', isCut: true },
      'body.maxBytes',
      'body_too_large',
    ],
    'when it is longer than this rule allows (H-55)': [
      amount,
      { json: `{"amount":5${' '.repeat(1000)}}` },
      'body.maxBytes',
      'body_too_large',
    ],
    'when the field is missing': [amount, json({}), 'body.fields[/amount]'],
    'when the field is null (M-09)': [amount, json({ amount: null }), 'body.fields[/amount]'],
    'when a number is written as a string (M-09)': [amount, json({ amount: '5' }), 'body.fields[/amount]'],
    'when a number is in a list (M-09)': [amount, json({ amount: [5] }), 'body.fields[/amount]'],
    'when a number is in an object (M-09)': [amount, json({ amount: { $gt: 5 } }), 'body.fields[/amount]'],
    'when a number is too large': [amount, json({ amount: 101 }), 'body.fields[/amount]'],
    'when a number is unsafe (H-51)': [
      body({ fields: { '/amount': { min: 0 } } }),
      { json: '{"amount":9007199254740993}' },
      'body.fields[/amount]',
      'body_unreadable',
    ],
    'when a number is beyond all doubles (H-51)': [
      body({ fields: { '/amount': { min: 0 } } }),
      { json: '{"amount":1e400}' },
      'body.fields[/amount]',
      'body_unreadable',
    ],
    'when a string is written as a number (M-09)': [
      body({ fields: { '/id': { equals: '5' } } }),
      json({ id: 5 }),
      'body.fields[/id]',
    ],
    'when a Boolean is written as a string (M-09)': [
      body({ fields: { '/x': { type: 'Boolean' } } }),
      json({ x: 'true' }),
      'body.fields[/x]',
    ],
    'when a string has a NUL in it (H-51)': [
      body({ fields: { '/x': { startsWith: 'a' } } }),
      json({ x: 'a\0b' }),
      'body.fields[/x]',
    ],
    'when another letter case is beside it (H-51)': [
      amount,
      { json: '{"amount":5,"Amount":500}' },
      'body.fields[/amount]',
    ],
    'when only another letter case is there (H-51)': [
      amount,
      { json: '{"AMOUNT":5}' },
      'body.fields[/amount]',
    ],
    'when a long s is beside it (H-51)': [
      body({ fields: { '/status': { equals: 'open' } } }),
      { json: '{"status":"open","\u017ftatus":"closed"}' },
      'body.fields[/status]',
    ],
    'when a key with a NUL at its end is beside it (H-51)': [
      amount,
      { json: '{"amount":5,"amount\\u0000":500}' },
      'body.fields[/amount]',
    ],
    'when another letter case is beside a step of it (H-51)': [
      body({ fields: { '/a/b': { equals: 'x' } } }),
      { json: '{"a":{"b":"x"},"A":{"b":"y"}}' },
      'body.fields[/a/b]',
    ],
    'when what must be absent is there': [noServers, json({ mcp_servers: [] }), 'body.fields[/mcp_servers]'],
    'when what must be absent is null': [noServers, json({ mcp_servers: null }), 'body.fields[/mcp_servers]'],
    'when what must be absent is there in another case (H-51)': [
      noServers,
      json({ MCP_servers: [] }),
      'body.fields[/mcp_servers]',
    ],
    'when the body is a list': [amount, json([{ amount: 5 }]), 'body.fields[/amount]'],
    'when what must be absent could be in a list': [noServers, json([{}]), 'body.fields[/mcp_servers]'],
    'when an element is another (M-09)': [
      llm,
      json({ model: 'gpt-5-mini', tools: [{ type: 'function' }, { type: 'mcp' }] }),
      'body.fields[/tools/*/type]',
    ],
    'when an element lacks the field, though it is optional (M-09)': [
      llm,
      json({ model: 'gpt-5-mini', tools: [{ type: 'function' }, {}] }),
      'body.fields[/tools/*/type]',
    ],
    'when an element is no object (M-09)': [
      llm,
      json({ model: 'gpt-5-mini', tools: ['mcp'] }),
      'body.fields[/tools/*/type]',
    ],
    'when there is an object in place of a list (M-09)': [
      llm,
      json({ model: 'gpt-5-mini', tools: { 0: { type: 'function' } } }),
      'body.fields[/tools/*/type]',
    ],
    'when a list is empty and not optional': [
      attendees,
      json({ attendees: [] }),
      'body.fields[/attendees/*/email]',
    ],
    'when a list is missing and not optional': [attendees, json({}), 'body.fields[/attendees/*/email]'],
    'when there is a scalar where an object should be': [
      llm,
      json({ model: 'gpt-5-mini', stream_options: 'x' }),
      'body.fields[/stream_options/include_usage]',
    ],
    'when JSON has another member': [closed, json({ a: { b: 'x' }, d: 1 }), 'body.others'],
    'when an object inside has another member (M-09)': [closed, json({ a: { b: 'x', c: 1 } }), 'body.others'],
    'when an element has another member (M-09)': [
      closed,
      json({ a: { b: 'x' }, list: [{ id: 1, x: {} }] }),
      'body.others',
    ],
    'when a list has an element that is not listed': [
      body({ fields: { '/list/0': { equals: 'a' } }, others: 'Deny' }),
      json({ list: ['a', 'b'] }),
      'body.others',
    ],
    'when a form has another name': [closed, { form: 'a[b]=x&d=1' }, 'body.others'],
    'when the query has the name as well (H-23)': [
      amount,
      { ...json({ amount: 5 }), query: 'amount=500' },
      'body.fields[/amount]',
    ],
    'when the query has a variant of the name (H-23)': [
      amount,
      { ...json({ amount: 5 }), query: 'Amount[]=500' },
      'body.fields[/amount]',
    ],
    'when the query has a member of the name (H-23)': [
      llm,
      { ...json({ model: 'gpt-5-mini' }), query: 'stream_options[include_usage]=false' },
      'body.fields[/stream_options/include_usage]',
    ],
    'when the query has what must be absent (H-23)': [
      noServers,
      { ...json({}), query: 'mcp_servers=x' },
      'body.fields[/mcp_servers]',
    ],
    'when the query is unreadable (H-23)': [
      amount,
      { ...json({ amount: 5 }), query: 'a;amount=500' },
      'body.fields',
    ],
    'when a form has the name twice (H-52)': [
      amount,
      { form: 'amount=5&amount=500' },
      'body.fields[/amount]',
    ],
    'when a form has a variant of the name (H-52)': [
      amount,
      { form: 'amount=5&amount[]=500' },
      'body.fields[/amount]',
    ],
    'when a form has the whole beside its member (H-52)': [
      body({ fields: { '/a/b': { equals: 'x' } } }),
      { form: 'a[b]=x&a=y' },
      'body.fields[/a/b]',
    ],
    'when a form has a member spelt with a point (H-52)': [
      body({ fields: { '/a/b': { equals: 'x' } } }),
      { form: 'a.b=x' },
      'body.fields[/a/b]',
    ],
    'when a form is unreadable (H-52)': [amount, { form: 'amount=5;x' }, 'body', 'body_unreadable'],
    'when a list of a form has another element': [
      tags,
      { form: 'tags[]=a&tags[]=c' },
      'body.fields[/tags/*]',
    ],
    'when a list of a form is no list': [tags, { form: 'tags=a' }, 'body.fields[/tags/*]'],
    'when a list of a form is numbered in two ways': [
      tags,
      { form: 'tags[]=a&tags[0]=b' },
      'body.fields[/tags/*]',
    ],
    'when a list of a form has a number twice': [
      tags,
      { form: 'tags[0]=a&tags[0]=b' },
      'body.fields[/tags/*]',
    ],
    'when an element of a form lacks the field': [
      items,
      { form: 'items[0][price]=1&items[1][n]=2' },
      'body.fields[/items/*/price]',
    ],
    'when elements of a form have no numbers': [
      items,
      { form: 'items[][price]=1' },
      'body.fields[/items/*/price]',
    ],
    'when an element of a form has a name for a number': [
      items,
      { form: 'items[x][price]=1' },
      'body.fields[/items/*/price]',
    ],
    'when the pointer is none': [body({ fields: { '/a~2': {} } }), json({}), 'body.fields[/a~2]'],
  };
  for (const [when, [rule, asked, field, reason]] of Object.entries(cases)) {
    it(when, () => {
      const miss = compileBody(rule, 'grant')(readingOf(asked));
      assert.ok(miss !== null, 'it was proven');
      assert.equal(miss.field, field);
      assert.equal(miss.reason, reason);
      assert.match(miss.message, /\.$/);
    });
  }
});
