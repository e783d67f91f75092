// One glob over one text: what `*` means inside a label, a segment or a name.

/**
 * Compiles a glob: `*` is any number of characters, but an empty text is only the empty glob. What stands between two
 * stars is searched for once each, from left to right, so that no text makes it come back.
 */
export function compileGlob(pattern: string): (text: string) => boolean {
  const pieces = pattern.split('*');
  const [first = ''] = pieces;
  if (pieces.length === 1) return (text) => text === pattern;
  const last = pieces.at(-1) ?? '';
  const inner = pieces.slice(1, -1).filter((piece) => piece !== '');
  const leastLength = pieces.reduce((sum, piece) => sum + piece.length, 0);
  return (text) => {
    if (text === '' || text.length < leastLength || !text.startsWith(first) || !text.endsWith(last)) {
      return false;
    }
    const end = text.length - last.length;
    let at = first.length;
    for (const piece of inner) {
      const found = text.indexOf(piece, at);
      if (found < 0 || found + piece.length > end) return false;
      at = found + piece.length;
    }
    return true;
  };
}

/** The same, compiled for one text. */
export function matchText(pattern: string, text: string): boolean {
  return compileGlob(pattern)(text);
}
