// What servers make of one path: guards, ceilings and the list of what mints credentials look at each of them.

import type { CanonicalRequest } from './request.ts';

/** Every list of segments that some server might take the path for: folded, and without a slash at the end. */
export function guardReadings(request: CanonicalRequest): readonly (readonly string[])[] {
  const { segments, opens, path } = request;
  // Most paths have one spelling: nothing to fold, to decode again or to cut.
  if (opens.length === 0 && !/[A-Z%]|.\/$/.test(path)) return [segments];
  const folded = segments.map((segment) => segment.toLowerCase());
  while (folded.length > 1 && folded.at(-1) === '') folded.pop();
  const isPlain = opens.length === 0 && !folded.some((segment) => segment.includes('%'));
  if (isPlain) return [folded];
  const readings = openedReadings(folded);
  const twice = folded.map(decodedAgain);
  if (twice.some((segment, at) => segment !== folded[at])) {
    readings.push(twice, twice.flatMap(splitSlashes), twice.flatMap(splitSlashes).map(withoutParameters));
  }
  return readings;
}

/** What servers make of a path with slashes or parameters inside its segments: kept, split, cut, or both. */
export function openedReadings(segments: readonly string[]): (readonly string[])[] {
  const cut = segments.map(withoutParameters);
  const split = segments.flatMap(splitSlashes);
  return [segments, cut, split, split.map(withoutParameters), cut.flatMap(splitSlashes)];
}

/** Some servers cut each segment at its parameters (RFC 3986 section 3.3). */
function withoutParameters(segment: string): string {
  const at = segment.indexOf(';');
  return at < 0 ? segment : segment.slice(0, at);
}

function splitSlashes(segment: string): string[] {
  return segment.split(/[/\\]/);
}

function decodedAgain(segment: string): string {
  try {
    return decodeURIComponent(segment).toLowerCase();
  } catch {
    return segment;
  }
}
