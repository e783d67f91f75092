// Many glob patterns over lists of parts (path segments, reversed host labels), matched at once. A tree of their common
// beginnings is walked as a nondeterministic automaton: at most one visit per node and item, whatever the patterns,
// and nothing is allocated while walking.

import { compileGlob } from './glob.ts';

/** `**` in a pattern: any number of whole parts, also none. */
export const anyNumber = Symbol('**');
export type Part = string | typeof anyNumber;

/** Higher than any value; a small integer, which costs no memory of its own. */
export const noValue = 0x3f_ff_ff_ff;

export interface PartTree {
  /** The one part that leads on from here, as most often; with several, `exact` has them all. */
  part: string | null;
  only: PartTree | null;
  exact: Map<string, PartTree> | null;
  /** After a part that is `*` alone. */
  any: PartTree | null;
  globs: Map<string, Glob> | null;
  /** After a `**` that stands here. */
  rest: PartTree | null;
  /** Whether it is after a `**`, and so stays for any part. */
  readonly loops: boolean;
  /** Of the patterns that end here. */
  values: number[] | null;
  /** The lowest value at or below it. */
  lowest: number;
  /** Of one that loops: the step of the walk that entered it last. */
  seen: number;
}

interface Glob {
  readonly matches: (text: string) => boolean;
  readonly node: PartTree;
}

export function createPartTree(loops = false): PartTree {
  const links = { part: null, only: null, exact: null, any: null, globs: null, rest: null };
  return { ...links, loops, values: null, lowest: noValue, seen: 0 };
}

export function addPattern(tree: PartTree, parts: readonly Part[], value: number): void {
  let node = tree;
  node.lowest = Math.min(node.lowest, value);
  for (const part of parts) {
    node = grow(node, part);
    node.lowest = Math.min(node.lowest, value);
  }
  (node.values ??= []).push(value);
}

function grow(node: PartTree, part: Part): PartTree {
  if (part === anyNumber) return (node.rest ??= createPartTree(true));
  if (part === '*') return (node.any ??= createPartTree());
  if (part.includes('*')) {
    node.globs ??= new Map();
    const known = node.globs.get(part);
    if (known !== undefined) return known.node;
    const made = createPartTree();
    node.globs.set(part, { matches: compileGlob(part), node: made });
    return made;
  }
  const known = exactChild(node, part);
  if (known !== null) return known;
  const made = createPartTree();
  if (node.only === null) {
    node.part = part;
    node.only = made;
  } else {
    node.exact ??= new Map([[node.part ?? '', node.only]]);
    node.exact.set(part, made);
  }
  return made;
}

function exactChild(node: PartTree, part: string): PartTree | null {
  if (node.exact !== null) return node.exact.get(part) ?? null;
  return node.part === part ? node.only : null;
}

/** Walks trees, one at a time; two walkers must not share a tree. */
export interface PartWalker {
  /** Calls `found` for each pattern that matches; one value may come several times. @returns steps taken. */
  match(tree: PartTree, items: readonly string[], found: (value: number) => void): number;
  /** After a walk that found nothing: the lowest value whose pattern went along furthest. */
  nearest(): number;
}

export function createPartWalker(): PartWalker {
  let walk = 0;
  let nearest = noValue;
  let current: PartTree[] = [];
  let next: PartTree[] = [];

  /** @returns how many nodes are in the list now. */
  function enter(list: PartTree[], count: number, node: PartTree): number {
    // In a tree only what stays after a `**` is entered in two ways: from before, and from itself.
    if (node.loops) {
      if (node.seen === walk) return count;
      node.seen = walk;
    }
    list[count] = node;
    // A `**` may stand for nothing.
    return node.rest === null ? count + 1 : enter(list, count + 1, node.rest);
  }

  function advance(node: PartTree, item: string, count: number): number {
    let entered = count;
    if (node.loops) entered = enter(next, entered, node);
    const child = exactChild(node, item);
    if (child !== null) entered = enter(next, entered, child);
    if (node.any !== null && item !== '') entered = enter(next, entered, node.any);
    if (node.globs === null) return entered;
    for (const { matches, node: target } of node.globs.values()) {
      if (matches(item)) entered = enter(next, entered, target);
    }
    return entered;
  }

  return {
    match: (tree, items, found) => {
      walk += 1;
      let steps = 0;
      let count = enter(current, 0, tree);
      for (let at = 0; at < items.length && count > 0; at += 1) {
        const item = items[at] ?? '';
        walk += 1;
        let entered = 0;
        nearest = noValue;
        for (let index = 0; index < count; index += 1) {
          const node = current[index] as PartTree;
          // A glob looks at each character of its pattern and of the item at most once.
          steps += 1 + (node.globs === null ? 0 : node.globs.size * (1 + item.length));
          if (node.lowest < nearest) nearest = node.lowest;
          entered = advance(node, item, entered);
        }
        const left = current;
        current = next;
        next = left;
        count = entered;
      }
      for (let index = 0; index < count; index += 1) {
        const node = current[index] as PartTree;
        steps += 1;
        if (index === 0 || node.lowest < nearest) nearest = node.lowest;
        if (node.values !== null) for (const value of node.values) found(value);
      }
      return steps;
    },
    nearest: () => nearest,
  };
}
