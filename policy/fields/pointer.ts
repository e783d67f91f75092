// JSON pointers (RFC 6901) with `*` for every element, and the names of forms that they stand for.

import { everyPart, foldCase, partsOf, splitName, withoutIndices } from './spelling.ts';

export interface Token {
  readonly text: string;
  readonly folded: string;
  /** Of an array's element; -1 when it is none. */
  readonly index: number;
  readonly isEvery: boolean;
}

export function literalToken(text: string): Token {
  const index = /^(?:0|[1-9]\d{0,8})$/.test(text) ? Number(text) : -1;
  return { text, folded: foldCase(text), index, isEvery: false };
}

const every: Token = { text: '*', folded: '*', index: -1, isEvery: true };

/** Null when it is no pointer. */
export function parsePointer(pointer: string): readonly Token[] | null {
  if (!pointer.startsWith('/') || /~(?![01])/.test(pointer)) return null;
  return pointer
    .slice(1)
    .split('/')
    .map((part) => (part === '*' ? every : literalToken(part.replaceAll('~1', '/').replaceAll('~0', '~'))));
}

/** Where a field stands in a tree of names, and how its own name is spelt. */
export interface NamePath {
  /** Folded; `everyPart` is every member. */
  readonly parts: readonly string[];
  /** A second place that PHP puts the name at. */
  readonly aliases: readonly (readonly string[])[];
  readonly isExact: (name: string) => boolean;
  /** All values of one list: `tags[]`, or `tags[0]`, `tags[1]` and so on. */
  readonly isList: boolean;
}

// `/a/b` is `a[b]`, `/a/*` is `a[]` or `a[0]`, and `b` of every element of `a` is `a[0][b]`.
export function formPath(tokens: readonly Token[]): NamePath {
  const [first, ...rest] = tokens;
  const name = `${first?.text ?? ''}${rest.map(({ text }) => `[${text}]`).join('')}`;
  if (!tokens.some(({ isEvery }) => isEvery)) return namePath(name, partsOf(name));
  const isList = tokens.at(-1)?.isEvery ?? false;
  const parts = tokens.flatMap(({ isEvery, text }) => (isEvery ? [everyPart] : splitName(text)));
  const pattern = rest.map(({ isEvery, text }, at) => {
    if (!isEvery) return RegExp.escape(`[${text}]`);
    return at === rest.length - 1 ? '\\[(?:0|[1-9]\\d*)?\\]' : '\\[(?:0|[1-9]\\d*)\\]';
  });
  const exact = new RegExp(`^${RegExp.escape(first?.text ?? '')}${pattern.join('')}$`);
  return {
    parts: withoutIndices(parts),
    aliases: [],
    isExact: (other) => exact.test(other),
    isList,
  };
}

export function namePath(
  name: string,
  parts: readonly string[],
  alias: readonly string[] | null = null,
): NamePath {
  return {
    parts,
    aliases: alias === null ? [] : [alias],
    isExact: (other) => other === name,
    isList: false,
  };
}
