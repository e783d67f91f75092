// Whether patterns overlap, against every text of a small world.

import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import { compilePatterns, pathParts } from '../../policy/match.ts';
import { matchesOverlap, matchesOverlapWithin, pathCovers, pathsOverlap } from '../../policy/overlap.ts';

/** All lists of up to `length` of these. */
function lists(items: readonly string[], length: number): string[][] {
  if (length === 0) return [[]];
  const shorter = lists(items, length - 1);
  const longest = shorter.filter((list) => list.length === length - 1);
  return [...shorter, ...longest.flatMap((list) => items.map((item) => [...list, item]))];
}

const patterns = lists(['a', 'b', '*', '**'], 3)
  .filter((list) => list.length > 0)
  .map((list) => `/${list.join('/')}`);
/** Three segments of a pattern need no more than these to tell any two apart. */
const paths = lists(['a', 'b', 'c'], 6).filter((list) => list.length > 0);
const matched = new Map(
  patterns.map((pattern) => {
    const isMatch = compilePatterns([pathParts(pattern)]);
    return [pattern, new Set(paths.filter((path) => isMatch(path)))] as const;
  }),
);

describe('of all pairs of short patterns', () => {
  it('those overlap that some path matches both of', () => {
    for (const [a, ofA] of matched) {
      for (const [b, ofB] of matched) {
        assert.equal(pathsOverlap(a, b), !ofA.isDisjointFrom(ofB), `${a} ${b}`);
      }
    }
  });
  it('none covers another unless it matches all that the other does', () => {
    for (const [a, ofA] of matched) {
      for (const [b, ofB] of matched) {
        if (pathCovers(a, b)) assert.ok(ofB.isSubsetOf(ofA), `${a} ${b}`);
      }
    }
  });
});

describe('with a budget', () => {
  const a = { hosts: ['*.example.com'], paths: ['/v1/**'] };
  const b = { hosts: ['api.example.com'], paths: ['/**/x'] };
  it('nothing is said beyond it', () => assert.equal(matchesOverlapWithin(a, b, { left: 10 }), null));
  it('the answer is the same within it', () => {
    const budget = { left: 1000 };
    assert.equal(matchesOverlapWithin(a, b, budget), matchesOverlap(a, b));
    assert.ok(budget.left < 1000);
  });
});
