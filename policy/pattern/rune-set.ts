// Sets of characters: literals, classes, `.`. The Unicode tables and the simple case folding that RE2 asks for are
// those of the JavaScript engine, which is given classes of one character only and so has nothing to backtrack over.

/** A set of code points, ASCII looked up, the rest asked of the engine. */
export interface RuneSet {
  readonly ascii: Uint8Array;
  /** Of one character, as a string of one or two code units. */
  readonly hasOther: (character: string) => boolean;
}

/** Items of a class: the text of a JavaScript class without its brackets (`a-z`, `\p{L}`), or the complement of one. */
export interface RuneItem {
  readonly text: string;
  readonly isNegated: boolean;
}

/** @throws {SyntaxError} of the engine, when an item names a Unicode class that does not exist. */
export function compileRuneSet(items: readonly RuneItem[], isNegated: boolean, ignoreCase: boolean): RuneSet {
  const flags = ignoreCase ? 'iu' : 'u';
  const included = items.filter((item) => !item.isNegated).map((item) => item.text);
  const inside = included.length === 0 ? null : new RegExp(`[${included.join('')}]`, flags);
  // Folded first and then negated, as RE2 has it: `(?i)[^k]` and `(?i)\P{Lu}` leave out both cases.
  const outside = items.filter((item) => item.isNegated).map((item) => new RegExp(`[${item.text}]`, flags));
  const has = (character: string): boolean =>
    ((inside?.test(character) ?? false) || outside.some((regex) => !regex.test(character))) !== isNegated;
  const ascii = new Uint8Array(128);
  for (let code = 0; code < 128; code += 1) ascii[code] = has(String.fromCharCode(code)) ? 1 : 0;
  return { ascii, hasOther: has };
}

/** One code point as text for a RuneItem. */
export function runeText(code: number): string {
  return `\\u{${code.toString(16)}}`;
}

/** Perl and POSIX classes, which are ASCII in RE2. */
export const asciiClasses: Readonly<Record<string, string>> = {
  d: '0-9',
  s: '\\t\\n\\f\\r ',
  w: '0-9A-Za-z_',
  alnum: '0-9A-Za-z',
  alpha: 'A-Za-z',
  ascii: '\\0-\\x7f',
  blank: '\\t ',
  cntrl: '\\0-\\x1f\\x7f',
  digit: '0-9',
  graph: '!-~',
  lower: 'a-z',
  print: ' -~',
  punct: '!-\\/:-@\\[-`\\{-~',
  space: '\\t\\n\\v\\f\\r ',
  upper: 'A-Z',
  word: '0-9A-Za-z_',
  xdigit: '0-9A-Fa-f',
};

/** The item of `\p{name}`: a general category or a script, as RE2 names them; null when the name is malformed. */
export function unicodeItem(name: string, isNegated: boolean): RuneItem | null {
  if (!/^[A-Z][A-Za-z_]*$/.test(name)) return null;
  const property = name === 'Any' || name.length <= 2 ? name : `Script=${name}`;
  return { text: `\\p{${property}}`, isNegated };
}
