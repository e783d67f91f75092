import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import { compileQuery } from '../../../policy/fields/query.ts';
import type { RulesetFields } from '../../../policy/ruleset.ts';
import { readingOf, type Asked } from './asking.ts';

const amount: RulesetFields = { fields: { amount: { min: 1, max: 100 } } };
const list: RulesetFields = {
  fields: {
    'list-type': { equals: '2' },
    prefix: { startsWith: 'reports/' },
    delimiter: { equals: '/', optional: true },
  },
  others: 'Deny',
};
const noToken: RulesetFields = { fields: { token: { absent: true } } };
const send: RulesetFields = { fields: { sendUpdates: { equals: 'none', optional: true } } };
const account: RulesetFields = { fields: { stripe_account: { absent: true } } };
const multipart = { headers: ['content-type', 'multipart/form-data; boundary=x'], bytes: Buffer.from('x') };
const text = { headers: ['content-type', 'text/plain'], bytes: Buffer.from('{"amount":7}') };

describe('a grant on the query is not proven', () => {
  const cases: Record<string, [fields: RulesetFields, asked: Asked, field: string, reason?: string]> = {
    'when the parameter is missing': [amount, { query: 'x=1' }, 'query.fields[amount]'],
    'when there is no query': [amount, {}, 'query.fields[amount]'],
    'when the parameter is there twice (H-23)': [
      amount,
      { query: 'amount=5&amount=5' },
      'query.fields[amount]',
    ],
    'when one of two is escaped (H-23)': [amount, { query: 'amount=5&%61mount=500' }, 'query.fields[amount]'],
    'when it is there in another letter case only (H-23)': [
      amount,
      { query: 'Amount=5' },
      'query.fields[amount]',
    ],
    'when another letter case is beside it (H-23)': [
      amount,
      { query: 'amount=5&AMOUNT=500' },
      'query.fields[amount]',
    ],
    'when a Kelvin sign is beside it (H-23)': [
      { fields: { key: { equals: 'a' } } },
      { query: 'key=a&%E2%84%AAey=b' },
      'query.fields[key]',
    ],
    'when a list is beside it (H-23)': [amount, { query: 'amount=5&amount[]=500' }, 'query.fields[amount]'],
    'when an element is beside it (H-23)': [
      amount,
      { query: 'amount=5&amount[0]=500' },
      'query.fields[amount]',
    ],
    'when a member is beside it (H-23)': [
      amount,
      { query: 'amount=5&amount[$gt]=1' },
      'query.fields[amount]',
    ],
    'when a member is beside it, with a point (H-23)': [
      amount,
      { query: 'amount=5&amount.x=1' },
      'query.fields[amount]',
    ],
    'when only members of it are there, though it is optional (H-23)': [
      send,
      { query: 'sendUpdates[x]=all' },
      'query.fields[sendUpdates]',
    ],
    'when an optional one is there in another letter case (H-23)': [
      send,
      { query: 'sendupdates=all' },
      'query.fields[sendUpdates]',
    ],
    'when an optional one has another value': [
      send,
      { query: 'sendUpdates=all' },
      'query.fields[sendUpdates]',
    ],
    'when the whole is beside its member (H-23)': [
      { fields: { 'filter[name]': { equals: 'a' } } },
      { query: 'filter[name]=a&filter=b' },
      'query.fields[filter[name]]',
    ],
    'when a member is spelt with a point (H-23)': [
      { fields: { 'filter[name]': { equals: 'a' } } },
      { query: 'filter[name]=a&filter.name=b' },
      'query.fields[filter[name]]',
    ],
    'when what must be absent is there': [noToken, { query: 'token=x' }, 'query.fields[token]'],
    'when what must be absent has no value': [noToken, { query: 'token' }, 'query.fields[token]'],
    'when what must be absent is there in another case (H-23)': [
      noToken,
      { query: 'Token=x' },
      'query.fields[token]',
    ],
    'when what must be absent is there as a list (H-23)': [
      noToken,
      { query: 'token[]=x' },
      'query.fields[token]',
    ],
    'when PHP makes a name what must be absent, of a point (H-23)': [
      account,
      { query: 'stripe.account=x' },
      'query.fields[stripe_account]',
    ],
    'when PHP makes a name what must be absent, of a space (H-23)': [
      account,
      { query: 'stripe+account=x' },
      'query.fields[stripe_account]',
    ],
    'when PHP makes a name what must be absent, of a bracket (H-23)': [
      account,
      { query: 'stripe[account=x' },
      'query.fields[stripe_account]',
    ],
    'when PHP makes two names one (H-23)': [
      { fields: { 'api.key': { equals: 'a' } } },
      { query: 'api.key=a&api_key=b' },
      'query.fields[api.key]',
    ],
    'when the number is too large': [amount, { query: 'amount=101' }, 'query.fields[amount]'],
    'when the number has an exponent (H-23)': [amount, { query: 'amount=1e1' }, 'query.fields[amount]'],
    'when the number has a leading zero (H-23)': [amount, { query: 'amount=010' }, 'query.fields[amount]'],
    'when the number has a sign (H-23)': [amount, { query: 'amount=%2B10' }, 'query.fields[amount]'],
    'when the number is between spaces (H-23)': [amount, { query: 'amount=+10' }, 'query.fields[amount]'],
    'when the number is hexadecimal (H-23)': [amount, { query: 'amount=0x10' }, 'query.fields[amount]'],
    'when the number has digits of another script (H-23)': [
      amount,
      { query: 'amount=%D9%A1' },
      'query.fields[amount]',
    ],
    'when the number has 16 digits': [
      { fields: { n: { min: 0 } } },
      { query: 'n=9007199254740993' },
      'query.fields[n]',
    ],
    'when the number is too small for a double': [
      { fields: { n: { min: 0 } } },
      { query: `n=0.${'0'.repeat(400)}1` },
      'query.fields[n]',
    ],
    'when the number is minus zero': [{ fields: { n: { min: -1 } } }, { query: 'n=-0' }, 'query.fields[n]'],
    'when a string differs in letter case': [
      { fields: { currency: { equals: 'usd' } } },
      { query: 'currency=USD' },
      'query.fields[currency]',
    ],
    'when a string only begins like the one that is asked for': [
      { fields: { model: { oneOf: ['a', 'b'] } } },
      { query: 'model=ab' },
      'query.fields[model]',
    ],
    'when the pattern matches a part only (H-25)': [
      { fields: { id: { pattern: '[a-z]+' } } },
      { query: 'id=abc1' },
      'query.fields[id]',
    ],
    'when the value is too long': [
      { fields: { q: { maxLength: 2 } } },
      { query: 'q=%F0%9F%98%80%F0%9F%98%80x' },
      'query.fields[q]',
    ],
    'when it is no Boolean': [
      { fields: { draft: { type: 'Boolean' } } },
      { query: 'draft=1' },
      'query.fields[draft]',
    ],
    'when something is not listed': [list, { query: 'list-type=2&prefix=reports/&acl' }, 'query.others'],
    'when something is not listed and nothing is': [{ others: 'Deny' }, { query: 'a=1' }, 'query.others'],
    'when it has a semicolon (H-23)': [amount, { query: 'amount=5;x=1' }, 'query'],
    'when it has an empty pair (H-23)': [{ others: 'Deny' }, { query: '&' }, 'query'],
    'when it has an overlong escape (H-23)': [amount, { query: 'amount=5&x=%c0%af' }, 'query'],
    'when JSON has the name as well (H-23)': [
      amount,
      { query: 'amount=5', json: '{"amount":500}' },
      'query.fields[amount]',
    ],
    'when JSON has the name in another case (H-23)': [
      amount,
      { query: 'amount=5', json: '{"AMOUNT":500}' },
      'query.fields[amount]',
    ],
    'when JSON has a name that has a point in it (H-23)': [
      { fields: { 'a.b': { equals: '1' } } },
      { query: 'a.b=1', json: '{"a.b":2}' },
      'query.fields[a.b]',
    ],
    'when a form has the name as well (H-23)': [
      amount,
      { query: 'amount=5', form: 'amount=500' },
      'query.fields[amount]',
    ],
    'when a form has a variant of the name (H-23)': [
      amount,
      { query: 'amount=5', form: 'Amount[]=500' },
      'query.fields[amount]',
    ],
    'when JSON has what must be absent': [noToken, { json: '{"token":"x"}' }, 'query.fields[token]'],
    'when the body is multipart (H-52)': [amount, { query: 'amount=5', ...multipart }, 'query.fields'],
    'when the body is unreadable (H-51)': [
      amount,
      { query: 'amount=5', json: '{"a":1,"a":2}' },
      'query.fields',
      'body_unreadable',
    ],
    'when the body is compressed (H-53)': [
      amount,
      { query: 'amount=5', json: '{}', headers: ['content-encoding', 'gzip'] },
      'query.fields',
      'body_unreadable',
    ],
    'when the body is too long (H-55)': [
      amount,
      { query: 'amount=5', json: '{}', isCut: true },
      'query.fields',
      'body_too_large',
    ],
    'when the pattern does not compile': [
      { fields: { id: { pattern: '(' } } },
      { query: 'id=x' },
      'query.fields[id]',
    ],
  };
  for (const [when, [fields, asked, field, reason]] of Object.entries(cases)) {
    it(when, () => {
      const miss = compileQuery(fields, 'grant')(readingOf(asked));
      assert.ok(miss !== null, 'it was proven');
      assert.equal(miss.field, field);
      assert.equal(miss.reason, reason);
      assert.match(miss.message, /\.$/);
    });
  }
});

