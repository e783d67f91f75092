// RE2 syntax to a tree that knows how large its program will be. Greediness does not change whether a whole text
// matches, so it is read and forgotten.

import { parseClass, parseEscapedSet } from './character-class.ts';
import { compileRuneSet, runeText, type RuneItem, type RuneSet } from './rune-set.ts';
import { createSource, PatternProblem, type Source } from './source.ts';

export { PatternProblem };

export type Assertion = 'beginText' | 'endText' | 'beginLine' | 'endLine' | 'wordBoundary' | 'noWordBoundary';

export type Node = { readonly size: number; readonly weight: number } & (
  | { readonly kind: 'set'; readonly set: RuneSet }
  | { readonly kind: 'assert'; readonly assertion: Assertion }
  | { readonly kind: 'sequence' | 'choice'; readonly parts: readonly Node[] }
  | { readonly kind: 'repeat'; readonly of: Node; readonly min: number; readonly max: number }
);

interface Flags {
  i: boolean;
  m: boolean;
  s: boolean;
}

/** RE2's: what a counted repetition, and nested ones together, may multiply to. */
const maxRepeat = 1000;

/** @throws {PatternProblem} */
export function parsePattern(text: string, ignoreCase: boolean): Node {
  const source = createSource(text);
  const sets = new Map<string, RuneSet>();

  function setNode(items: readonly RuneItem[], isNegated: boolean, flags: Flags): Node {
    const key = `${flags.i}${isNegated}${items.map((item) => `${item.isNegated}${item.text}`).join('')}`;
    let set = sets.get(key);
    if (set === undefined) {
      try {
        set = compileRuneSet(items, isNegated, flags.i);
      } catch {
        throw new PatternProblem('names a Unicode class that does not exist');
      }
      sets.set(key, set);
    }
    return { kind: 'set', set, size: 1, weight: 1 };
  }
  const literal = (code: number, flags: Flags): Node =>
    setNode([{ text: runeText(code), isNegated: false }], false, flags);

  /** Up to the closing parenthesis or the end. */
  function parseChoice(flags: Flags): Node {
    const choices: Node[] = [];
    let parts: Node[] = [];
    let afterRepeat = false;
    for (;;) {
      const character = source.peek();
      if (character === '' || character === ')') break;
      source.next();
      if (character === '|') {
        choices.push(sequence(parts));
        parts = [];
        afterRepeat = false;
        continue;
      }
      const repeat = readRepeat(source, character);
      if (repeat !== null) {
        const last = parts.pop();
        if (last === undefined) throw new PatternProblem('repeats nothing');
        if (afterRepeat) throw new PatternProblem('repeats a repetition');
        parts.push(repeated(last, repeat.min, repeat.max));
        afterRepeat = true;
        continue;
      }
      const node = parseAtom(character, flags);
      if (node !== null) parts.push(...node);
      afterRepeat = false;
    }
    choices.push(sequence(parts));
    return choices.length === 1 && choices[0] !== undefined ? choices[0] : choice(choices);
  }

  /** Null for what only changes flags. */
  function parseAtom(character: string, flags: Flags): Node[] | null {
    switch (character) {
      case '(': {
        const inner = readGroupStart(source, flags);
        if (inner === null) return null;
        const node = parseChoice(inner);
        if (!source.take(')')) throw new PatternProblem('lacks a closing parenthesis');
        return [node];
      }
      case '[': {
        const { items, isNegated } = parseClass(source);
        return [setNode(items, isNegated, flags)];
      }
      case '.':
        return [setNode(flags.s ? [] : [{ text: '\\n', isNegated: false }], true, flags)];
      case '^':
        return [assert(flags.m ? 'beginLine' : 'beginText')];
      case '$':
        return [assert(flags.m ? 'endLine' : 'endText')];
      case '\\':
        return parseEscape(flags);
      default:
        return [literal(character.codePointAt(0) ?? 0, flags)];
    }
  }

  function parseEscape(flags: Flags): Node[] {
    if (source.take('A')) return [assert('beginText')];
    if (source.take('z')) return [assert('endText')];
    if (source.take('b')) return [assert('wordBoundary')];
    if (source.take('B')) return [assert('noWordBoundary')];
    if (source.take('Q'))
      return Array.from(source.until('\\E'), (each) => literal(each.codePointAt(0) ?? 0, flags));
    const item = parseEscapedSet(source);
    return [typeof item === 'number' ? literal(item, flags) : setNode([item], false, flags)];
  }

  const root = parseChoice({ i: ignoreCase, m: false, s: false });
  if (source.peek() !== '') throw new PatternProblem('has a closing parenthesis too many');
  return root;
}

/** A repetition operator at `character`, with the `?` that makes it lazy; a brace that is none is a literal. */
function readRepeat(source: Source, character: string): { min: number; max: number } | null {
  let range: { min: number; max: number };
  if (character === '*') range = { min: 0, max: Infinity };
  else if (character === '+') range = { min: 1, max: Infinity };
  else if (character === '?') range = { min: 0, max: 1 };
  else if (character === '{') {
    const found = source.match(/(\d+)(,(\d*))?\}/y);
    if (found === null) return null;
    const min = Number(found[1]);
    const max = found[2] === undefined ? min : found[3] === '' ? Infinity : Number(found[3]);
    if (min > maxRepeat || (max !== Infinity && max > maxRepeat) || min > max) {
      throw new PatternProblem(`repeats other than from 0 to ${maxRepeat} times`);
    }
    range = { min, max };
  } else return null;
  source.take('?');
  return range;
}

/** After `(`: the flags inside, or null for `(?i)`, which sets them for what follows. */
function readGroupStart(source: Source, flags: Flags): Flags | null {
  if (!source.take('?')) return { ...flags };
  // Two of one name are refused by RE2 in C++ and taken by Go's, which is what the API server asks.
  if (source.match(/P?<[0-9A-Za-z_]+>/y) !== null) return { ...flags };
  const found = source.match(/([imsU]*)(-[imsU]+)?([:)])/y);
  if (found === null) throw new PatternProblem('has a group of a kind that RE2 does not have');
  const changed = { ...flags };
  for (const key of ['i', 'm', 's'] as const) {
    if (found[1]?.includes(key)) changed[key] = true;
    if (found[2]?.includes(key)) changed[key] = false;
  }
  if (found[3] === ':') return changed;
  Object.assign(flags, changed);
  return null;
}

function assert(assertion: Assertion): Node {
  return { kind: 'assert', assertion, size: 1, weight: 1 };
}

function sequence(parts: readonly Node[]): Node {
  const only = parts[0];
  if (parts.length === 1 && only !== undefined) return only;
  return { kind: 'sequence', parts, ...measure(parts, 0) };
}

function choice(parts: readonly Node[]): Node {
  return { kind: 'choice', parts, ...measure(parts, parts.length - 1) };
}

function measure(parts: readonly Node[], more: number): { size: number; weight: number } {
  return {
    size: parts.reduce((sum, part) => sum + part.size, more),
    weight: parts.reduce((most, part) => Math.max(most, part.weight), 1),
  };
}

function repeated(of: Node, min: number, max: number): Node {
  const times = max === Infinity ? min : max;
  const weight = times === 0 ? 1 : times * of.weight;
  if (times > 1 && weight > maxRepeat) {
    throw new PatternProblem(`has repetitions that multiply to more than ${maxRepeat}`);
  }
  // As program.ts lays it out: every copy, and a branch for each that may be left out.
  const size =
    max === Infinity ? Math.max(min, 1) * of.size + 1 : min * of.size + (max - min) * (of.size + 1);
  return { kind: 'repeat', of, min, max, size, weight };
}
