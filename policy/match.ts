// Globs on host labels and decoded path segments, compiled once. `*` stays inside one label or segment,
// `**` stands for whole ones: zero or more in paths, one or more in hosts.

/** A compiled pattern; linear in pattern × input, without recursion or regular expressions. */
export type Match = (parts: readonly string[]) => boolean;

const anyNumber = Symbol('**');
type Part = string | typeof anyNumber;

/** Compiles a host pattern to a match on the labels of a canonical host. */
export function compileHostPattern(pattern: string): Match {
  const parts = pattern
    .toLowerCase()
    .replace(/\.$/, '')
    .split('.')
    .flatMap((part): Part[] => (part === '**' ? ['*', anyNumber] : [part]));
  return (labels) => matchParts(parts, labels, matchText);
}

/** Compiles a path pattern to a match on decoded segments that must be equal to the letter: for grants. */
export function compilePathPattern(pattern: string): Match {
  const parts = pathParts(pattern);
  return (segments) => matchParts(parts, segments, matchText);
}

/**
 * Compiles a path pattern for a guard, which must also catch what a server might take for the same path:
 * another letter case, a trailing slash.
 */
export function compileGuardPathPattern(pattern: string): Match {
  const parts = pathParts(pattern.toLowerCase());
  while (parts.length > 1 && parts.at(-1) === '') parts.pop();
  return (segments) => {
    let end = segments.length;
    while (end > 1 && segments[end - 1] === '') end -= 1;
    const folded = segments.slice(0, end).map((segment) => segment.toLowerCase());
    return matchParts(parts, folded, matchText);
  };
}

function pathParts(pattern: string): Part[] {
  return pattern
    .slice(1)
    .split('/')
    .map((part) => (part === '**' ? anyNumber : part));
}

/** Two pointers and the last `**` to come back to: no more than parts × items comparisons. */
function matchParts(
  parts: readonly Part[],
  items: readonly string[],
  same: (part: string, item: string) => boolean,
): boolean {
  let part = 0;
  let item = 0;
  let resumePart = -1;
  let resumeItem = 0;
  while (item < items.length) {
    const current = parts[part];
    if (current === anyNumber) {
      resumePart = part;
      resumeItem = item;
      part += 1;
    } else if (current !== undefined && same(current, items[item] ?? '')) {
      part += 1;
      item += 1;
    } else if (resumePart >= 0) {
      resumeItem += 1;
      item = resumeItem;
      part = resumePart + 1;
    } else return false;
  }
  while (parts[part] === anyNumber) part += 1;
  return part === parts.length;
}

/** `*` inside one label or segment: any number of characters, but an empty segment is only the empty pattern. */
function matchText(pattern: string, text: string): boolean {
  if (text === '') return pattern === '';
  if (!pattern.includes('*')) return pattern === text;
  let p = 0;
  let t = 0;
  let resumeP = -1;
  let resumeT = 0;
  while (t < text.length) {
    if (pattern[p] === '*') {
      resumeP = p;
      resumeT = t;
      p += 1;
    } else if (p < pattern.length && pattern[p] === text[t]) {
      p += 1;
      t += 1;
    } else if (resumeP >= 0) {
      resumeT += 1;
      t = resumeT;
      p = resumeP + 1;
    } else return false;
  }
  while (pattern[p] === '*') p += 1;
  return p === pattern.length;
}
