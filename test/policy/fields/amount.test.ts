import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import { compileAmount } from '../../../policy/fields/amount.ts';
import { readingOf, type Asked } from './asking.ts';

describe('an amount is not known', () => {
  const cases: Record<string, [asked: Asked, pointer?: string, reason?: string]> = {
    'when there is no body': [{}],
    'when the field is missing, which is all of it to some': [{ json: '{}' }],
    'when the field is null': [{ json: '{"amount":null}' }],
    'when it is negative': [{ json: '{"amount":-1}' }],
    'when it is a string in JSON (M-09)': [{ json: '{"amount":"5"}' }],
    'when it is unsafe (H-51)': [{ json: '{"amount":9007199254740993}' }],
    'when another spelling is beside it (H-51)': [{ json: '{"amount":5,"Amount":500}' }],
    'when a form has it twice (H-52)': [{ form: 'amount=5&amount=5' }],
    'when a form has it with an exponent': [{ form: 'amount=5e3' }],
    'when the body is of another type (H-50)': [
      { json: '{"amount":5}', headers: ['content-type', 'text/plain'] },
    ],
    'when the body is unreadable (H-51)': [{ json: '{"amount":5,"amount":5}' }, '/amount', 'body_unreadable'],
    'when the body is too long (H-55)': [{ json: '{"amount":5}', isCut: true }, '/amount', 'body_too_large'],
    'when an element lacks it': [{ json: '{"items":[{"price":1},{}]}' }, '/items/*/price'],
    'when the sum is beyond what is exact': [{ json: '{"items":[9007199254740991,1]}' }, '/items/*'],
    'when the pointer is none': [{ json: '{"amount":5}' }, 'amount'],
  };
  for (const [when, [asked, pointer = '/amount', reason]] of Object.entries(cases)) {
    it(when, () => {
      const amount = compileAmount(pointer)(readingOf(asked));
      assert.ok(typeof amount !== 'number', `it is ${JSON.stringify(amount)}`);
      assert.equal(amount.field, `body.fields[${pointer}]`);
      assert.equal(amount.reason, reason);
    });
  }
});

describe('an amount is known', () => {
  const cases: Record<string, [asked: Asked, amount: number, pointer?: string]> = {
    'when JSON has it': [{ json: '{"amount":5000}' }, 5000],
    'when it is nothing': [{ json: '{"amount":0}' }, 0],
    'when it is a fraction': [{ json: '{"amount":0.25}' }, 0.25],
    'when a form has it': [{ form: 'amount=5000' }, 5000],
    'when it is inside': [{ form: 'a[amount]=5' }, 5, '/a/amount'],
    'when it is the sum of all elements': [
      { json: '{"items":[{"price":1},{"price":2}]}' },
      3,
      '/items/*/price',
    ],
  };
  for (const [when, [asked, expected, pointer = '/amount']] of Object.entries(cases)) {
    it(when, () => {
      const amountOf = compileAmount(pointer);
      assert.equal(amountOf(readingOf(asked)), expected);
      assert.equal(amountOf(readingOf(asked)), expected);
    });
  }
});
