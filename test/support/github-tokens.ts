// GitHub's endpoint for installation tokens, as strict as GitHub: the assertion is verified by `jose`.

import { randomBytes } from 'node:crypto';
import { importSPKI, jwtVerify } from 'jose';
import type { AnswerTokens, TokenReply } from './token-endpoints.ts';

export interface GithubInstallation {
  readonly repositories: readonly string[];
  readonly permissions: Readonly<Record<string, string>>;
  readonly isSuspended?: true;
}

export interface GithubTokens {
  readonly answer: AnswerTokens;
  /** Tokens that are valid, with what they may do. */
  readonly issued: Map<
    string,
    { readonly repositories: readonly string[] | null; readonly permissions: object }
  >;
}

export interface GithubOptions {
  readonly appId: string;
  /** PEM, SPKI. */
  readonly publicKey: string;
  readonly installations: Readonly<Record<string, GithubInstallation>>;
  /** What lies before `/app`; of GitHub Enterprise Server `/api/v3`. */
  readonly root?: string;
  /** As GitHub rolls out since April 2026. */
  readonly format?: 'opaque' | 'stateless';
}

const levels = ['read', 'write', 'admin'];

export function createGithubTokens(options: GithubOptions): GithubTokens {
  const { appId, publicKey, installations, root = '', format = 'opaque' } = options;
  const issued: GithubTokens['issued'] = new Map();
  const fail = (status: number, message: string): TokenReply => ({
    status,
    body: { message: `canary: ${message}` },
  });

  async function problemOf(authorization: string): Promise<string | null> {
    const assertion = /^Bearer (\S+)$/.exec(authorization)?.[1];
    if (assertion === undefined) return 'A JSON web token could not be decoded';
    try {
      const key = await importSPKI(publicKey, 'RS256');
      const { payload } = await jwtVerify(assertion, key, {
        algorithms: ['RS256'],
        issuer: appId,
        requiredClaims: ['iat', 'exp', 'iss'],
      });
      const { iat = 0, exp = 0 } = payload;
      const now = Date.now() / 1000;
      if (exp > now + 600 || exp - iat > 660)
        return "'Expiration time' claim ('exp') is too far in the future";
      if (iat > now) return "'Issued at' claim ('iat') must be an Integer representing a time in the past";
      return null;
    } catch (error) {
      return String(error);
    }
  }

  return {
    issued,
    answer: async ({ method, path, headers, body }) => {
      if (headers['user-agent'] === undefined) return fail(403, 'Request forbidden by administrative rules.');
      const id = new RegExp(`^${root}/app/installations/(\\d+)/access_tokens$`).exec(path)?.[1];
      if (id === undefined || method !== 'POST') return fail(404, 'Not Found');
      if (headers.accept !== 'application/vnd.github+json') return fail(415, 'accept');
      if (!/^\d{4}-\d\d-\d\d$/.test(String(headers['x-github-api-version']))) return fail(400, 'version');
      const problem = await problemOf(headers.authorization ?? '');
      if (problem !== null) return fail(401, problem);
      const installation = Object.hasOwn(installations, id) ? installations[id] : undefined;
      if (installation === undefined) return fail(404, 'Not Found');
      if (installation.isSuspended === true) return fail(403, 'This installation has been suspended');

      const asked = JSON.parse(body) as { repositories?: string[]; permissions?: Record<string, string> };
      const unknown = (asked.repositories ?? []).some((name) => !installation.repositories.includes(name));
      if (unknown) return fail(422, 'There is at least one repository that does not exist');
      const isTooMuch = Object.entries(asked.permissions ?? {}).some(
        ([name, level]) => levels.indexOf(level) > levels.indexOf(installation.permissions[name] ?? ''),
      );
      if (isTooMuch) return fail(422, 'The permissions requested are not granted to this installation.');

      const permissions = { metadata: 'read', ...(asked.permissions ?? installation.permissions) };
      const random = randomBytes(48).toString('base64url').replaceAll(/[-_]/g, 'x').slice(0, 36);
      const token =
        format === 'opaque'
          ? `ghs_${random}`
          : `ghs_${appId}_eyJhbGciOiJFUzI1NiJ9.${random.repeat(10)}-_.${random}`;
      issued.set(token, { repositories: asked.repositories ?? null, permissions });
      return {
        status: 201,
        body: {
          token,
          expires_at: new Date(Date.now() + 3_600_000).toISOString().replace(/\.\d+Z/, 'Z'),
          permissions,
          repository_selection: 'selected',
          ...(asked.repositories === undefined
            ? {}
            : {
                repositories: asked.repositories.map((name, at) => ({
                  id: at + 1,
                  name,
                  full_name: `acme/${name}`,
                })),
              }),
        },
      };
    },
  };
}
