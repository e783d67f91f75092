// `_method` in a query or a form, which some frameworks take for the method (H-33).

import type { Pairs } from './content/form.ts';
import { isUnreadable, type Unreadable } from './unreadable.ts';

export function mayOverride(pairs: Pairs | Unreadable): boolean {
  return isUnreadable(pairs) || pairs.some(([name]) => /^_method(?:\[\d*\])?$/i.test(name));
}

/** Any letter of the name may come percent-encoded; without either there is nothing to decode. */
export function mayHoldOverride(query: string | null): query is string {
  return query !== null && /method|%/i.test(query);
}
