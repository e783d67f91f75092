// Text of others on a terminal, and in the log of a CI system that takes lines starting with `::` for commands.

/** On one line, with control and bidirectional characters made visible. */
export function printable(text: string): string {
  return text.replaceAll(/[\p{Cc}\p{Cf}\u2028\u2029]/gu, (character) =>
    character === '\n' ? '\\n' : `\\u{${character.codePointAt(0)?.toString(16)}}`,
  );
}
