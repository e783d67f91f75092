import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import { createMachine } from '../../policy/pattern/machine.ts';
import { compileProgram } from '../../policy/pattern/program.ts';
import { parsePattern } from '../../policy/pattern/syntax.ts';
import { compilePattern, findPatternProblem, maxProgramLength } from '../../policy/pattern.ts';

describe('a pattern does not compile', () => {
  const refused: Record<string, [pattern: string, problem: RegExp]> = {
    'when a group is open': ['(a', /lacks a closing parenthesis/],
    'when a group is closed twice': ['a)', /closing parenthesis too many/],
    'when a class is open': ['[a', /lacks a closing bracket/],
    'when it repeats nothing': ['*a', /repeats nothing/],
    'when it repeats a repetition': ['a**', /repeats a repetition/],
    'with possessive repetition, which only backtracking engines have': ['a++', /repeats a repetition/],
    'with a reference to a group, which no linear engine can follow (H-25)': ['(a)\\1', /the escape \\1/],
    'with a lookahead (H-25)': ['(?=a)b', /a group of a kind/],
    'with a lookbehind (H-25)': ['(?<=a)b', /a group of a kind/],
    'with an atomic group (H-25)': ['(?>a)b', /a group of a kind/],
    'with a range that goes backwards': ['[z-a]', /a range whose end/],
    'with a Unicode class that does not exist': ['\\p{Klingon}', /Unicode class/],
    'with a POSIX class that does not exist': ['[[:vowel:]]', /the class \[:vowel:\]/],
    'with an escape that means something else elsewhere': ['\\Z', /the escape \\Z/],
    'with a backslash at the end': ['a\\', /ends in a backslash/],
    'with a repetition beyond 1,000': ['a{1001}', /from 0 to 1000/],
    'with a repetition of a repetition that multiplies (O-06)': ['(a{100}){100}', /multiply/],
    'with repetitions side by side that are too much together (O-06)': [
      '(?:[a-z]{1,1000}){1}[a-z]{1,1000}',
      /needs \d+ steps/,
    ],
    'that is longer than 512 characters (O-06)': ['a'.repeat(513), /longer than 512/],
  };
  for (const [when, [pattern, problem]] of Object.entries(refused)) {
    it(when, () => {
      assert.equal(compilePattern(pattern), null);
      assert.match(findPatternProblem(pattern) ?? '', problem);
    });
  }
});

describe('a pattern does not match', () => {
  const missed: Record<string, [pattern: string, text: string]> = {
    'a text that it matches only at the start (H-25)': ['usd', 'usdx'],
    'a text that it matches only at the end (H-25)': ['usd', 'xusd'],
    'a text that one branch matches at the start (H-25)': ['a|b', 'ax'],
    'a text that another branch matches at the end (H-25)': ['a|b', 'xb'],
    'a line of a text (H-25)': ['(?m)^a$', 'a\nb'],
    'a text with a line feed behind it (H-25)': ['a$', 'a\n'],
    'a line feed with a dot': ['a.c', 'a\nc'],
    'another letter case': ['usd', 'USD'],
    'a digit that is not ASCII': ['\\d', '\u0661'],
    'the empty text with a dot': ['.', ''],
  };
  for (const [what, [pattern, text]] of Object.entries(missed)) {
    it(what, () => assert.equal(compilePattern(pattern)?.(text), false));
  }
});

describe('a pattern matches', () => {
  const matched: Record<string, [pattern: string, text: string, ignoreCase?: true]> = {
    'either branch': ['us|eu', 'eu'],
    'the empty text': ['', ''],
    'with anchors of its own': ['^(?:us|eu)$', 'us'],
    'a counted repetition at its upper bound': ['[a-z]{1,63}', 'a'.repeat(63)],
    'an unbounded one from its lower bound': ['a{2,}', 'aa'],
    'a lazy repetition': ['a+?b??', 'aaab'],
    'a brace that is no repetition': ['{a}{,2}', '{a}{,2}'],
    'a line feed when dots may': ['(?s)a.c', 'a\nc'],
    'a character of two code units with one dot': ['.', '\u{1f600}'],
    'a class with a closing bracket first': ['[]a]+', 'a]'],
    'a negated class': ['[^a-c]+', 'xyz'],
    'what is neither digit nor letter': ['[^\\d\\pL]+', '-_-'],
    'POSIX classes': ['[[:upper:]][[:^alpha:]]', 'A1'],
    'a script': ['\\p{Greek}+', '\u03b1\u03b2'],
    'quoted text': ['\\Qa.b*\\E', 'a.b*'],
    'word boundaries': ['a\\b.b\\B1', 'a-b1'],
    'named groups': ['(?P<year>\\d{4})-(?<month>\\d\\d)', '2026-11'],
    'another letter case when told so inside': ['(?i:usd)x', 'UsDx'],
    'another letter case when told so from outside': ['usd', 'USD', true],
    'the Kelvin sign as a k when case is ignored': ['k', '\u212a', true],
  };
  for (const [what, [pattern, text, ignoreCase]] of Object.entries(matched)) {
    it(what, () => assert.equal(compilePattern(pattern, { ignoreCase: ignoreCase ?? false })?.(text), true));
  }

  it('the same texts each time it is asked', () => {
    const matches = compilePattern('(a|ab)(c|bcd)');
    assert.deepEqual(
      ['abcd', 'ac', 'abc', 'abd', 'abcd'].map((text) => matches?.(text)),
      [true, true, true, false, true],
    );
  });
});

describe('the worst patterns', () => {
  const worst: Record<string, [pattern: string, unit: string, end: string]> = {
    'nested repetition (H-25)': ['(a*)*b', 'a', ''],
    'nested repetition with a required part (H-25)': ['(a+)+$', 'a', '!'],
    'alternatives that overlap (H-25)': ['(a|a)*b', 'a', ''],
    'alternatives with a common start (H-25)': ['(a|aa)+$', 'a', '!'],
    'wildcards in a row (H-25)': ['.*.*.*.*.*=.*', 'x', ''],
    'optional parts and as many required ones (H-25)': ['(a?){100}a{100}.*!', 'a', ''],
    'a state for each set of positions (H-25)': ['(a|b)*a(a|b){200}c', 'ab', ''],
    'an e-mail address that hangs other engines (H-25)': [
      '([a-zA-Z0-9])(([\\-.]|[_]+)?([a-zA-Z0-9]+))*(@){1}[a-z0-9]+[.]{1}(([a-z]{2,3})|([a-z]{2,3}[.]{1}[a-z]{2,3}))',
      'a',
      '!',
    ],
  };
  for (const [which, [pattern, unit, end]] of Object.entries(worst)) {
    it(`take no more than instructions × characters: ${which}`, () => {
      const program = compileProgram(parsePattern(pattern, false));
      assert.ok(program.op.length <= maxProgramLength);
      for (const count of [10, 100, 1000, 10_000]) {
        const text = unit.repeat(count) + end;
        const machine = createMachine(program);
        assert.equal(machine.matches(text), false);
        assert.ok(machine.steps() <= program.op.length * (text.length + 1));
      }
    });
  }
});
