// Globs on host labels and decoded path segments. `*` stays inside one label or segment, `**` stands for whole ones:
// zero or more in paths, one or more in hosts. What is compiled here is walked by `part-tree.ts`.

import { addPattern, anyNumber, createPartTree, createPartWalker, type Part } from './part-tree.ts';

/** A compiled pattern; linear in pattern × input, without recursion or regular expressions. */
export type Match = (parts: readonly string[]) => boolean;

/** A host pattern's labels, from the last to the first: what names share is their end. */
export function hostParts(pattern: string): Part[] {
  return spelling(pattern)
    .split('.')
    .flatMap((part): Part[] => (part === '**' ? ['*', anyNumber] : [part]))
    .toReversed();
}

/** Lower case, no trailing dot. */
export function spelling(pattern: string): string {
  return pattern.toLowerCase().replace(/\.$/, '');
}

/** A path pattern's segments, compared to the letter: for grants. */
export function pathParts(pattern: string): Part[] {
  return pattern
    .slice(1)
    .split('/')
    .map((part) => (part === '**' ? anyNumber : part));
}

/** For guards, which must also catch what a server might take for the same path: another letter case, a trailing slash. */
export function guardPathParts(pattern: string): Part[] {
  const parts = pathParts(pattern.toLowerCase());
  while (parts.length > 1 && parts.at(-1) === '') parts.pop();
  return parts;
}

export function compileHostPattern(pattern: string): Match {
  const match = compilePatterns([hostParts(pattern)]);
  return (labels) => match(labels.toReversed());
}

export function compilePathPattern(pattern: string): Match {
  return compilePatterns([pathParts(pattern)]);
}

/** Whether any of the patterns matches. */
export function compilePatterns(patterns: readonly (readonly Part[])[]): Match {
  const tree = createPartTree();
  const walker = createPartWalker();
  for (const parts of patterns) addPattern(tree, parts, 0);
  return (items) => {
    let isFound = false;
    walker.match(tree, items, () => {
      isFound = true;
    });
    return isFound;
  };
}