describe('a grant on the query is proven', () => {
  const cases: Record<string, [fields: RulesetFields, asked: Asked]> = {
    'when the parameter is there once': [amount, { query: 'amount=100' }],
    'when it is escaped (H-23)': [amount, { query: '%61mount=%31' }],
    'when others are there that nobody lists': [amount, { query: 'amount=5&b=1&b=2' }],
    'when all are listed': [list, { query: 'prefix=reports%2F2026&list-type=2' }],
    'when an optional one is missing': [send, { query: 'x=1' }],
    'when an optional one is there': [send, { query: 'sendUpdates=none' }],
    'when what must be absent is': [noToken, { query: 'tokens=1' }],
    'when nothing is listed and nothing is there': [{ others: 'Deny' }, {}],
    'when nothing is listed and the query is empty': [{ others: 'Deny' }, { query: '' }],
    'when a decimal is within bounds': [amount, { query: 'amount=99.50' }],
    'when a member is governed': [
      { fields: { 'filter[name]': { equals: 'a' } } },
      { query: 'filter[name]=a&filter[x]=b' },
    ],
    'when a list is governed by its name': [{ fields: { 'ids[]': { equals: 'a' } } }, { query: 'ids[]=a' }],
    'when a name with a point is governed': [
      { fields: { 'api.key': { equals: 'a' } } },
      { query: 'api.key=a' },
    ],
    'when a Boolean is asked for': [
      { fields: { draft: { type: 'Boolean', equals: 'true' } } },
      { query: 'draft=true' },
    ],
    'when the pattern matches all of it': [{ fields: { id: { pattern: 'a|ab' } } }, { query: 'id=ab' }],
    'when two characters are two, however long': [
      { fields: { q: { maxLength: 2 } } },
      { query: 'q=%F0%9F%98%80%F0%9F%98%80' },
    ],
    'when the body has other names': [amount, { query: 'amount=5', json: '{"name":"amount"}' }],
    'when the body is a list': [amount, { query: 'amount=5', json: '[1]' }],
    'when the body is of another type': [amount, { query: 'amount=5', ...text }],
    'when nothing is governed and the body is multipart': [{ others: 'Deny' }, multipart],
  };
  for (const [when, [fields, asked]] of Object.entries(cases)) {
    it(when, () => assert.equal(compileQuery(fields, 'grant')(readingOf(asked)), null));
  }
});
