import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import { compileQuery } from '../../../policy/fields/query.ts';
import type { RulesetFields } from '../../../policy/ruleset.ts';
import { readingOf, type Asked } from './asking.ts';

const noToken: RulesetFields = { fields: { token: { absent: true } } };
const multipart = { headers: ['content-type', 'multipart/form-data; boundary=x'], bytes: Buffer.from('x') };
const text = { headers: ['content-type', 'text/plain'], bytes: Buffer.from('{"amount":7}') };

const deleting: RulesetFields = { fields: { action: { equals: 'delete' } } };
const large: RulesetFields = { fields: { amount: { min: 5000 } } };

describe('a guard on the query holds', () => {
  const cases: Record<string, [fields: RulesetFields, asked: Asked]> = {
    'when the value is the one': [deleting, { query: 'action=delete' }],
    'in another letter case of the value (H-23)': [deleting, { query: 'action=DELETE' }],
    'in another letter case of the name (H-23)': [deleting, { query: 'Action=delete' }],
    'with spaces around the value (H-23)': [deleting, { query: 'action=+delete%09' }],
    'when one of two is the value (H-23)': [deleting, { query: 'action=get&action=delete' }],
    'when the value is in a list (H-23)': [deleting, { query: 'action[]=delete' }],
    'when PHP makes another name of it (H-23)': [
      { fields: { my_action: { equals: 'x' } } },
      { query: 'my.action=x' },
    ],
    'when JSON has it instead (H-23)': [deleting, { json: '{"action":"delete"}' }],
    'when JSON has it in another letter case (H-23)': [deleting, { json: '{"Action":"Delete"}' }],
    'when a form has it instead (H-23)': [deleting, { form: 'action=delete' }],
    'when the query is unreadable (H-23)': [deleting, { query: 'a=1;action=get' }],
    'when the body is unreadable (H-51)': [deleting, { query: 'action=get', json: '{' }],
    'when the body is too long (H-55)': [deleting, { json: '{}', isCut: true }],
    'when the body is multipart (H-52)': [deleting, multipart],
    'when the number is written with an exponent (H-23)': [large, { query: 'amount=5e3' }],
    'when the number is written with a comma (H-23)': [large, { query: 'amount=5,000' }],
    'when the number has spaces around it (H-23)': [large, { query: 'amount=+5000' }],
    'when the number is hexadecimal (H-23)': [large, { query: 'amount=0x1388' }],
    'when the number is beyond all numbers (H-23)': [large, { query: 'amount=Infinity' }],
    'when what it wants absent is': [noToken, { query: 'x=1' }],
    'when what it wants absent is there in another spelling only': [noToken, { query: 'Token=1' }],
    'when an optional one is missing': [{ fields: { a: { equals: 'x', optional: true } } }, {}],
    'when its pattern does not compile': [{ fields: { a: { pattern: '(' } } }, {}],
    'when its number is none': [{ fields: { a: { type: 'Number', equals: 'x' } } }, {}],
    'when the pattern matches in another letter case': [
      { fields: { a: { pattern: 'del[a-f]te' } } },
      { query: 'a=DELETE' },
    ],
    'when the value starts so in another letter case': [
      { fields: { a: { startsWith: 'Del' } } },
      { query: 'a=dELETE' },
    ],
    'when a truth is written as a number': [
      { fields: { a: { type: 'Boolean', equals: 'true' } } },
      { query: 'a=1' },
    ],
  };
  for (const [when, [fields, asked]] of Object.entries(cases)) {
    it(when, () => assert.equal(compileQuery(fields, 'guard')(readingOf(asked)), null));
  }
});

describe('a guard on the query is ruled out', () => {
  const cases: Record<string, [fields: RulesetFields, asked: Asked]> = {
    'when the parameter is missing': [deleting, { query: 'x=delete' }],
    'when there is nothing at all': [deleting, {}],
    'when the value is another': [deleting, { query: 'action=get' }],
    'when the body of another type could not be mixed in': [deleting, { query: 'action=get', ...text }],
    'when the body has another value': [deleting, { json: '{"action":"get"}' }],
    'when the number is smaller': [large, { query: 'amount=4999.99' }],
    'when the number is none': [large, { query: 'amount=abc' }],
    'when what it wants absent is there': [noToken, { query: 'token=1' }],
    'when an optional one has another value': [
      { fields: { a: { equals: 'x', optional: true } } },
      { query: 'a=y' },
    ],
    'when a falsehood is one': [{ fields: { a: { type: 'Boolean', equals: 'true' } } }, { query: 'a=false' }],
    'when one of two fields is': [
      { fields: { a: { equals: '1' }, b: { equals: '2' } } },
      { query: 'a=1&b=1' },
    ],
  };
  for (const [when, [fields, asked]] of Object.entries(cases)) {
    it(when, () => assert.notEqual(compileQuery(fields, 'guard')(readingOf(asked)), null));
  }
});
