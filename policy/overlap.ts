// Whether two patterns can match one thing, and whether one matches all that another does: for findings about rules.
// The second errs on the side of no.

import { matchText } from './glob.ts';
import { hostParts, pathParts } from './match.ts';
import { anyNumber, type Part } from './part-tree.ts';
import type { RulesetMatch } from './ruleset.ts';

export function hostsOverlap(a: string, b: string): boolean {
  return a === b || (isGlob(a, b) && partsOverlap(hostParts(a), hostParts(b)));
}

export function pathsOverlap(a: string, b: string): boolean {
  return a === b || (isGlob(a, b) && partsOverlap(pathParts(a), pathParts(b)));
}

export function hostCovers(wide: string, narrow: string): boolean {
  return wide === narrow || (wide.includes('*') && partsCover(hostParts(wide), hostParts(narrow)));
}

export function pathCovers(wide: string, narrow: string): boolean {
  return wide === narrow || (wide.includes('*') && partsCover(pathParts(wide), pathParts(narrow)));
}

/** Whether some request lies in both, as far as host or destination, method and path say. */
export function matchesOverlap(a: RulesetMatch, b: RulesetMatch): boolean {
  return (
    placesMeet(a, b, (x, y) => hostsOverlap(x, y)) &&
    listsMeet(a.methods, b.methods, (x, y) => x === y) &&
    listsMeet(a.paths, b.paths, (x, y) => pathsOverlap(x, y))
  );
}

/** How many pairs of characters may still be looked at: comparing two patterns costs no more than their lengths say. */
export interface OverlapBudget {
  left: number;
}

/** As `matchesOverlap`, or null when the budget does not reach: then nobody knows. */
export function matchesOverlapWithin(
  a: RulesetMatch,
  b: RulesetMatch,
  budget: OverlapBudget,
): boolean | null {
  return isAffordable(a, b, budget) ? matchesOverlap(a, b) : null;
}

/** As `matchCovers`, which errs on the side of no, also where the budget does not reach. */
export function matchCoversWithin(wide: RulesetMatch, narrow: RulesetMatch, budget: OverlapBudget): boolean {
  return isAffordable(wide, narrow, budget) && matchCovers(wide, narrow);
}

function isAffordable(a: RulesetMatch, b: RulesetMatch, budget: OverlapBudget): boolean {
  budget.left -= lengthOf(a.hosts) * lengthOf(b.hosts) + lengthOf(a.paths) * lengthOf(b.paths);
  return budget.left >= 0;
}

function lengthOf(patterns: List): number {
  return (patterns ?? []).reduce((sum, pattern) => sum + pattern.length, 0);
}

/** Whether every request of the narrow one lies in the wide one, as far as host or destination, method and path say. */
export function matchCovers(wide: RulesetMatch, narrow: RulesetMatch): boolean {
  const placed =
    wide.destination !== undefined
      ? wide.destination === narrow.destination
      : wide.hosts === undefined ||
        (narrow.hosts !== undefined && everyCovered(wide.hosts, narrow.hosts, hostCovers));
  return (
    placed &&
    everyCovered(wide.methods, narrow.methods, (x, y) => x === y) &&
    everyCovered(wide.paths, narrow.paths, pathCovers)
  );
}

function placesMeet(a: RulesetMatch, b: RulesetMatch, meet: (x: string, y: string) => boolean): boolean {
  if (a.destination !== undefined || b.destination !== undefined) return a.destination === b.destination;
  return listsMeet(a.hosts, b.hosts, meet);
}

type List = readonly string[] | undefined;

/** An absent list is everything. */
function listsMeet(a: List, b: List, meet: (x: string, y: string) => boolean): boolean {
  return a === undefined || b === undefined || a.some((x) => b.some((y) => meet(x, y)));
}

function everyCovered(wide: List, narrow: List, covers: (x: string, y: string) => boolean): boolean {
  if (wide === undefined) return true;
  return narrow?.every((y) => wide.some((x) => covers(x, y))) ?? false;
}

function isGlob(a: string, b: string): boolean {
  return a.includes('*') || b.includes('*');
}

/**
 * Both patterns walked side by side, from their ends: `rest[j]` says whether what follows `i` of the one meets what
 * follows `j` of the other. Patterns are the tenant's, so no pair of positions may cost more than once.
 */
function partsOverlap(a: readonly Part[], b: readonly Part[]): boolean {
  const width = b.length + 1;
  let below = new Uint8Array(width);
  let rest = new Uint8Array(width);
  for (let i = a.length; i >= 0; i -= 1) {
    const x = a[i];
    for (let j = b.length; j >= 0; j -= 1) {
      const y = b[j];
      let meets: boolean;
      if (x === anyNumber) meets = below[j] === 1 || (y !== undefined && rest[j + 1] === 1);
      else if (y === anyNumber) meets = rest[j + 1] === 1 || (x !== undefined && below[j] === 1);
      else if (x === undefined || y === undefined) meets = x === y;
      else meets = below[j + 1] === 1 && textsOverlap(x, y);
      rest[j] = meets ? 1 : 0;
    }
    [below, rest] = [rest, below];
  }
  return below[0] === 1;
}

/** The same for `*` inside one part. */
function textsOverlap(a: string, b: string): boolean {
  if (!a.includes('*')) return matchText(b, a);
  if (!b.includes('*')) return matchText(a, b);
  // Between two globs only the ends before the first and after the last star can contradict each other.
  const [beginA, endA] = [a.slice(0, a.indexOf('*')), a.slice(a.lastIndexOf('*') + 1)];
  const [beginB, endB] = [b.slice(0, b.indexOf('*')), b.slice(b.lastIndexOf('*') + 1)];
  const begins = beginA.startsWith(beginB) || beginB.startsWith(beginA);
  return begins && (endA.endsWith(endB) || endB.endsWith(endA));
}

/** What `**` of the narrow one stands for must be inside a `**` of the wide one. */
function partsCover(wide: readonly Part[], narrow: readonly Part[]): boolean {
  let reached = new Uint8Array(wide.length + 1);
  let next = new Uint8Array(wide.length + 1);
  reached[0] = 1;
  enter(reached, wide);
  for (const part of narrow) {
    next.fill(0);
    for (let at = 0; at < wide.length; at += 1) {
      if (reached[at] === 0) continue;
      const own = wide[at] as Part;
      if (own === anyNumber) next[at] = 1;
      else if (part !== anyNumber && textCovers(own, part)) next[at + 1] = 1;
    }
    enter(next, wide);
    [reached, next] = [next, reached];
  }
  return reached[wide.length] === 1;
}

/** A `**` may stand for nothing. */
function enter(reached: Uint8Array, parts: readonly Part[]): void {
  for (let at = 0; at < parts.length; at += 1) {
    if (reached[at] === 1 && parts[at] === anyNumber) reached[at + 1] = 1;
  }
}

/** A star of the narrow one is an ordinary character to the wide one, which only a star of its own takes. */
function textCovers(wide: string, narrow: string): boolean {
  return wide === narrow || matchText(wide, narrow);
}
