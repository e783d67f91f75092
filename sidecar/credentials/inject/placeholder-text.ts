// The text that stands for the secret in a path or a body, where no header or parameter can say which it is.

import { placeholderPrefix } from '../../../policy/contract.ts';

const wholeText = new RegExp(`^${RegExp.escape(placeholderPrefix)}[a-z0-9.-]+`);

/**
 * Where it stands, if that is one place, and no other credential's stands anywhere.
 * @param text of which each character is one byte on the wire.
 */
export function findOnly(
  text: string,
  placeholder: string,
): { readonly start: number; readonly end: number } | null {
  const start = text.indexOf(placeholderPrefix);
  if (start < 0 || text.lastIndexOf(placeholderPrefix) !== start) return null;
  const [found] = wholeText.exec(text.slice(start, start + maxLength)) ?? [];
  return found !== placeholder ? null : { start, end: start + found.length };
}

/** The prefix, a namespace of 63, a dot and a name of 253; one more, so that what is longer does not look whole. */
const maxLength = placeholderPrefix.length + 63 + 1 + 253 + 1;
