// A body by its media type: what rules may look into.

import { isUnreadable, type Unreadable } from '../unreadable.ts';
import type { CanonicalRequest } from '../request.ts';
import { readForm, type Pairs } from './form.ts';
import { readJson, type JsonValue } from './json.ts';
import { readMediaType } from './media-type.ts';

export type Content =
  | { readonly kind: 'None' }
  | { readonly kind: 'Json'; readonly value: JsonValue }
  | { readonly kind: 'Form'; readonly pairs: Pairs }
  /** multipart/form-data, which servers read fields from, and we do not. */
  | { readonly kind: 'Multipart' }
  /** Anything else, in lower case without parameters; `''` without a Content-Type. */
  | { readonly kind: 'Other'; readonly mediaType: string };

const none: Content = { kind: 'None' };
const multipart: Content = { kind: 'Multipart' };
const notRead: Unreadable = { unreadable: 'is not read yet' };
const tooLong: Unreadable = { unreadable: 'is too long' };

/** More of it came than was read: better said as `body_too_large` than as `body_unreadable`. */
export function isTooLong(content: unknown): boolean {
  return content === tooLong;
}

/** Reading it would tell more. */
export function isNotRead(content: unknown): boolean {
  return content === notRead;
}

/** What the head alone says, a media type that is not looked into, is known of an unread body as well. */
export function readContent({ headers, body }: CanonicalRequest): Content | Unreadable {
  // No bytes are no body, however they are framed.
  if (body.kind === 'none' || (body.kind === 'read' && body.isWhole && body.bytes.length === 0)) return none;
  const type = readMediaType(headers);
  if (isUnreadable(type)) return type;
  if (type.kind === 'Multipart') return multipart;
  if (type.kind === 'Other') return { kind: 'Other', mediaType: type.name };
  if (body.kind === 'unread') return notRead;
  if (!body.isWhole) return tooLong;
  if (type.kind === 'Json') {
    const value = readJson(body.bytes);
    return isUnreadable(value) ? value : { kind: 'Json', value };
  }
  const pairs = readForm(body.bytes);
  return isUnreadable(pairs) ? pairs : { kind: 'Form', pairs };
}
