// Credentials and stores as a sidecar gets them: where a secret lives, how it becomes what a request carries, and how it
// is put there. Field for field what AgentCredential and AgentSecretStore say, with durations in milliseconds.

import type { RulesetMatch } from './ruleset.ts';

export interface RulesetCredential {
  readonly source: RulesetSource;
  /** The ceiling: outside these the credential is never sent, whatever a grant says. */
  readonly allow: readonly RulesetCeilingEntry[];
  readonly inject: RulesetInject;
  /** Agents have a file in place of Google's key file; the sidecar writes it and answers its token requests. */
  readonly placeholderFile?: true;
  readonly refreshIntervalMs: number;
}

export interface RulesetCeilingEntry extends RulesetMatch {
  /** Here instead of the credential's own; where that mints tokens, how the token is put on a request. */
  readonly inject?: RulesetInject;
}

// --- sources ------------------------------------------------------------------------------------

export type RulesetSource = VaultSource | AwsSecretsManagerSource | FileSource;

/**
 * What of a secret is used. One `field` is the part `value`; of several `fields` each is a part by its own name;
 * neither: the whole secret is the part `value`.
 */
export interface SecretFields {
  readonly field?: string;
  readonly fields?: readonly string[];
}

/** Exactly one of `kv` and `dynamic`. */
export interface VaultSource {
  readonly kind: 'vault';
  readonly store: string;
  /** Of the auth method; for AppRole its role_id. */
  readonly role: string;
  readonly kv?: RulesetKv;
  readonly dynamic?: RulesetDynamic;
}

export interface RulesetKv extends SecretFields {
  readonly mount: string;
  readonly path: string;
  readonly version: 1 | 2;
}

/** A secret that Vault makes on reading, under a lease. */
export interface RulesetDynamic extends SecretFields {
  /** Mount and path, such as `database/creds/reader`. */
  readonly path: string;
}

export interface AwsSecretsManagerSource extends SecretFields {
  readonly kind: 'awsSecretsManager';
  readonly store: string;
  /** Name or ARN. */
  readonly secretId: string;
  /** At most one of the two; neither means AWSCURRENT. */
  readonly versionStage?: string;
  readonly versionId?: string;
  /** How a binary secret is read; absent: it must be UTF-8 text. */
  readonly binary?: 'Utf8' | 'Base64';
  /** Assumed with the store's role, or with the pod's own token where the store has none. */
  readonly roleArn?: string;
}

export interface FileSource extends SecretFields {
  readonly kind: 'file';
  /** Absent in local mode alone: then `path` lies in the one directory of secrets itself. */
  readonly volume?: SecretVolume;
  readonly path: string;
}

/** What another operator fills, mounted in the sidecar alone. */
export type SecretVolume = { readonly secret: string } | { readonly csi: string };

// --- stores -------------------------------------------------------------------------------------

export type RulesetStore = VaultStore | AwsStore;

export interface VaultStore {
  readonly kind: 'vault';
  readonly address: string;
  readonly caBundle?: string;
  readonly namespace?: string;
  readonly auth: VaultAuth;
}

export type VaultAuth =
  | { readonly kind: 'kubernetes'; readonly mount: string }
  | { readonly kind: 'jwt'; readonly mount: string }
  | { readonly kind: 'appRole'; readonly mount: string; readonly secretId: RulesetSecretId };

/** Where AppRole's secret_id lies: a key of a Secret in the agent's namespace, mounted in the sidecar alone. */
export interface RulesetSecretId {
  readonly secret: string;
  readonly key: string;
  /** It is a response-wrapping token, to be unwrapped once. */
  readonly wrapped?: true;
}

export interface AwsStore {
  readonly kind: 'awsSecretsManager';
  readonly region: string;
  /** https://host[:port] in place of the region's own. */
  readonly endpoint?: string;
  readonly stsEndpoint?: string;
  readonly caBundle?: string;
  readonly fips?: true;
  /** Assumed with the pod's token. */
  readonly roleArn?: string;
  readonly auth: AwsAuth;
}

export type AwsAuth =
  | { readonly kind: 'webIdentity' }
  | { readonly kind: 'podIdentity' }
  /** Keys `access-key-id`, `secret-access-key` and perhaps `session-token` of a Secret in the agent's namespace. */
  | { readonly kind: 'staticKeys'; readonly secret: string };

// --- injections ---------------------------------------------------------------------------------

/** By which field of the secret each part is called there, where it is not called as the part is. */
export interface NamedParts {
  readonly fields?: Readonly<Record<string, string>>;
}

export type RulesetInject =
  | BearerInject
  | BasicInject
  | HeaderInject
  | QueryInject
  | PathInject
  | BodyInject
  | AwsSigV4Inject
  | OAuth1Inject
  | HmacInject
  | OAuth2Inject
  | GithubAppInject
  | GoogleServiceAccountInject;

/** Part: value. */
export interface BearerInject {
  readonly kind: 'bearer';
}

/** Parts: password or value; username where it is not written out. */
export interface BasicInject extends NamedParts {
  readonly kind: 'basic';
  readonly username?: string;
}

