// RFC 6749: an access token in exchange for a client's secret (section 4.4), a refresh token (section 6), or an
// assertion that the sidecar signs (RFC 7523 section 2.1).

import { randomUUID } from 'node:crypto';
import type { OAuth2Grant } from '../../../policy/ruleset-credential.ts';
import { SidecarError } from '../../errors.ts';
import type { Material } from '../material.ts';
import type { InjectOf, MintContext, Minted, Minter } from './injector.ts';
import { readPrivateKey, signJwt } from './jwt.ts';
import { authenticateClient, checkClient } from './oauth2/client.ts';
import type { RotatingGrant } from './oauth2/kept-token.ts';
import { createRotation, type Rotation } from './oauth2/rotation.ts';
import { partOf } from './part.ts';
import { assertPrintable } from './printable.ts';
import { readTokenResponse, type TokenResponse } from './token-response.ts';

type OAuth2 = InjectOf<'oauth2'>;
type Grant<Kind extends OAuth2Grant['kind']> = Extract<OAuth2Grant, { kind: Kind }>;

/** RFC 6749 appendix A.17. */
const refreshTokenPattern = /^[!-~](?:[ -~]*[!-~])?$/;

/** Salesforce takes no more than three minutes, and most others an hour; a call takes ten seconds at most. */
const assertionSeconds = 150;
/** A server whose clock is behind would take the assertion for one from the future. */
const backdatedSeconds = 20;

/** @param rotation keeps what a refresh token was exchanged for until its source holds it. */
export function createOAuth2(rotation: Rotation): Minter<'oauth2'> {
  return {
    check(inject, material) {
      const { grant } = inject;
      if (grant.kind === 'jwtBearer') {
        readPrivateKey(partOf(material, inject, 'privateKey', 'main'), grant.algorithm, fieldOf(inject));
        return;
      }
      checkClient(inject, grant, material);
      if (grant.kind === 'refreshToken') refreshTokenOf(inject, material);
    },

    async mint(inject, context) {
      const { grant } = inject;
      if (grant.kind === 'clientCredentials') return (await mintForClient(inject, grant, context)).minted;
      if (grant.kind === 'jwtBearer') return (await mintForAssertion(inject, grant, context)).minted;
      if (grant.rotating !== true) return refreshOnce(inject, grant, context);
      const { versioned } = context;
      if (versioned === null) {
        throw new SidecarError('REFRESH_TOKEN_UNVERSIONED', { field: `${fieldOf(inject)}.rotating` });
      }
      const rotating: RotatingGrant = {
        requested: requestedBy(inject),
        field: fieldOf(inject),
        partName: (part) => inject.fields?.[part] ?? part,
        tokenOf: (material) => refreshTokenOf(inject, material),
        refresh: (material) => refresh(inject, grant, { ...context, material }),
      };
      return rotation.mint(rotating, { ...context, versioned });
    },
  };
}

export const oauth2: Minter<'oauth2'> = createOAuth2(createRotation());

async function mintForClient(
  inject: OAuth2,
  grant: Grant<'clientCredentials'>,
  context: MintContext,
): Promise<TokenResponse> {
  const client = authenticateClient(inject, grant, context.material);
  return send(inject, context, { grant_type: 'client_credentials', ...client.form }, client.headers);
}

async function refresh(
  inject: OAuth2,
  grant: Grant<'refreshToken'>,
  context: MintContext,
): Promise<TokenResponse> {
  const client = authenticateClient(inject, grant, context.material);
  const form = {
    grant_type: 'refresh_token',
    refresh_token: refreshTokenOf(inject, context.material),
    ...client.form,
  };
  return send(inject, context, form, client.headers);
}

/**
 * Another refresh token in the answer may mean that the one in the source is used up: the next pod that showed it would
 * have the whole family revoked (RFC 9700 section 4.14.2). To use the access token meanwhile would look well for an
 * hour and then break for good, so it fails at once, while whoever wrote the AgentCredential still looks at it.
 */
async function refreshOnce(
  inject: OAuth2,
  grant: Grant<'refreshToken'>,
  context: MintContext,
): Promise<Minted> {
  const { minted, refreshToken } = await refresh(inject, grant, context);
  if (refreshToken === null || refreshToken === refreshTokenOf(inject, context.material)) return minted;
  throw new SidecarError('REFRESH_TOKEN_ROTATES', { field: `${fieldOf(inject)}.rotating` });
}

async function mintForAssertion(
  inject: OAuth2,
  grant: Grant<'jwtBearer'>,
  context: MintContext,
): Promise<TokenResponse> {
  const pem = partOf(context.material, inject, 'privateKey', 'main');
  const key = readPrivateKey(pem, grant.algorithm, fieldOf(inject));
  const nowSeconds = Math.floor(context.nowMs() / 1000);
  const claims = {
    iss: grant.issuer,
    // RFC 7523 section 3: required; for an assertion about the client itself it is the client.
    sub: grant.subject ?? grant.issuer,
    aud: grant.audience ?? context.urlOf(inject.tokenEndpoint),
    iat: nowSeconds - backdatedSeconds,
    exp: nowSeconds + assertionSeconds,
    jti: randomUUID(),
  };
  const assertion = signJwt(claims, grant.algorithm, key, grant.keyId ?? null);
  return send(inject, context, { grant_type: 'urn:ietf:params:oauth:grant-type:jwt-bearer', assertion });
}

async function send(
  inject: OAuth2,
  { call }: MintContext,
  grantForm: Readonly<Record<string, string>>,
  headers: Readonly<Record<string, string>> = {},
): Promise<TokenResponse> {
  const scope = inject.scopes === undefined ? {} : { scope: inject.scopes.join(' ') };
  // What the grant says wins over `parameters`: each name stands once (RFC 6749 section 3.2).
  const form = new URLSearchParams({ ...inject.parameters, ...scope, ...grantForm });
  const answer = await call(inject.tokenEndpoint, {
    method: 'POST',
    headers: {
      ...headers,
      accept: 'application/json',
      'content-type': 'application/x-www-form-urlencoded',
      // Reddit, and firewalls before other providers, refuse requests without one.
      'user-agent': 'outrider',
    },
    body: form.toString(),
  });
  return readTokenResponse(answer, fieldOf(inject));
}

function refreshTokenOf(inject: OAuth2, material: Material): string {
  const token = partOf(material, inject, 'refreshToken', 'main').open();
  return assertPrintable(token, refreshTokenPattern, fieldOf(inject));
}

/** What a token is for: one of another credential that shares the secret must not be taken for it. */
function requestedBy({ tokenEndpoint, scopes = [], parameters = {} }: OAuth2): string {
  return JSON.stringify([
    tokenEndpoint,
    scopes,
    Object.entries(parameters).toSorted(([a], [b]) => (a < b ? -1 : 1)),
  ]);
}

function fieldOf({ grant }: OAuth2): string {
  return `spec.inject.oauth2.${grant.kind}`;
}
