// One glob over one text: what `*` means inside a label, a segment or a name.

/** `*` inside one label or segment: any number of characters, but an empty segment is only the empty pattern. */
export function matchText(pattern: string, text: string): boolean {
  if (text === '') return pattern === '';
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