/** Part: value. */
export interface HeaderInject {
  readonly kind: 'header';
  /** Lower case. */
  readonly name: string;
  /** Such as `Token ` or `GenieKey `, written before the value. */
  readonly prefix?: string;
}

/** Part: value. */
export interface QueryInject {
  readonly kind: 'query';
  readonly name: string;
}

/** Part: value. The rest of the path's segment that begins with `prefix` must be the placeholder. */
export interface PathInject {
  readonly kind: 'path';
  /** Such as `/bot`. */
  readonly prefix: string;
}

/** Part: value. What the JSON pointer names in a JSON or form body must be the placeholder. */
export interface BodyInject {
  readonly kind: 'body';
  readonly pointer: string;
}

/** Parts: accessKeyId where it is not written out, secretAccessKey or value, sessionToken if there is one. */
export interface AwsSigV4Inject extends NamedParts {
  readonly kind: 'awsSigV4';
  /** As it stands in the scope of a signature: s3, execute-api, bedrock. */
  readonly service: string;
  readonly regions: readonly string[];
  readonly accessKeyId?: string;
}

/** Parts: consumerKey and token where they are not written out, consumerSecret or value, tokenSecret if there is one. */
export interface OAuth1Inject extends NamedParts {
  readonly kind: 'oauth1';
  readonly signatureMethod: 'HmacSha1' | 'HmacSha256' | 'Plaintext';
  readonly consumerKey?: string;
  readonly token?: string;
  readonly realm?: string;
}

/** Parts: key or value, and whatever the templates name as `{field.NAME}`. */
export interface HmacInject extends NamedParts {
  readonly kind: 'hmac';
  readonly algorithm: 'Sha1' | 'Sha256' | 'Sha512';
  readonly keyEncoding: 'Utf8' | 'Base64' | 'Hex';
  /** Template of what is signed. */
  readonly canonical: string;
  readonly digest: 'Hex' | 'Base64' | 'Base64Url';
  readonly timestamp: 'Seconds' | 'Milliseconds' | 'Iso8601';
  /** Templates by header name, in lower case. */
  readonly headers?: Readonly<Record<string, string>>;
  /** Templates by parameter name; added at the end of the query, in this order. */
  readonly query?: readonly { readonly name: string; readonly value: string }[];
}

/** A shipped one, or a path at an AgentDestination. */
export type TokenEndpoint =
  { readonly url: string } | { readonly destination: string; readonly path: string };

/** Mints an access token. */
export interface OAuth2Inject extends NamedParts {
  readonly kind: 'oauth2';
  readonly tokenEndpoint: TokenEndpoint;
  readonly grant: OAuth2Grant;
  readonly scopes?: readonly string[];
  /** More parameters of the token request, such as `audience` and `resource`. */
  readonly parameters?: Readonly<Record<string, string>>;
}

export type ClientAuthentication = 'Basic' | 'Post';

export type OAuth2Grant =
  /** Parts: clientSecret or value; clientId where it is not written out. */
  | {
      readonly kind: 'clientCredentials';
      readonly clientId?: string;
      readonly authentication: ClientAuthentication;
    }
  /** Parts: refreshToken or value; clientId where it is not written out; clientSecret if the client has one. */
  | {
      readonly kind: 'refreshToken';
      readonly clientId?: string;
      readonly authentication: ClientAuthentication;
      /** Each use gives another refresh token, which is written back: KV version 2 only. */
      readonly rotating?: true;
    }
  /** Parts: privateKey (PEM) or value. RFC 7523 section 2.1. */
  | {
      readonly kind: 'jwtBearer';
      readonly algorithm: 'RS256' | 'ES256' | 'PS256' | 'EdDSA';
      readonly issuer: string;
      readonly subject?: string;
      /** Absent: the URL of the token endpoint. */
      readonly audience?: string;
      readonly keyId?: string;
    };

/** Mints an installation token. Parts: privateKey (PEM) or value. */
export interface GithubAppInject extends NamedParts {
  readonly kind: 'githubApp';
  /** Client id or number of the app. */
  readonly appId: string;
  readonly installationId: string;
  /** Names without owner. */
  readonly repositories?: readonly string[];
  readonly permissions?: Readonly<Record<string, 'read' | 'write' | 'admin'>>;
  /** GitHub Enterprise Server; `path` is what its API lies under, such as `/api/v3`. Absent: api.github.com. */
  readonly endpoint?: { readonly destination: string; readonly path: string };
}

/** Mints an access or an ID token. Part: value, the key file's JSON. */
export interface GoogleServiceAccountInject {
  readonly kind: 'googleServiceAccount';
  /** Exactly one of the two: an access token with these, or an ID token for this audience. */
  readonly scopes?: readonly string[];
  readonly audience?: string;
  /** Domain-wide delegation. */
  readonly subject?: string;
  /** Absent: https://oauth2.googleapis.com/token. */
  readonly tokenEndpoint?: { readonly destination: string; readonly path: string };
}
