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

describe('a grant on the body is proven', () => {
  const cases: Record<string, [body: RulesetBody, asked: Asked]> = {
    'when the field is there': [amount, json({ amount: 5, currency: 'usd' })],
    'when a number is written with an exponent': [amount, { json: '{"amount":1e1}' }],
    'when a form has the field': [amount, { form: 'amount=5&currency=usd' }],
    'when an unsafe number is nobody’s concern (H-51)': [
      amount,
      { json: '{"amount":5,"id":9007199254740993}' },
    ],
    'when keys differ in letter case where nobody governs': [amount, { json: '{"amount":5,"x":1,"X":2}' }],
    'when optional fields are missing': [llm, json({ model: 'gpt-5-mini' })],
    'when an optional list is empty': [llm, json({ model: 'gpt-5-mini', tools: [] })],
    'when an optional object is null': [llm, json({ model: 'gpt-5-mini', stream_options: null })],
    'when all elements are as asked': [
      llm,
      json({ model: 'gpt-5-mini', tools: [{ type: 'function' }, { type: 'function', x: 1 }] }),
    ],
    'when what must be absent is': [noServers, json({ model: 'x' })],
    'when what must be absent is in every element': [
      body({ fields: { '/tools/*/server_url': { absent: true } } }),
      json({ tools: [{ type: 'function' }, {}] }),
    ],
    'when what must be absent is, with its list': [
      body({ fields: { '/tools/*/server_url': { absent: true } } }),
      json({}),
    ],
    'when all members are listed': [closed, json({ a: { b: 'x' }, list: [{ id: 1 }, { id: 2 }], c: true })],
    'when all names of a form are listed': [closed, { form: 'a[b]=x&list[0][id]=1&list[1][id]=2&c=true' }],
    'when only its type is asked for': [body({ types: ['Json'] }), json([1])],
    'when a form lists without numbers': [tags, { form: 'tags[]=a&tags[]=b' }],
    'when a form lists with numbers': [tags, { form: 'tags[0]=a&tags[1]=b' }],
    'when a form has elements': [items, { form: 'items[0][price]=1&items[1][price]=5&items[1][n]=2' }],
    'when an element is named by its number': [
      body({ fields: { '/list/1': { equals: 'b' } } }),
      json({ list: ['a', 'b'] }),
    ],
    'when a name is escaped in the pointer': [
      body({ fields: { '/a~1b~0c': { equals: 'x' } } }),
      json({ 'a/b~c': 'x' }),
    ],
    'when __proto__ is governed like any key (H-51)': [
      body({ fields: { '/__proto__': { equals: 'x' } } }),
      { json: '{"__proto__":"x"}' },
    ],
    'when the query has other names': [amount, { ...json({ amount: 5 }), query: 'expand[]=charge' }],
    'when all of the body is a list': [
      body({ fields: { '/*/id': { min: 1 } } }),
      json([{ id: 1 }, { id: 2 }]),
    ],
  };
  for (const [when, [rule, asked]] of Object.entries(cases)) {
    it(when, () => assert.equal(compileBody(rule, 'grant')(readingOf(asked)), null));
  }
});
