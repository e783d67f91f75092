// A path glob taken apart once, for peers that have no such globs: OPA and Cedar get it as data and text, the floor as
// a closure. Only the shapes that `rules.ts` draws.

export type PathShape =
  /** As many segments as parts. */
  | { readonly kind: 'whole'; readonly head: readonly Part[] }
  /** One `**`, between a head and a tail. */
  | { readonly kind: 'around'; readonly head: readonly Part[]; readonly tail: readonly Part[] }
  /** A `**` on both sides of one segment. */
  | { readonly kind: 'anywhere'; readonly text: string };

/** One segment: its text, or what is before and after its `*`. */
export type Part =
  | { readonly kind: 'text'; readonly text: string }
  | { readonly kind: 'glob'; readonly prefix: string; readonly suffix: string };

/** @throws RangeError for a glob of another shape. */
export function shapeOf(pattern: string): PathShape {
  const segments = pattern.slice(1).split('/');
  const rests = segments.flatMap((segment, at) => (segment === '**' ? [at] : []));
  const [first] = rests;
  if (first === undefined) return { kind: 'whole', head: segments.map(partOf) };
  if (rests.length === 1) {
    return {
      kind: 'around',
      head: segments.slice(0, first).map(partOf),
      tail: segments.slice(first + 1).map(partOf),
    };
  }
  const [before, text = '', after] = segments;
  if (segments.length === 3 && before === '**' && after === '**' && !text.includes('*')) {
    return { kind: 'anywhere', text };
  }
  throw new RangeError(`${pattern} has a shape that the peers do not know`);
}

function partOf(segment: string): Part {
  const [prefix = '', suffix, ...more] = segment.split('*');
  if (more.length > 0) throw new RangeError(`${segment} has a shape that the peers do not know`);
  return suffix === undefined ? { kind: 'text', text: segment } : { kind: 'glob', prefix, suffix };
}
