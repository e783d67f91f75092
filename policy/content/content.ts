// A body by its media type: what rules may look into.

import type { Unreadable } from '../reading.ts';
import type { CanonicalRequest } from '../request.ts';
import type { JsonValue } from './json.ts';
import type { Pairs } from './form.ts';

export type Content =
  | { readonly kind: 'None' }
  | { readonly kind: 'Json'; readonly value: JsonValue }
  | { readonly kind: 'Form'; readonly pairs: Pairs }
  /** multipart/form-data, which servers read fields from, and we do not. */
  | { readonly kind: 'Multipart' }
  /** Anything else, in lower case without parameters; `''` without a Content-Type. */
  | { readonly kind: 'Other'; readonly mediaType: string };

export function readContent(_request: CanonicalRequest): Content | Unreadable {
  return { unreadable: 'is not read yet' };
}
