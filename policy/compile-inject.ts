// From `inject` as users write it to a tagged union, without members that say what absence says.

import type { EntryInjectSpec, InjectSpec } from './resources/inject.ts';
import type { OAuth2Grant, RulesetInject, TokenEndpoint } from './ruleset-credential.ts';

type Spec = { readonly [K in keyof InjectSpec]?: InjectSpec[K] };

/** One line for each kind. */
const compilers: {
  readonly [K in RulesetInject['kind']]: (
    spec: NonNullable<InjectSpec[K]>,
  ) => Extract<RulesetInject, { kind: K }>;
} = {
  bearer: () => ({ kind: 'bearer' }),
  basic: (spec) => defined({ kind: 'basic', ...spec }),
  header: (spec) => defined({ kind: 'header', ...spec }),
  query: ({ name }) => ({ kind: 'query', name }),
  path: ({ prefix }) => ({ kind: 'path', prefix }),
  body: ({ pointer }) => ({ kind: 'body', pointer }),
  awsSigV4: (spec) => defined({ kind: 'awsSigV4', ...spec }),
  oauth1: (spec) => defined({ kind: 'oauth1', ...spec }),
  hmac: (spec) => defined({ kind: 'hmac', ...spec }),
  oauth2: ({ tokenEndpoint, clientCredentials, refreshToken, jwtBearer, ...rest }) =>
    defined({
      kind: 'oauth2',
      ...rest,
      tokenEndpoint: compileEndpoint(tokenEndpoint),
      grant: compileGrant({ clientCredentials, refreshToken, jwtBearer }),
    }),
  githubApp: (spec) => defined({ kind: 'githubApp', ...spec }),
  googleServiceAccount: (spec) => defined({ kind: 'googleServiceAccount', ...spec }),
};

export function compileInject(spec: InjectSpec | EntryInjectSpec): RulesetInject {
  for (const [kind, compile] of Object.entries(compilers)) {
    const way = (spec as Spec)[kind as keyof InjectSpec];
    if (way !== undefined) return (compile as (given: unknown) => RulesetInject)(way);
  }
  return { kind: 'bearer' };
}

/** Mints a token, which is then put on requests. */
export function isMintingInject({ kind }: RulesetInject): boolean {
  return kind === 'oauth2' || kind === 'githubApp' || kind === 'googleServiceAccount';
}

/** Where the secret itself is sent to be exchanged; null when that is a shipped place of the kind, or nowhere. */
export function tokenEndpointOf(inject: RulesetInject): TokenEndpoint | null {
  if (inject.kind === 'oauth2' || inject.kind === 'googleServiceAccount') return inject.tokenEndpoint ?? null;
  return inject.kind === 'githubApp' ? (inject.endpoint ?? null) : null;
}

type OAuth2Spec = NonNullable<InjectSpec['oauth2']>;

function compileEndpoint({ url, destination = '', path = '' }: OAuth2Spec['tokenEndpoint']): TokenEndpoint {
  return url === undefined ? { destination, path } : { url };
}

function compileGrant({
  clientCredentials,
  refreshToken,
  jwtBearer,
}: Pick<OAuth2Spec, 'clientCredentials' | 'refreshToken' | 'jwtBearer'>): OAuth2Grant {
  if (jwtBearer !== undefined) return defined<GrantOf<'jwtBearer'>>({ kind: 'jwtBearer', ...jwtBearer });
  if (refreshToken !== undefined) {
    return defined<GrantOf<'refreshToken'>>({
      kind: 'refreshToken',
      ...refreshToken,
      rotating: refreshToken.rotating === true ? true : undefined,
    });
  }
  const { clientId, authentication = 'Basic' } = clientCredentials ?? {};
  return defined<GrantOf<'clientCredentials'>>({ kind: 'clientCredentials', clientId, authentication });
}

type GrantOf<K extends OAuth2Grant['kind']> = Extract<OAuth2Grant, { kind: K }>;

/** Without members that are undefined: equal inputs give equal bytes. */
function defined<T extends object>(value: { readonly [K in keyof T]: T[K] | undefined }): T {
  return Object.fromEntries(Object.entries(value).filter(([, member]) => member !== undefined)) as T;
}
