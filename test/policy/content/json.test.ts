import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import fc from 'fast-check';
import { isJsonObject, readJson, type JsonValue } from '../../../policy/content/json.ts';
import { isUnreadable, type Unreadable } from '../../../policy/unreadable.ts';

function read(source: string | readonly number[]): JsonValue | Unreadable {
  return readJson(typeof source === 'string' ? Buffer.from(source) : Uint8Array.from(source));
}

/** As JSON.parse has it, where both accept it. */
function plain(value: JsonValue): unknown {
  if (isJsonObject(value)) return Object.fromEntries([...value].map(([key, member]) => [key, plain(member)]));
  return Array.isArray(value) ? (value as readonly JsonValue[]).map(plain) : value;
}

function utf16(text: string): number[] {
  return [...Buffer.from(text, 'utf16le')];
}

describe('JSON is unreadable', () => {
  const unreadable: Record<string, [source: string | readonly number[], why: RegExp]> = {
    'with a key twice (H-51, M-02)': ['{"a":1,"a":1}', /key twice/],
    'with a key twice, once escaped (H-51, M-02)': ['{"amount":1,"\\u0061mount":2}', /key twice/],
    'with a key twice in an object inside (M-02)': ['{"params":{"name":"a","name":"b"}}', /key twice/],
    'with __proto__ twice (H-51)': ['{"__proto__":1,"__proto__":2}', /key twice/],
    'with a byte order mark (H-51)': ['\ufeff{}', /byte order mark/],
    'with a comment (H-51)': ['{/**/}', /not JSON/],
    'with a line comment (H-51)': ['{}//x', /more than one/],
    'with a trailing comma in an object (H-51)': ['{"a":1,}', /not JSON/],
    'with a trailing comma in an array (H-51)': ['[1,]', /not JSON/],
    'with a comma alone (H-51)': ['[,]', /not JSON/],
    'with NaN (H-51)': ['NaN', /not JSON/],
    'with Infinity (H-51)': ['[Infinity]', /not JSON/],
    'with minus Infinity (H-51)': ['[-Infinity]', /not JSON/],
    'with a plus sign (H-51)': ['+1', /not JSON/],
    'with a leading zero (H-51)': ['[01]', /not JSON/],
    'with hexadecimal (H-51)': ['[0x10]', /not JSON/],
    'with a point and no digit after it (H-51)': ['[1.]', /not JSON/],
    'with a point and no digit before it (H-51)': ['[.5]', /not JSON/],
    'with an exponent without digits (H-51)': ['[1e]', /not JSON/],
    'with a sign alone (H-51)': ['[-]', /not JSON/],
    'with single quotes (H-51)': ["{'a':1}", /not JSON/],
    'with a bare key (H-51)': ['{a:1}', /not JSON/],
    'with a word in capitals (H-51)': ['[True]', /not JSON/],
    'with half of a surrogate pair escaped (H-51)': ['"\\ud800"', /surrogate/],
    'with the second half alone (H-51)': ['"\\udc00x"', /surrogate/],
    'with half of a surrogate pair in a key (H-51)': ['{"\\ud800":1}', /surrogate/],
    'with half of a surrogate pair in its bytes (H-51)': [[0x22, 0xed, 0xa0, 0x80, 0x22], /UTF-8/],
    'with an overlong encoding (H-51)': [[0x22, 0xc0, 0xaf, 0x22], /UTF-8/],
    'with a byte that is no UTF-8 (H-51)': [[0x22, 0xff, 0x22], /UTF-8/],
    'with a sequence that is cut off (H-51)': [[0x22, 0xe2, 0x82, 0x22], /UTF-8/],
    'in UTF-16 (H-51)': [utf16('{"a":1}'), /not JSON/],
    'in UTF-16 with its byte order mark (H-51)': [[0xff, 0xfe, ...utf16('{}')], /UTF-8/],
    'in UTF-32 (H-51)': [[0x7b, 0, 0, 0, 0x7d, 0, 0, 0], /not JSON/],
    'with a NUL (H-51)': ['{"a":1}\0', /more than one/],
    'with a NUL in a string (H-51)': ['"a\0b"', /control character/],
    'with a line feed in a string (H-51)': ['"a\nb"', /control character/],
    'with a tab in a string with escapes (H-51)': ['"\\n\t"', /escape/],
    'with an escape that does not exist (H-51)': ['"\\x41"', /escape/],
    'with a string that is open': ['"abc', /without an end/],
    'with a string that ends in a backslash': ['"abc\\"', /without an end/],
    'nested 65 deep (H-51)': ['['.repeat(65) + ']'.repeat(65), /deeper than 64/],
    'nested a million deep (H-51)': ['['.repeat(1_000_000), /deeper than 64/],
    'nested in objects 65 deep (H-51)': ['{"a":'.repeat(65) + '1' + '}'.repeat(65), /deeper than 64/],
    'that is two documents (H-51)': ['{} {}', /more than one/],
    'that is two documents in lines (H-51)': ['{"a":1}\n{"a":2}', /more than one/],
    'that is empty': ['', /not JSON/],
    'that is white space': [' \n', /not JSON/],
    'with white space of Unicode': ['\u00a0{}', /not JSON/],
    'with a vertical tab': ['\v{}', /not JSON/],
    'that is cut off': ['{"a":[1', /not JSON/],
    'with more than can be held in memory': [`[${'[],'.repeat(300_000)}[]]`, /more values/],
  };
  for (const [how, [source, why]] of Object.entries(unreadable)) {
    it(how, () => {
      const value = read(source);
      assert.ok(isUnreadable(value), 'was read');
      assert.match(value.unreadable, why);
    });
  }
});

