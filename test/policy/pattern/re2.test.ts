// Our patterns beside RE2JS, a port of RE2: what compiles here compiles there, and matches the same texts.

import assert from 'node:assert/strict';
import { it } from 'node:test';
import fc from 'fast-check';
import { RE2JS } from 're2js';
import { compilePattern, compileSearch } from '../../../policy/pattern.ts';

const literals = [
  'a',
  'b',
  'k',
  'K',
  '\u017f',
  '\u00e9',
  '\u{1f600}',
  ' ',
  '-',
  '\n',
  '.',
  '^',
  '$',
  '|',
  '|',
];
const groups = [
  '(',
  ')',
  ')',
  '(?:',
  '(?i)',
  '(?i:',
  '(?-i)',
  '(?s)',
  '(?m)',
  '(?U)',
  '(?im-s:',
  '(?P<n>',
  '(?<n>',
];
const oddGroups = ['(?<m>', '(?)', '(?i-)', '(?='];
const repeats = [
  '*',
  '+',
  '?',
  '*?',
  '??',
  '{',
  '}',
  '{2}',
  '{1,2}',
  '{2,}',
  '{0}',
  '{,2}',
  '{1001}',
  '{2,1}',
];
const escapes = [
  '\\d',
  '\\D',
  '\\w',
  '\\W',
  '\\s',
  '\\S',
  '\\b',
  '\\B',
  '\\A',
  '\\z',
  '\\Z',
  '\\C',
  '\\n',
  '\\a',
  '\\.',
];
const numbers = ['\\x41', '\\x{1F600}', '\\x{110000}', '\\x4', '\\012', '\\17', '\\1', '\\8'];
const oddEscapes = ['\\-', '\\_', '\\Qa*\\E', '\\Q', '\\\u00e9', '\\'];
const unicode = [
  '\\pL',
  '\\PL',
  '\\p{Lu}',
  '\\P{Lu}',
  '\\p{Greek}',
  '\\p{^Greek}',
  '\\p{Han}',
  '\\p{Foo}',
  '\\pX',
];
const classes = [
  '[a-k]',
  '[^a-k]',
  '[\\D]',
  '[^\\Wx]',
  '[[:alpha:]]',
  '[[:^alpha:]-]',
  '[[:foo:]]',
  '[\\p{Lu}\\d]',
];
const oddClasses = [
  '[]a]',
  '[^]a]',
  '[a-]',
  '[-a]',
  '[a-b-c]',
  '[a-\\d]',
  '[z-a]',
  '[',
  ']',
  '[\\b]',
  '[^\\P{Lu}]',
];
const parts = [
  literals,
  groups,
  oddGroups,
  repeats,
  escapes,
  numbers,
  oddEscapes,
  unicode,
  classes,
  oddClasses,
].flat();
const characters = [
  'abkKAZ1_ -.*{},[]:\n'.split(''),
  ['\u017f', '\u212a', '\u00e9', '\u03a3', '\u03c3', '\u03c2', '\u6f22', '\u{1f600}'],
].flat();

const pattern = fc
  .array(fc.constantFrom(...parts), { minLength: 1, maxLength: 7 })
  .map((some) => some.join(''));
const texts = fc.array(
  fc.array(fc.constantFrom(...characters), { maxLength: 5 }).map((some) => some.join('')),
  { minLength: 4, maxLength: 4 },
);

function referenceOf(source: string, ignoreCase: boolean): RE2JS | null {
  try {
    return RE2JS.compile(source, ignoreCase ? RE2JS.CASE_INSENSITIVE : 0);
  } catch {
    return null;
  }
}

it('Patterns compile and match as those of RE2 do (H-25)', () => {
  fc.assert(
    fc.property(pattern, texts, fc.boolean(), (source, some, ignoreCase) => {
      const reference = referenceOf(source, ignoreCase);
      const ours = compilePattern(source, { ignoreCase });
      assert.equal(ours !== null, reference !== null, `whether it compiles: ${JSON.stringify(source)}`);
      if (ours === null || reference === null) return;
      const search = ignoreCase ? null : compileSearch(source);
      for (const text of some) {
        assert.equal(ours(text), reference.testExact(text), `all of ${JSON.stringify(text)}`);
        if (search !== null) {
          assert.equal(
            search(text, Infinity).found,
            reference.test(text),
            `a part of ${JSON.stringify(text)}`,
          );
        }
      }
    }),
    { numRuns: 20_000 },
  );
});
