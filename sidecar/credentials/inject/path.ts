// A segment of the path, for APIs that want their key there and nowhere else, such as Telegram's bots.

import { placeholderPrefix } from '../../../policy/contract.ts';
import { refuse, type Refusal } from '../../../policy/refusal.ts';
import { onlyPart, type Material } from '../material.ts';
import type { Injector } from './injector.ts';
import { partOf } from './part.ts';
import { findOnly } from './placeholder-text.ts';
import { assertPrintable } from './printable.ts';

/**
 * What no server escapes, unescapes or splits at: RFC 3986's unreserved characters, and the colon of Telegram's
 * tokens. A letter or digit at least, since `.` and `..` would be dot segments after a prefix that ends in a slash.
 */
const segment = /^[-.~_:]*[A-Za-z0-9][A-Za-z0-9\-._~:]*$/;

export const path: Injector<'path'> = {
  check: (_inject, material) => void valueOf(material),
  places: () => ({ headers: [], query: [], path: true }),
  fill({ prefix }, material, outgoing) {
    const found = findOnly(outgoing.path, outgoing.placeholder);
    const rest = found === null ? '' : outgoing.path.slice(found.end);
    if (found === null || outgoing.path.slice(0, found.start) !== prefix || !/^(?:\/|$)/.test(rest)) {
      return misplaced(prefix);
    }
    // Sent on as it is it would be harmless; but who wrote it twice expects it to be replaced twice.
    if (isHidden(rest) || isHidden(outgoing.query ?? '')) return misplaced(prefix);
    return { headers: [], path: `${prefix}${valueOf(material)}${rest}` };
  },
};

function isHidden(text: string): boolean {
  const unescaped = text.replace(/%([0-9A-Fa-f]{2})/g, (_, hex: string) =>
    String.fromCharCode(Number.parseInt(hex, 16)),
  );
  return unescaped.includes(placeholderPrefix);
}

function valueOf(material: Material): string {
  return assertPrintable(partOf(material, { kind: 'path' }, onlyPart).open(), segment, 'spec.inject.path');
}

function misplaced(prefix: string): Refusal {
  return refuse(
    'request_unsignable',
    `The path must begin with ${prefix} and the placeholder of the credential, up to the end of that segment, and hold it nowhere else.`,
  );
}
