import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import fc from 'fast-check';
import { readForm, readPairs } from '../../../policy/content/form.ts';
import { isUnreadable } from '../../../policy/unreadable.ts';

describe('a query is unreadable', () => {
  const unreadable: Record<string, [text: string, why: RegExp]> = {
    'with a semicolon, where some servers split (H-23)': ['a=1;b=2', /semicolon/],
    'with an empty pair (H-23)': ['a=1&&b=2', /without a name/],
    'with an ampersand at its end (H-23)': ['a=1&', /without a name/],
    'with an ampersand at its start (H-23)': ['&a=1', /without a name/],
    'with an empty name (H-23)': ['=1', /without a name/],
    'with an overlong escape (H-23)': ['a=%c0%af', /UTF-8/],
    'with an escaped byte that is no UTF-8 (H-23)': ['a=%ff', /UTF-8/],
    'with half of a surrogate pair escaped (H-23)': ['a=%ed%a0%80', /UTF-8/],
    'with a truncated escape (H-23)': ['a=%2', /UTF-8/],
    'with an escape that is none (H-23)': ['a=%zz', /UTF-8/],
    'with a NUL in a value (H-23)': ['a=1%00', /NUL/],
    'with a NUL in a name (H-23)': ['a%00=1', /NUL/],
    'with more parameters than PHP and qs read (H-23)': ['a&'.repeat(1000) + 'a', /1000/],
  };
  for (const [how, [text, why]] of Object.entries(unreadable)) {
    it(how, () => {
      const pairs = readPairs(text);
      assert.ok(isUnreadable(pairs));
      assert.match(pairs.unreadable, why);
    });
  }
});

describe('a form is unreadable', () => {
  const unreadable: Record<string, Uint8Array> = {
    'with a byte that is no UTF-8 (H-52)': Uint8Array.from([0x61, 0x3d, 0xff]),
    'with a NUL (H-52)': Buffer.from('a=1\0'),
    'with a byte order mark (H-52)': Buffer.from('\ufeffa=1'),
  };
  for (const [how, bytes] of Object.entries(unreadable)) {
    it(how, () => assert.ok(isUnreadable(readForm(bytes))));
  }
});

describe('a query is read', () => {
  const accepted: Record<string, [text: string, pairs: [string, string][]]> = {
    'when it is empty': ['', []],
    'with plus signs as spaces (H-23)': ['a+b=c+d', [['a b', 'c d']]],
    'with an escaped plus sign (H-23)': ['a=1%2B2', [['a', '1+2']]],
    'with an escaped semicolon': ['a=1%3B2', [['a', '1;2']]],
    'with escapes once, not twice (H-23)': ['a=%2541', [['a', '%41']]],
    'with an escaped name (H-23)': ['%61mount=1', [['amount', '1']]],
    'with a name twice, for whoever governs it (H-23)': [
      'a=1&a=2',
      [
        ['a', '1'],
        ['a', '2'],
      ],
    ],
    'with a pair that has no value': [
      'a&b=',
      [
        ['a', ''],
        ['b', ''],
      ],
    ],
    'with a second equals sign': ['a=b=c', [['a', 'b=c']]],
    'with text beyond ASCII': ['a=%C3%A9', [['a', 'é']]],
  };
  for (const [how, [text, pairs]] of Object.entries(accepted)) {
    it(how, () => assert.deepEqual(readPairs(text), pairs));
  }
});

describe('any text', () => {
  it('is read as URLSearchParams reads it, or not at all, and never throws (H-23)', () => {
    const unit = fc.constantFrom(...'ab=&+%0123456789cdeEf;[]'.split(''), '%41', '%C3%A9', '%00');
    fc.assert(
      fc.property(fc.string({ unit, maxLength: 40 }), (text) => {
        const pairs = readPairs(text);
        if (!isUnreadable(pairs)) assert.deepEqual(pairs, [...new URLSearchParams(text)]);
      }),
      { numRuns: 10_000 },
    );
  });

  it('has the same pairs however it is escaped', () => {
    const pair = fc.tuple(fc.string({ unit: 'grapheme', minLength: 1 }), fc.string({ unit: 'grapheme' }));
    fc.assert(
      fc.property(fc.array(pair, { maxLength: 5 }), (pairs) => {
        fc.pre(!pairs.flat().some((text) => text.includes('\0') || !text.isWellFormed()));
        const sparse = pairs.map((one) => one.map(encodeURIComponent).join('=')).join('&');
        const full = pairs.map((one) => one.map(escapeAll).join('=')).join('&');
        assert.deepEqual(readPairs(sparse), pairs);
        assert.deepEqual(readPairs(full), pairs);
      }),
    );
  });
});

function escapeAll(text: string): string {
  return [...Buffer.from(text)].map((byte) => `%${byte.toString(16).padStart(2, '0')}`).join('');
}
