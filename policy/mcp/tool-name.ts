// Names of tools that every server reads as the same letters.

import { foldCase } from '../fields/spelling.ts';
import type { Unreadable } from '../unreadable.ts';

/**
 * Letters, marks, digits, punctuation and symbols, with spaces between them: no controls, no zero-width or
 * bidirectional characters (Cf), no lone surrogates, no private or unassigned ones, no line or paragraph separators.
 */
const printable = /^(?! )[\p{L}\p{M}\p{N}\p{P}\p{S} ]+(?<! )$/u;

/** Characters that are letters or marks to Unicode and nothing to the eye: fillers, joiners, variation selectors. */
const invisible = /\p{Default_Ignorable_Code_Point}/u;

const notNormal: Unreadable = { unreadable: 'names a tool that is not in Unicode’s normal form C' };
const notPrintable: Unreadable = { unreadable: 'names a tool with characters that cannot be seen' };

export function findToolNameProblem(name: string): Unreadable | null {
  if (!printable.test(name) || invisible.test(name)) return notPrintable;
  return name.normalize('NFC') === name ? null : notNormal;
}

/** For guards: what a server might take for the same name. */
export function foldToolName(name: string): string {
  return foldCase(name.normalize('NFKC').trim());
}