describe('a number is unsafe', () => {
  const unsafe: Record<string, string> = {
    'that is minus zero (H-51)': '-0',
    'that is minus zero with a point (H-51)': '-0.0',
    'that is minus zero with an exponent (H-51)': '-0e5',
    'beyond the largest double (H-51)': '1e400',
    'below the smallest double (H-51)': '1e-400',
    'among the smallest doubles, which lose digits (H-51)': '4e-320',
    'that is 2^53 (H-51)': '9007199254740992',
    'that is 2^53 + 1 (H-51)': '9007199254740993',
    'that is minus 2^53 (H-51)': '-9007199254740992',
    'of twenty digits (H-51)': '12345678901234567890',
    'that an exponent makes larger than 2^53 (H-51)': '1e20',
    'with more digits than a double holds (H-51)': '0.1234567890123456',
    'that a double rounds to an integer (H-51)': '1.0000000000000000001',
  };
  for (const [which, source] of Object.entries(unsafe)) {
    it(which, () => assert.deepEqual(read(source), { unsafeNumber: source }));
  }
});

describe('JSON is read', () => {
  const accepted: Record<string, [source: string, value: unknown]> = {
    'when it is a string': ['"a"', 'a'],
    'when it is null': ['null', null],
    'with white space between everything': [' { "a" : [ 1 , true ] }\r\n\t', { a: [1, true] }],
    'with the largest safe integer': ['9007199254740991', Number.MAX_SAFE_INTEGER],
    'with the smallest safe integer': ['-9007199254740991', Number.MIN_SAFE_INTEGER],
    'with a decimal of 15 digits': ['123456789.012345', 123_456_789.012345],
    'with a negative decimal': ['-0.5', -0.5],
    'with an exponent': ['5e3', 5000],
    'with a capital exponent and sign': ['25E-1', 2.5],
    'with zeros after the point': ['5000.00', 5000],
    'with zero written long': ['0.00000000000000000000', 0],
    'with a long decimal of few digits': ['0.00000000000000000001', 1e-20],
    'with every escape': ['"\\"\\\\\\/\\b\\f\\n\\r\\t\\u00e9"', '"\\/\b\f\n\r\té'],
    'with an escaped quote at the end of a string': ['["a\\"","b"]', ['a"', 'b']],
    'with an escaped backslash at the end of a string': ['["a\\\\","b"]', ['a\\', 'b']],
    'with a surrogate pair escaped': ['"\\ud83d\\ude00"', '\u{1f600}'],
    'with text beyond ASCII': ['{"größe":"中文"}', { größe: '中文' }],
    'nested 64 deep': ['['.repeat(64) + ']'.repeat(64), JSON.parse('['.repeat(64) + ']'.repeat(64))],
    'with an empty key': ['{"":1}', { '': 1 }],
    'with an empty object and array': ['[{},[]]', [{}, []]],
  };
  for (const [how, [source, expected]] of Object.entries(accepted)) {
    it(how, () => {
      const value = read(source);
      assert.ok(!isUnreadable(value));
      assert.deepEqual(plain(value), expected);
    });
  }

  it('with __proto__ as a key like any other (H-51)', () => {
    const value = read('{"__proto__":{"amount":1}}') as ReadonlyMap<string, JsonValue>;
    assert.deepEqual([...value.keys()], ['__proto__']);
    assert.equal(value.get('amount'), undefined);
  });

  it('with keys that differ in letter case (M-02)', () => {
    const value = read('{"method":1,"Method":2}') as ReadonlyMap<string, JsonValue>;
    assert.deepEqual(
      [...value],
      [
        ['method', 1],
        ['Method', 2],
      ],
    );
  });
});

describe('any bytes', () => {
  const text = fc.oneof(
    fc.json(),
    fc.json().map((json) => json.replace(/./, '')),
    fc.string({ unit: fc.constantFrom(...'{}[]",:\\u0d8 1e+-.\n\ttruefalsn'.split('')) }),
  );

  it('are read as JSON.parse reads them, or not at all, and never throw (H-51)', () => {
    fc.assert(
      fc.property(text, (source) => {
        const value = read(source);
        let native: unknown;
        try {
          native = JSON.parse(source);
        } catch {
          assert.ok(isUnreadable(value), `${source} is no JSON`);
          return;
        }
        if (isUnreadable(value) || JSON.stringify(plain(value)).includes('unsafeNumber')) return;
        assert.deepEqual(plain(value), native);
      }),
      { numRuns: 10_000 },
    );
  });

  it('never throw when they are no text (H-51)', () => {
    fc.assert(
      fc.property(fc.uint8Array({ maxLength: 200 }), (bytes) => {
        readJson(bytes);
      }),
      { numRuns: 10_000 },
    );
  });

  it('are numbers of the same value as JSON.parse gives, or unsafe (H-51)', () => {
    const digits = (max: number) =>
      fc.string({ unit: fc.constantFrom(...'0123456789'.split('')), minLength: 1, maxLength: max });
    const number = fc
      .tuple(
        fc.constantFrom('', '-'),
        digits(17),
        fc.option(digits(17)),
        fc.option(fc.integer({ min: -330, max: 320 })),
      )
      .map(([sign, whole, fraction, exponent]) => {
        const head = `${sign}${whole.replace(/^0+(?=\d)/, '')}`;
        return `${head}${fraction === null ? '' : `.${fraction}`}${exponent === null ? '' : `e${exponent}`}`;
      });
    fc.assert(
      fc.property(number, (source) => {
        const value = read(source);
        if (typeof value === 'number') assert.ok(Object.is(value, JSON.parse(source)), source);
        else assert.deepEqual(value, { unsafeNumber: source });
      }),
      { numRuns: 10_000 },
    );
  });
});
