// An OAuth 2.0 authorization server for tests: clients by Basic or Post, refresh tokens in families that are revoked on
// reuse (RFC 9700 section 4.14.2), and assertions verified by `jose`.

import { randomBytes } from 'node:crypto';
import { decodeJwt, importSPKI, jwtVerify } from 'jose';
import { readFormOnce, refused, type AnswerTokens, type TokenCall } from './token-endpoints.ts';

export interface OAuthClient {
  readonly id: string;
  /** null: a public client. */
  readonly secret: string | null;
  readonly authentication: 'Basic' | 'Post';
  readonly scopes?: readonly string[];
}

export interface AssertionIssuer {
  readonly issuer: string;
  readonly subject: string;
  readonly audience: string;
  readonly algorithm: string;
  readonly keyId?: string;
  /** PEM, SPKI. */
  readonly publicKey: string;
}

export interface OAuthProvider {
  readonly answer: AnswerTokens;
  /** Access tokens that are valid, with their scope. */
  readonly issued: Map<string, string>;
  /** A refresh token of a new family, as after a user's consent. */
  consent(options: { readonly rotates: boolean }): string;
  /** How often a used refresh token was shown again. */
  reuses(): number;
  /** Refresh tokens that were given in exchange for another. */
  refreshes(): number;
}

interface Family {
  current: string;
  readonly rotates: boolean;
  isRevoked: boolean;
}

export interface OAuthProviderOptions {
  readonly clients?: readonly OAuthClient[];
  readonly issuers?: readonly AssertionIssuer[];
  readonly expiresIn?: number;
  /** What an exchange of a refresh token takes, so that others can meet it half way. */
  readonly refreshMs?: number;
}

export function createOAuthProvider(options: OAuthProviderOptions): OAuthProvider {
  const { clients = [], issuers = [], expiresIn = 3600, refreshMs = 0 } = options;
  const issued = new Map<string, string>();
  const families = new Map<string, Family>();
  const seenAssertions = new Set<string>();
  let reuses = 0;
  let refreshes = 0;

  const make = (prefix: string): string => `${prefix}.${randomBytes(24).toString('base64url')}`;

  function grant(scope: string, more: object = {}): { status: number; body: object } {
    const token = make('at');
    issued.set(token, scope);
    return {
      status: 200,
      body: { access_token: token, token_type: 'Bearer', expires_in: expiresIn, scope, ...more },
    };
  }

  function clientOf({ headers }: TokenCall, form: ReadonlyMap<string, string>): OAuthClient | null {
    const basic = /^Basic ([A-Za-z0-9+/]+={0,2})$/.exec(headers.authorization ?? '')?.[1];
    const [id, secret] =
      basic === undefined
        ? [form.get('client_id'), form.get('client_secret') ?? null]
        : Buffer.from(basic, 'base64').toString('latin1').split(':').map(formDecode);
    const client = clients.find((each) => each.id === id);
    if (client === undefined || client.secret !== secret) return null;
    // RFC 6749 section 2.3: not more than one method in a request.
    if (basic !== undefined && form.has('client_secret')) return null;
    return client.secret === null || (basic === undefined) === (client.authentication === 'Post')
      ? client
      : null;
  }

  async function refresh(form: ReadonlyMap<string, string>): Promise<{ status: number; body: unknown }> {
    const token = form.get('refresh_token') ?? '';
    const family = families.get(token);
    if (family === undefined || family.isRevoked) return refused('invalid_grant');
    if (family.current !== token) {
      reuses += 1;
      family.isRevoked = true;
      return refused('invalid_grant');
    }
    const scope = form.get('scope') ?? '';
    if (!family.rotates) return grant(scope);
    refreshes += 1;
    // The old one is used up as soon as it arrives, long before the answer does.
    family.current = make('rt');
    families.set(family.current, family);
    const next = family.current;
    await new Promise((resolve) => void setTimeout(resolve, refreshMs));
    return grant(scope, { refresh_token: next });
  }

  async function assert(form: ReadonlyMap<string, string>): Promise<{ status: number; body: unknown }> {
    try {
      const assertion = form.get('assertion') ?? '';
      let known: AssertionIssuer | undefined;
      const { payload, protectedHeader } = await jwtVerify(assertion, (header) => {
        const { iss } = decodeJwt(assertion);
        known = issuers.find((each) => each.issuer === iss && each.algorithm === header.alg);
        if (known === undefined) throw new Error('unknown issuer');
        return importSPKI(known.publicKey, known.algorithm);
      });
      const { sub, aud, iat = 0, exp = 0, jti = '' } = payload;
      const isGood =
        sub === known?.subject &&
        aud === known?.audience &&
        protectedHeader.kid === known?.keyId &&
        exp - iat <= 300 &&
        iat <= Date.now() / 1000 &&
        jti !== '' &&
        !seenAssertions.has(jti);
      seenAssertions.add(jti);
      return isGood ? grant(form.get('scope') ?? '') : refused('invalid_grant');
    } catch {
      return refused('invalid_grant');
    }
  }

  return {
    issued,
    consent({ rotates }) {
      const family: Family = { current: make('rt'), rotates, isRevoked: false };
      families.set(family.current, family);
      return family.current;
    },
    reuses: () => reuses,
    refreshes: () => refreshes,
    answer: async (call) => {
      if (call.method !== 'POST' || call.path !== '/token') return { status: 404, body: 'canary' };
      if (call.headers.accept !== 'application/json') return { status: 406, body: 'canary' };
      if (call.headers['user-agent'] === undefined) return { status: 429, body: 'canary' };
      const form = readFormOnce(call);
      const grantType = form.get('grant_type');
      if (grantType === 'urn:ietf:params:oauth:grant-type:jwt-bearer') return assert(form);
      const client = clientOf(call, form);
      if (client === null) return refused('invalid_client', 401);
      const scopes = (form.get('scope') ?? '').split(' ').filter((each) => each !== '');
      if (scopes.some((each) => client.scopes?.includes(each) === false)) return refused('invalid_scope');
      if (grantType === 'client_credentials') return grant(scopes.join(' '));
      return grantType === 'refresh_token' ? refresh(form) : refused('unsupported_grant_type');
    },
  };
}

/** RFC 6749 appendix B. */
function formDecode(text: string): string {
  return decodeURIComponent(text.replaceAll('+', ' '));
}
