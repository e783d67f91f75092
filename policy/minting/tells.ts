// A quick no for paths that none of a list of patterns can mean: by one segment that each of them has.

import type { CanonicalRequest } from '../request.ts';

/** Whether the request may have a path of the list; false is certain. */
export type MayHavePath = (request: CanonicalRequest) => boolean;

/** The segment by which a pattern is told: the last one that is no glob. */
export function tellOf(path: string): string {
  return path.split('/').findLast((segment) => segment !== '' && !segment.includes('*')) ?? '';
}

/** By length and first letter nearly every segment is ruled out, without a look at the rest of it. */
export function compileTells(paths: readonly string[]): MayHavePath {
  const tells = new Set(paths.map(tellOf));
  const firsts = new Int32Array(Math.max(...[...tells].map(({ length }) => length)) + 1);
  for (const tell of tells) firsts[tell.length] = (firsts[tell.length] ?? 0) | firstBit(tell);
  return ({ path, segments, opens }) => {
    // What is split, cut or has a format at its end gives other segments.
    if (opens.length > 0 || segments.at(-1)?.includes('.') === true) return true;
    let length = 0;
    for (const segment of segments) {
      length += 1 + segment.length;
      const isLikely = ((firsts[segment.length] ?? 0) & firstBit(segment)) !== 0;
      if (isLikely && tells.has(segment.toLowerCase())) return true;
    }
    // Something was decoded, and some server may decode it again.
    return length !== path.length;
  };
}

/** The low five bits of a letter are the same in either case. */
function firstBit(segment: string): number {
  return 1 << (segment.charCodeAt(0) & 31);
}
