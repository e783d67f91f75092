// The text of a pattern while it is read.

/** What is wrong with a pattern; the message goes after "the pattern". */
export class PatternProblem extends Error {
  override name = 'PatternProblem';
}

export interface Source {
  /** The character ahead, `''` at the end. */
  readonly peek: () => string;
  /** Consumes one character; `''` at the end. */
  readonly next: () => string;
  /** Consumes `text` if it is ahead. */
  readonly take: (text: string) => boolean;
  /** Consumes what a sticky expression matches. */
  readonly match: (regex: RegExp) => RegExpExecArray | null;
  /** Consumes up to and including `end`, or everything, and returns what is before it. */
  readonly until: (end: string) => string;
}

export function createSource(text: string): Source {
  let position = 0;
  const peek = (): string => {
    const code = text.codePointAt(position);
    return code === undefined ? '' : String.fromCodePoint(code);
  };
  return {
    peek,
    next: () => {
      const character = peek();
      position += character.length;
      return character;
    },
    take: (ahead) => {
      if (!text.startsWith(ahead, position)) return false;
      position += ahead.length;
      return true;
    },
    match: (regex) => {
      regex.lastIndex = position;
      const found = regex.exec(text);
      if (found !== null) position += found[0].length;
      return found;
    },
    until: (end) => {
      const found = text.indexOf(end, position);
      const stop = found < 0 ? text.length : found;
      const between = text.slice(position, stop);
      position = found < 0 ? stop : found + end.length;
      return between;
    },
  };
}
