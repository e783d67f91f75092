// A Google service account: its key signs an assertion, and Google gives an access token for scopes, or an ID token for
// an audience. https://developers.google.com/identity/protocols/oauth2/service-account#httprest

import { isJsonObject, readJson, type JsonObject } from '../../../policy/content/json.ts';
import { isUnreadable } from '../../../policy/unreadable.ts';
import { SidecarError } from '../../errors.ts';
import { onlyPart } from '../material.ts';
import { readGoogleKeyFile } from './google-key-file.ts';
import type { InjectOf, MintContext, Minted, Minter, TokenAnswer } from './injector.ts';
import { readPrivateKey, signJwt, type JwtClaims } from './jwt.ts';
import { partOf } from './part.ts';
import { mintedOf, readGranted, readTokenResponse, textOf, unreadable } from './token-response.ts';

const field = 'spec.inject.googleServiceAccount';

/** What every assertion is for, whichever way it takes: an AgentDestination is a way to Google, not another issuer. */
const googleTokenUrl = 'https://oauth2.googleapis.com/token';
/** Google takes up to an hour. */
const assertionSeconds = 5 * 60;

export const googleServiceAccount: Minter<'googleServiceAccount'> = {
  check(inject, material) {
    readPrivateKey(readGoogleKeyFile(partOf(material, inject, onlyPart)).privateKey, 'RS256', field);
  },

  async mint(inject, context) {
    const answer = await context.call(inject.tokenEndpoint ?? { url: googleTokenUrl }, {
      method: 'POST',
      headers: {
        accept: 'application/json',
        'content-type': 'application/x-www-form-urlencoded',
        'user-agent': 'outrider',
      },
      body: new URLSearchParams({
        grant_type: 'urn:ietf:params:oauth:grant-type:jwt-bearer',
        assertion: signAssertion(inject, context),
      }).toString(),
    });
    if (inject.audience === undefined) return readTokenResponse(answer, field).minted;
    return readIdToken(answer, inject.audience, context.nowMs());
  },
};

function signAssertion(inject: InjectOf<'googleServiceAccount'>, { material, nowMs }: MintContext): string {
  const file = readGoogleKeyFile(partOf(material, inject, onlyPart));
  const key = readPrivateKey(file.privateKey, 'RS256', field);
  const nowSeconds = Math.floor(nowMs() / 1000);
  const { scopes = [], audience, subject } = inject;
  const claims: JwtClaims = {
    iss: file.clientEmail,
    ...(subject === undefined ? {} : { sub: subject }),
    ...(audience === undefined ? { scope: scopes.join(' ') } : { target_audience: audience }),
    aud: googleTokenUrl,
    iat: nowSeconds,
    exp: nowSeconds + assertionSeconds,
  };
  return signJwt(claims, 'RS256', key, file.keyId);
}

/** Its signature is for the service that gets it to check; it came from Google over TLS. */
function readIdToken(answer: TokenAnswer, audience: string, nowMs: number): Minted {
  const token = textOf(readGranted(answer, field), 'id_token');
  if (token === null) throw unreadable(field, 'It has no id_token.');
  const claims = claimsOf(token);
  if (claims === null) throw unreadable(field, 'Its id_token is no JSON Web Token.');
  if (claims.get('aud') !== audience) {
    throw new SidecarError('TOKEN_TOO_WIDE', { field: `${field}.audience` });
  }
  const endsAt = claims.get('exp');
  if (typeof endsAt !== 'number') throw unreadable(field, 'Its id_token has no exp.');
  return mintedOf(token, endsAt * 1000 - nowMs, field);
}

function claimsOf(token: string): JsonObject | null {
  const [, payload] = /^[\w-]+\.([\w-]+)\.[\w-]+$/.exec(token) ?? [];
  const value = payload === undefined ? null : readJson(Buffer.from(payload, 'base64url'));
  return value !== null && !isUnreadable(value) && isJsonObject(value) ? value : null;
}
