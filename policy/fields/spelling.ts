// Which spellings of a name some server takes for the same name. A grant wants a governed name in its own spelling and
// in no other; a guard looks at all of them.

/** `Amount` is `amount` to encoding/json of Go and to most of .NET and Java's binders, and so is one with a long s. */
export function foldCase(text: string): string {
  if (/^[\d_a-z-]*$/.test(text)) return text;
  // Upper case first: it unites what has several lower cases (`ſ` and `s`, `ς` and `σ`); then the Kelvin sign.
  return upToNul(text).toUpperCase().toLowerCase();
}

/** CGI and its heirs (WSGI, PHP, Rack) cannot tell `_` from `-`. */
export function foldHeader(name: string): string {
  return name.toLowerCase().replaceAll('_', '-');
}

/** Software written in C ends there. */
export function upToNul(text: string): string {
  const end = text.indexOf('\0');
  return end < 0 ? text : text.slice(0, end);
}

/** Deeper than any framework nests; what follows is one part of the name. */
const maxParts = 32;

/**
 * The parts of a name of a query or form: `a[b][c]` to PHP, Rails and qs, `a.b.c` to Spring and ASP.NET. Indices at
 * its end say that it is a list, which is the same name: `a[]`, `a[0]`.
 */
export function partsOf(name: string): readonly string[] {
  return withoutIndices(splitName(name));
}

export function splitName(name: string): readonly string[] {
  const folded = foldCase(name).trim();
  if (!/[.[]/.test(folded)) return [folded];
  return folded.split(/[.[]/, maxParts).map((part) => part.split(']', 1)[0] ?? '');
}

/** Stands for every member; no part of a name has a NUL. */
export const everyPart = '\0*';

export function withoutIndices(parts: readonly string[]): readonly string[] {
  const last = parts.findLastIndex((part) => part !== everyPart && !/^\d*$/.test(part));
  return parts.slice(0, Math.max(last, 0) + 1);
}

/** PHP makes `_` of what its variables cannot have; null when that changes nothing. */
export function partsInPhp(name: string): readonly string[] | null {
  const bracket = name.indexOf('[');
  const base = bracket < 0 ? name : name.slice(0, bracket);
  // A bracket that nobody closes is such a character as well.
  const isOpen = bracket > 0 && !name.includes(']', bracket);
  const trimmed = base.trimStart();
  if (!isOpen && !/[. ]/.test(trimmed)) return null;
  const rest = bracket < 0 ? '' : isOpen ? name.slice(bracket).replace('[', '_') : name.slice(bracket);
  return partsOf(`${trimmed.replace(/[. ]/g, '_')}${rest}`);
}

/** Of an element of a list, in the one spelling that nobody reads otherwise. */
export function isIndex(part: string): boolean {
  return /^(?:0|[1-9]\d*)$/.test(part);
}
