// How a client shows who it is at a token endpoint (RFC 6749 section 2.3.1).

import type { ClientAuthentication } from '../../../../policy/ruleset-credential.ts';
import type { Material } from '../../material.ts';
import type { InjectOf } from '../injector.ts';
import { findPart, partOf } from '../part.ts';
import { assertPrintable } from '../printable.ts';

export interface AuthenticatedClient {
  readonly form: Readonly<Record<string, string>>;
  readonly headers: Readonly<Record<string, string>>;
}

interface ClientGrant {
  readonly kind: 'clientCredentials' | 'refreshToken';
  readonly clientId?: string;
  readonly authentication: ClientAuthentication;
}

/** RFC 6749 appendix A.1 and A.2, but for spaces at the ends, which are a mistake of whoever stored it. */
const printable = /^[!-~](?:[ -~]*[!-~])?$/;

/** @throws SidecarError SECRET_PART_MISSING or SECRET_UNPRINTABLE */
export function checkClient(inject: InjectOf<'oauth2'>, grant: ClientGrant, material: Material): void {
  authenticateClient(inject, grant, material);
}

export function authenticateClient(
  inject: InjectOf<'oauth2'>,
  grant: ClientGrant,
  material: Material,
): AuthenticatedClient {
  const field = `spec.inject.oauth2.${grant.kind}`;
  const id = grant.clientId ?? partOf(material, inject, 'clientId').open();
  assertPrintable(id, printable, `${field}.clientId`);
  const secret = clientSecretOf(inject, grant, material);
  // A public client names itself in the form (section 3.2.1).
  if (secret === null) return { form: { client_id: id }, headers: {} };
  assertPrintable(secret, printable, field);
  if (grant.authentication === 'Post') {
    return { form: { client_id: id, client_secret: secret }, headers: {} };
  }
  const pair = Buffer.from(`${formEncode(id)}:${formEncode(secret)}`).toString('base64');
  return { form: {}, headers: { authorization: `Basic ${pair}` } };
}

function clientSecretOf(
  inject: InjectOf<'oauth2'>,
  { kind }: ClientGrant,
  material: Material,
): string | null {
  if (kind === 'clientCredentials') return partOf(material, inject, 'clientSecret', 'main').open();
  return findPart(material, inject, 'clientSecret')?.open() ?? null;
}

/**
 * RFC 6749 appendix B. Decoders read `%7E` and `~` as the same; servers that do not decode at all (there are some) take
 * `~` alone, which secrets of Microsoft Entra hold, so it stays as it is.
 */
function formEncode(text: string): string {
  return encodeURIComponent(text)
    .replaceAll(/[!'()*]/g, (character) => `%${character.charCodeAt(0).toString(16).toUpperCase()}`)
    .replaceAll('%20', '+');
}
