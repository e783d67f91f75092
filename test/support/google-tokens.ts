// Google's token endpoint for service accounts: the assertion is verified by `jose`, and its claims as Google's page on
// them says.

import { randomBytes } from 'node:crypto';
import { decodeJwt, generateKeyPair, importSPKI, jwtVerify, SignJWT } from 'jose';
import { readFormOnce, refused, type AnswerTokens } from './token-endpoints.ts';

export interface GoogleAccount {
  readonly email: string;
  readonly keyId: string;
  /** PEM, SPKI. */
  readonly publicKey: string;
  /** Users that it may act for (domain-wide delegation). */
  readonly delegates?: readonly string[];
}

export interface GoogleTokens {
  readonly answer: AnswerTokens;
  /** Tokens that are valid, with what they are for. */
  readonly issued: Map<
    string,
    { readonly scope?: string; readonly audience?: string; readonly subject: string }
  >;
}

export async function createGoogleTokens(accounts: readonly GoogleAccount[]): Promise<GoogleTokens> {
  const issued: GoogleTokens['issued'] = new Map();
  const google = await generateKeyPair('RS256');

  return {
    issued,
    answer: async (call) => {
      if (call.method !== 'POST' || call.path !== '/token') return { status: 404, body: 'canary' };
      const form = readFormOnce(call);
      if (form.get('grant_type') !== 'urn:ietf:params:oauth:grant-type:jwt-bearer') {
        return refused('unsupported_grant_type');
      }
      const assertion = form.get('assertion') ?? '';
      let account: GoogleAccount | undefined;
      let claims: Readonly<Record<string, unknown>>;
      try {
        const verified = await jwtVerify(
          assertion,
          (header) => {
            const { iss } = decodeJwt(assertion);
            account = accounts.find(({ email, keyId }) => email === iss && keyId === header.kid);
            if (account === undefined) throw new Error('Invalid grant: account not found');
            return importSPKI(account.publicKey, 'RS256');
          },
          {
            algorithms: ['RS256'],
            audience: 'https://oauth2.googleapis.com/token',
            requiredClaims: ['iss', 'aud', 'iat', 'exp'],
          },
        );
        claims = verified.payload;
      } catch {
        return refused('invalid_grant');
      }
      const {
        iat = 0,
        exp = 0,
        sub,
        scope,
        target_audience: audience,
      } = claims as {
        iat?: number;
        exp?: number;
        sub?: string;
        scope?: string;
        target_audience?: string;
      };
      if (exp - iat > 3600 || Math.abs(iat - Date.now() / 1000) > 300) return refused('invalid_grant');
      if (sub !== undefined && account?.delegates?.includes(sub) !== true) {
        return refused('unauthorized_client', 401);
      }
      const subject = sub ?? account?.email ?? '';
      if (audience !== undefined && scope === undefined) {
        const token = await new SignJWT({ email: subject, email_verified: true })
          .setProtectedHeader({ alg: 'RS256', kid: 'google' })
          .setIssuer('https://accounts.google.com')
          .setAudience(audience)
          .setSubject('1')
          .setIssuedAt()
          .setExpirationTime('1h')
          .sign(google.privateKey);
        issued.set(token, { audience, subject });
        return { status: 200, body: { id_token: token } };
      }
      if (scope === undefined || scope === '') return refused('invalid_scope');
      const token = `ya29.c.${randomBytes(60).toString('base64url')}......`;
      issued.set(token, { scope, subject });
      return { status: 200, body: { access_token: token, expires_in: 3599, token_type: 'Bearer' } };
    },
  };
}
