// The key of an HMAC, from the text that the secret is.

import type { HmacInject } from '../../../../policy/ruleset-credential.ts';
import { SidecarError } from '../../../errors.ts';
import type { Secret } from '../../secret.ts';
import { assertPrintable } from '../printable.ts';

/** A space or a line end at an end is a mistake of storing, and gives signatures that nobody accepts. */
const textKey = /^[!-~](?:[ -~]*[!-~])?$/;
/** RFC 4648 section 4 with its padding: what a lenient decoder skips would go unnoticed. */
const base64 = /^(?:[A-Za-z0-9+/]{4})*(?:[A-Za-z0-9+/]{2}==|[A-Za-z0-9+/]{3}=)?$/;
const hex = /^(?:[0-9A-Fa-f]{2})+$/;

/** @throws SidecarError SECRET_UNPRINTABLE or SECRET_ENCODING_WRONG, which print nothing of it. */
export function hmacKeyOf(secret: Secret, keyEncoding: HmacInject['keyEncoding']): Buffer {
  const field = 'spec.inject.hmac.keyEncoding';
  const text = secret.open();
  if (keyEncoding === 'Utf8') return Buffer.from(assertPrintable(text, textKey, 'spec.inject.hmac'));
  if (!(keyEncoding === 'Hex' ? hex : base64).test(text)) {
    throw new SidecarError('SECRET_ENCODING_WRONG', { field });
  }
  return Buffer.from(text, keyEncoding === 'Hex' ? 'hex' : 'base64');
}
