// Every way in which some server might read a path: what a guard has to look at.

import type { CanonicalRequest } from '../request.ts';

/** Lists of segments in lower case, without a slash at the end; one for nearly every request. */
export function spellingsOf({ segments, opens }: CanonicalRequest): readonly (readonly string[])[] {
  const folded = trimmed(segments.map((segment) => segment.toLowerCase()));
  if (opens.length === 0 && !folded.some(isOdd)) return [folded];
  const split = folded.flatMap((segment) => segment.split(/[/\\]/));
  const twice = folded.flatMap((segment) => decodedAgain(segment).split(/[/\\]/));
  return [folded, split, twice].flatMap((spelling) => [
    trimmed(spelling),
    trimmed(spelling.map(withoutParameters)),
  ]);
}

function isOdd(segment: string): boolean {
  return segment.includes('%') || segment.includes(';') || segment.includes('\\');
}

function trimmed(segments: readonly string[]): readonly string[] {
  return segments.includes('') ? segments.filter((segment) => segment !== '') : segments;
}

/** Some servers cut each segment at its parameters (RFC 3986 section 3.3). */
function withoutParameters(segment: string): string {
  const at = segment.indexOf(';');
  return at < 0 ? segment : segment.slice(0, at);
}

function decodedAgain(segment: string): string {
  try {
    return decodeURIComponent(segment).toLowerCase();
  } catch {
    return segment;
  }
}
