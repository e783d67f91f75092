// Looks for a field in a tree of names: of a query, a form, or headers.

import { everyPart, isIndex } from './spelling.ts';
import type { NameNode } from './name-tree.ts';
import { allOf, Found, Outcome, type Presence } from './outcome.ts';
import type { NamePath } from './pointer.ts';

/** For a grant: there exactly once, spelt as in the rule, and nothing beside, below or above it that is the same to some. */
export function compileNameProof(
  path: NamePath,
  test: (text: string) => boolean,
  presence: Presence,
): (root: NameNode) => Outcome {
  const { parts, aliases, isExact, isList } = path;

  function walk(node: NameNode, at: number): Outcome {
    if (at === parts.length) return end(node);
    // A name with a value of its own and with members: the last one wins in PHP, Rails fails.
    if (node.pairs.length > 0 && presence !== 'absent') return Outcome.ambiguous;
    const part = parts[at] ?? '';
    if (part !== everyPart) {
      const member = node.members.get(part);
      return member === undefined ? Outcome.missing : walk(member, at + 1);
    }
    // The whole of a form is no list.
    if (at === 0) return Outcome.failed;
    let outcome: Outcome = node.members.size === 0 ? Outcome.empty : Outcome.proved;
    for (const [key, member] of node.members) {
      const element = isIndex(key) ? walk(member, at + 1) : Outcome.failed;
      outcome = allOf(outcome, element, presence);
      if (outcome >= Outcome.failed) return outcome;
    }
    return presence === 'absent' ? Outcome.missing : outcome;
  }

  function end({ pairs, members }: NameNode): Outcome {
    if (presence === 'absent') return Outcome.failed;
    if (members.size > 0 || (pairs.length > 1 && !isList)) return Outcome.ambiguous;
    const isUnnumbered = pairs[0]?.[0].endsWith('[]') ?? false;
    for (let at = 0; at < pairs.length; at += 1) {
      const [name = '', value = ''] = pairs[at] ?? [];
      if (!isExact(name)) return Outcome.ambiguous;
      if (isList && !name.endsWith(isUnnumbered ? '[]' : `[${at}]`)) return Outcome.ambiguous;
      if (!test(value)) return Outcome.failed;
    }
    return Outcome.proved;
  }

  return (root) => {
    const outcome = walk(root, 0);
    for (const alias of aliases) {
      const node = follow(root, alias);
      if (node !== null && (node.members.size > 0 || node.pairs.some(([name]) => !isExact(name)))) {
        return Outcome.ambiguous;
      }
    }
    return outcome;
  };
}

/** For a guard: any spelling counts. */
export function compileNameSearch(
  { parts, aliases }: NamePath,
  test: (text: string) => boolean,
): (root: NameNode) => Found {
  function walk(node: NameNode, at: number): Found {
    if (at === parts.length) return best(node);
    const part = parts[at] ?? '';
    if (part !== everyPart) {
      const found = within(node.members.get(part), at);
      // `items[][price]` may be any of them.
      const unnumbered = isIndex(part) ? within(node.members.get(''), at) : Found.nowhere;
      return unnumbered > found ? unnumbered : found;
    }
    let found: Found = Found.nowhere;
    for (const member of node.members.values()) {
      const inMember = walk(member, at + 1);
      if (inMember > found) found = inMember;
    }
    return found;
  }

  function within(member: NameNode | undefined, at: number): Found {
    return member === undefined ? Found.nowhere : walk(member, at + 1);
  }

  function best({ pairs }: NameNode): Found {
    for (const [, value] of pairs) if (test(value)) return Found.match;
    return pairs.length > 0 ? Found.other : Found.nowhere;
  }

  return (root) => {
    let found = walk(root, 0);
    for (const alias of aliases) {
      const node = follow(root, alias);
      const there = node === null ? Found.nowhere : best(node);
      if (there > found) found = there;
    }
    return found;
  };
}

/** Whether every server finds it there: in its own spelling. */
export function compileNamePresence({ parts, isExact }: NamePath): (root: NameNode) => boolean {
  function walk(node: NameNode, at: number): boolean {
    if (at === parts.length) return node.pairs.some(([name]) => isExact(name));
    const part = parts[at] ?? '';
    if (part !== everyPart) {
      const member = node.members.get(part);
      return member !== undefined && walk(member, at + 1);
    }
    for (const member of node.members.values()) if (!walk(member, at + 1)) return false;
    return node.members.size > 0;
  }
  return (root) => walk(root, 0);
}

function follow(root: NameNode, parts: readonly string[]): NameNode | null {
  let node: NameNode | undefined = root;
  for (const part of parts) {
    node = node.members.get(part);
    if (node === undefined) return null;
  }
  return node;
}
