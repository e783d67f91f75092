// Patterns that dialects disagree about: Go's RE2 at the API server and our own engine locally must take the same
// ones. \p{Letter}, which newer Go takes and older does not, is left to be whatever it is.

import { bad, rule, type BadExample, type Examples, type Manifest } from '../examples.ts';

const no = [
  'a(?=b)',
  'a(?!b)',
  '(?<=a)b',
  '(?<!a)b',
  '(?>a)',
  '(a)\\1',
  '(?P<n>a)(?P=n)',
  '\\k<n>',
  'a{1001}',
  '(a{100}){11}',
  'a{2,1}',
  'a**',
  'a++',
  'a{2}{3}',
  '*a',
  '?',
  '(a',
  'a)',
  '[a',
  '[]',
  '[b-a]',
  '[a-\\d]',
  '[[:nope:]]',
  '\\pX',
  '\\p{Nope}',
  '\\p{Script=Greek}',
  '\\u0041',
  '\\x{110000}',
  '\\xZ',
  '\\8',
  '\\Z',
  '\\h',
  '\\X',
  '\\c',
  'a\\',
  '(?x)a',
  '(?#a)b',
  '(?i',
  '(?P<>a)',
  '(?P<n-m>a)',
];

const yes = [
  '',
  '[^@]+@acme[.]example',
  '^abc$',
  '\\Aabc\\z',
  '\\d+',
  '\\D\\s\\S\\w\\W',
  '\\bword\\B',
  '\\pN+',
  '\\p{L}*',
  '\\P{Greek}',
  '\\p{^Lu}',
  '[\\pL\\d_]+',
  '[[:alpha:][:^digit:]]',
  '(?P<name>a)(?<other>b)',
  '(?P<twice>a)(?P<twice>b)',
  '(?i)a(?-i:b)(?s:.)(?m:^)',
  '(?U)a+',
  '(?:a|b|)',
  '()',
  '|',
  'a{1000}',
  '(a{10}){100}',
  'a{,5}',
  'a{5',
  'a{2,}?b??c*?',
  '[]a]',
  '[^]a]',
  '[a-]',
  '[-a]',
  '[+--]',
  '\\x41\\x{1F600}\\101\\07',
  '\\Qa.b\\E',
  '\\Qa.b',
  '\\a\\f\\t\\n\\r\\v',
  '\\-\\/\\@\\ ',
  '\u{1f600}+',
  '(((((a)*)*)*)*)*',
];

const field = 'spec.rules[0].query.fields[x].pattern';
const withPattern = (pattern: string, name?: string): Manifest =>
  rule({ query: { fields: { x: { pattern } } } }, name);

export const patterns: Examples = {
  bad: Object.fromEntries([
    ...no.map((pattern): [string, BadExample] => [
      `the pattern ${pattern} (H-25)`,
      bad(withPattern(pattern), field, /is no RE2 pattern: write one that the whole value matches/),
    ]),
    ['a pattern that is too long (O-06)', bad(withPattern('a'.repeat(513)), field, /512/)] as const,
  ]),
  good: Object.fromEntries(
    yes
      .filter((pattern) => pattern !== '')
      .map((pattern, index) => [`the pattern ${pattern}`, withPattern(pattern, `p-${index}`)]),
  ),
};
