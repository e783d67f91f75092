// Character classes and escapes of RE2.

import { asciiClasses, runeText, unicodeItem, type RuneItem } from './rune-set.ts';
import { PatternProblem, type Source } from './source.ts';

/** After `[`. */
export function parseClass(source: Source): { items: readonly RuneItem[]; isNegated: boolean } {
  const isNegated = source.take('^');
  const items: RuneItem[] = [];
  for (let isFirst = true; isFirst || source.peek() !== ']'; isFirst = false) {
    const item = parseClassItem(source);
    if (typeof item !== 'number') {
      items.push(item);
      continue;
    }
    // A hyphen is itself where no range can be: before the closing bracket.
    const range = source.match(/-(?!\])/y);
    if (range === null) {
      items.push({ text: runeText(item), isNegated: false });
      continue;
    }
    const last = parseClassRune(source);
    if (last < item) throw new PatternProblem('has a range whose end comes before its start');
    items.push({ text: `${runeText(item)}-${runeText(last)}`, isNegated: false });
  }
  source.next();
  return { items, isNegated };
}

function parseClassItem(source: Source): number | RuneItem {
  const posix = source.match(/\[:(\^?)(\w*):\]/y);
  if (posix !== null) {
    const name = posix[2] ?? '';
    const text = name.length > 1 && Object.hasOwn(asciiClasses, name) ? asciiClasses[name] : undefined;
    if (text === undefined) throw new PatternProblem(`has the class [:${name}:], which does not exist`);
    return { text, isNegated: posix[1] === '^' };
  }
  const character = source.next();
  if (character === '') throw new PatternProblem('lacks a closing bracket');
  return character === '\\' ? parseEscapedSet(source) : (character.codePointAt(0) ?? 0);
}

/** The end of a range, which is one character. */
function parseClassRune(source: Source): number {
  const character = source.next();
  if (character === '') throw new PatternProblem('lacks a closing bracket');
  const item = character === '\\' ? parseEscapedSet(source) : (character.codePointAt(0) ?? 0);
  if (typeof item !== 'number') throw new PatternProblem('has a range that ends in a class');
  return item;
}

const controls: Readonly<Record<string, number>> = { a: 7, f: 12, t: 9, n: 10, r: 13, v: 11 };

/** After a backslash: a character, or a set of them. */
export function parseEscapedSet(source: Source): number | RuneItem {
  const unicode = source.match(/([pP])(?:\{(\^?)([^}]*)\}|([A-Z]))/y);
  if (unicode !== null) {
    const isNegated = (unicode[1] === 'P') !== (unicode[2] === '^');
    const item = unicodeItem(unicode[3] ?? unicode[4] ?? '', isNegated);
    if (item === null) throw new PatternProblem('names a Unicode class that does not exist');
    return item;
  }
  const perl = source.match(/[dswDSW]/y)?.[0];
  if (perl !== undefined) {
    return { text: asciiClasses[perl.toLowerCase()] ?? '', isNegated: perl < 'a' };
  }
  // A single digit would be a reference to a group, which no linear engine has.
  const octal = source.match(/0[0-7]{0,2}|[1-7][0-7]{1,2}/y)?.[0];
  if (octal !== undefined) return Number.parseInt(octal, 8);
  const hex = source.match(/x(?:\{([0-9A-Fa-f]+)\}|([0-9A-Fa-f]{2}))/y);
  if (hex !== null) {
    const code = Number.parseInt(hex[1] ?? hex[2] ?? '', 16);
    if (code > 0x10ffff) throw new PatternProblem('has a character beyond Unicode');
    return code;
  }
  const character = source.next();
  const control = Object.hasOwn(controls, character) ? controls[character] : undefined;
  if (control !== undefined) return control;
  // RE2 takes any ASCII character but letters and digits for itself.
  if (character === '' || character >= '\x80' || /[0-9A-Za-z]/.test(character)) {
    throw new PatternProblem(
      character === '' ? 'ends in a backslash' : `has the escape \\${character}, which RE2 does not have`,
    );
  }
  return character.codePointAt(0) ?? 0;
}
