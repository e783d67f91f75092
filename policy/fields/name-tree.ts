// Names of a query or form as a tree, once per request: `a[b]`, `a.b` and `A[b][]` all stand at a, b. What governs a
// name so sees every spelling of it, what stands where it should, and what stands below and above it.

import type { Pairs } from '../content/form.ts';
import { foldHeader, partsInPhp, partsOf } from './spelling.ts';

export interface NameNode {
  readonly pairs: Pairs;
  readonly members: ReadonlyMap<string, NameNode>;
}

interface Building extends NameNode {
  readonly pairs: [string, string][];
  readonly members: Map<string, Building>;
}

export const noNames: NameNode = { pairs: [], members: new Map() };

export function createNameTree(pairs: Pairs): NameNode {
  if (pairs.length === 0) return noNames;
  const root = createNode();
  for (const [name, value] of pairs) {
    add(root, partsOf(name), name, value);
    const inPhp = partsInPhp(name);
    if (inPhp !== null) add(root, inPhp, name, value);
  }
  return root;
}

/** @param headers name and value alternating, names in lower case. */
export function createHeaderTree(headers: readonly string[]): NameNode {
  const root = createNode();
  for (let at = 0; at < headers.length; at += 2) {
    const name = headers[at] ?? '';
    add(root, [foldHeader(name)], name, headers[at + 1] ?? '');
  }
  return root;
}

function add(root: Building, parts: readonly string[], name: string, value: string): void {
  let node = root;
  for (const part of parts) {
    let member = node.members.get(part);
    if (member === undefined) {
      member = createNode();
      node.members.set(part, member);
    }
    node = member;
  }
  node.pairs.push([name, value]);
}

function createNode(): Building {
  return { pairs: [], members: new Map() };
}
