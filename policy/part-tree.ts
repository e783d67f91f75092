// Many glob patterns over lists of parts (path segments, reversed host labels), matched at once. A tree of their common
// beginnings is walked as a nondeterministic automaton: at most one visit per node and item, whatever the patterns,
// and nothing is allocated while walking.

import { matchText } from './glob.ts';

/** `**` in a pattern: any number of whole parts, also none. */
export const anyNumber = Symbol('**');
export type Part = string | typeof anyNumber;

interface Node {
  /** The one part that leads on from here, as most often; with several, `exact` has them all. */
  part: string | null;
  only: Node | null;
  exact: Map<string, Node> | null;
  /** After a part that is `*` alone. */
  any: Node | null;
  globs: { readonly pattern: string; readonly node: Node }[] | null;
  /** After a `**` that stands here. */
  rest: Node | null;
  /** Whether it is after a `**`, and so stays for any part. */
  readonly loops: boolean;
  /** Of the patterns that end here. */
  values: number[] | null;
  /** The lowest value at or below it. */
  lowest: number;
  /** Of the walk that saw it last. */
  seen: number;
}

export interface PartTree {
  add(parts: readonly Part[], value: number): void;
  /** Calls `found` for each pattern that matches; one value may come several times. @returns steps taken. */
  match(items: readonly string[], found: (value: number) => void): number;
  /** After a walk that found nothing: the lowest value whose pattern went along furthest. */
  nearest(): number;
  readonly size: () => number;
}

export function createPartTree(): PartTree {
  let size = 0;
  let walk = 0;
  let nearest = Infinity;
  let current: Node[] = [];
  let next: Node[] = [];
  const root = createNode(false);

  function createNode(loops: boolean): Node {
    size += 1;
    const links = { part: null, only: null, exact: null, any: null, globs: null, rest: null };
    return { ...links, loops, values: null, lowest: Infinity, seen: 0 };
  }

  function childOf(node: Node, part: Part): Node {
    if (part === anyNumber) return (node.rest ??= createNode(true));
    if (part === '*') return (node.any ??= createNode(false));
    if (part.includes('*')) {
      node.globs ??= [];
      const known = node.globs.find(({ pattern }) => pattern === part);
      if (known !== undefined) return known.node;
      const made = createNode(false);
      node.globs.push({ pattern: part, node: made });
      return made;
    }
    const known = exactChild(node, part);
    if (known !== null) return known;
    const made = createNode(false);
    if (node.only === null) {
      node.part = part;
      node.only = made;
    } else {
      node.exact ??= new Map([[node.part ?? '', node.only]]);
      node.exact.set(part, made);
    }
    return made;
  }

  /** @returns how many nodes are in the list now. */
  function enter(list: Node[], count: number, node: Node): number {
    if (node.seen === walk) return count;
    node.seen = walk;
    list[count] = node;
    // A `**` may stand for nothing.
    return node.rest === null ? count + 1 : enter(list, count + 1, node.rest);
  }

  return {
    add(parts, value) {
      let node = root;
      node.lowest = Math.min(node.lowest, value);
      for (const part of parts) {
        node = childOf(node, part);
        node.lowest = Math.min(node.lowest, value);
      }
      (node.values ??= []).push(value);
    },
    match(items, found) {
      walk += 1;
      let steps = 0;
      let count = enter(current, 0, root);
      for (let at = 0; at < items.length && count > 0; at += 1) {
        const item = items[at] ?? '';
        walk += 1;
        let entered = 0;
        nearest = Infinity;
        for (let index = 0; index < count; index += 1) {
          const node = current[index] as Node;
          steps += 1;
          if (node.lowest < nearest) nearest = node.lowest;
          if (node.loops) entered = enter(next, entered, node);
          const child = exactChild(node, item);
          if (child !== null) entered = enter(next, entered, child);
          if (node.any !== null && item !== '') entered = enter(next, entered, node.any);
          if (node.globs === null) continue;
          for (const { pattern, node: target } of node.globs) {
            steps += 1;
            if (matchText(pattern, item)) entered = enter(next, entered, target);
          }
        }
        const left = current;
        current = next;
        next = left;
        count = entered;
      }
      for (let index = 0; index < count; index += 1) {
        const node = current[index] as Node;
        steps += 1;
        if (node.lowest < nearest || index === 0) nearest = node.lowest;
        if (node.values !== null) for (const value of node.values) found(value);
      }
      return steps;
    },
    nearest: () => nearest,
    size: () => size,
  };
}

function exactChild(node: Node, part: string): Node | null {
  if (node.exact !== null) return node.exact.get(part) ?? null;
  return node.part === part ? node.only : null;
}
