// A key file that stands in for Google's, for SDKs that insist on one, and the answers to what SDKs do with it: they
// sign a token request with its key, or send a token that they signed themselves. The key proves nothing anywhere; what
// comes of it is the credential's placeholder, which injection replaces. Pure, but for making the key.

import { generateKeyPair } from 'node:crypto';
import { promisify } from 'node:util';
import { placeholder } from '../../policy/contract.ts';
import { readForm } from '../../policy/content/form.ts';
import { isJsonObject, readJson, type JsonObject } from '../../policy/content/json.ts';
import { readMediaType } from '../../policy/content/media-type.ts';
import { isUnreadable } from '../../policy/unreadable.ts';
import type { CanonicalRequest } from '../../policy/request.ts';

/** The credentials of a pod that have a placeholder file. */
export interface HeldPlaceholders {
  readonly namespace: string;
  readonly credentials: readonly string[];
}

export interface PlaceholderAnswer {
  readonly status: 200;
  /** application/json */
  readonly body: string;
}

const project = 'outrider-placeholder';
const emailDomain = `@${project}.iam.gserviceaccount.com`;
const tokenUri = 'https://oauth2.googleapis.com/token';
const jwtBearer = 'urn:ietf:params:oauth:grant-type:jwt-bearer';

/** What Google says for a token of one hour. */
const lifetimeSeconds = 3599;

/**
 * An RSA key as PEM: one for all placeholder files of a process. It takes some 100 ms of another thread.
 */
export async function createPlaceholderKey(): Promise<string> {
  const { privateKey } = await promisify(generateKeyPair)('rsa', {
    modulusLength: 2048,
    publicKeyEncoding: { type: 'spki', format: 'pem' },
    privateKeyEncoding: { type: 'pkcs8', format: 'pem' },
  });
  return privateKey;
}

/** @param key as PEM. */
export function googleKeyFile(namespace: string, credential: string, key: string): string {
  const email = emailOf(namespace, credential);
  const file = {
    type: 'service_account',
    project_id: project,
    private_key_id: project,
    private_key: key,
    client_email: email,
    client_id: '0',
    auth_uri: 'https://accounts.google.com/o/oauth2/auth',
    token_uri: tokenUri,
    auth_provider_x509_cert_url: 'https://www.googleapis.com/oauth2/v1/certs',
    client_x509_cert_url: `https://www.googleapis.com/robot/v1/metadata/x509/${encodeURIComponent(email)}`,
    universe_domain: 'googleapis.com',
  };
  return `${JSON.stringify(file, null, 2)}\n`;
}

/** Where SDKs send what they sign with a key file, whatever its token_uri says. */
const tokenPaths: ReadonlyMap<string, string> = new Map([
  ['oauth2.googleapis.com', '/token'],
  ['www.googleapis.com', '/oauth2/v4/token'],
]);

export const tokenHosts: ReadonlySet<string> = new Set(tokenPaths.keys());

export function isTokenRequest(request: CanonicalRequest): boolean {
  const { scheme, host, port, method, path, query } = request;
  if (scheme !== 'https' || port !== 443 || method !== 'POST' || query !== null) return false;
  return path === tokenPaths.get(host);
}

/**
 * @param body whole.
 * @param contentType null without one.
 * @returns null for what was not signed with a placeholder file of this pod: that is a request like any other.
 */
export function answerTokenRequest(
  body: Buffer,
  contentType: string | null,
  held: HeldPlaceholders,
  nowMs: number,
): PlaceholderAnswer | null {
  const claims = readAssertion(body, contentType);
  if (claims === null) return null;
  const credential = held.credentials.find((name) => emailOf(held.namespace, name) === claims.get('iss'));
  if (credential === undefined) return null;
  const audience = claims.get('target_audience');
  const answer =
    typeof audience === 'string'
      ? { id_token: idToken(held.namespace, credential, audience, nowMs) }
      : {
          access_token: placeholder(held.namespace, credential),
          token_type: 'Bearer',
          expires_in: lifetimeSeconds,
        };
  return { status: 200, body: JSON.stringify(answer) };
}

/**
 * Which credential a token stands for that an SDK signed itself with a placeholder file, or was given as an ID token.
 * @param token a JSON Web Token; its signature is not looked at, since it says as little as its absence.
 * @returns namespace.name, as in a placeholder; null for any other token.
 */
export function credentialOfToken(token: string): string | null {
  const claims = claimsOf(token);
  if (claims === null) return null;
  const emails = [claims.get('iss'), claims.get('email')].filter((claim) => typeof claim === 'string');
  const email = emails.find((claim) => claim.endsWith(emailDomain));
  const [, credential, namespace] =
    /^([a-z0-9][a-z0-9.-]*)\.([a-z0-9-]+)$/.exec(email?.slice(0, -emailDomain.length) ?? '') ?? [];
  return credential === undefined ? null : `${namespace}.${credential}`;
}

/** No name of a namespace has a dot, so no two credentials share one. */
function emailOf(namespace: string, credential: string): string {
  return `${credential}.${namespace}${emailDomain}`;
}

function readAssertion(body: Buffer, contentType: string | null): JsonObject | null {
  const type = readMediaType(contentType === null ? [] : ['content-type', contentType]);
  if (isUnreadable(type) || type.kind !== 'Form') return null;
  const pairs = readForm(body);
  if (isUnreadable(pairs) || pairs.length !== 2) return null;
  const form = new Map(pairs);
  return form.get('grant_type') === jwtBearer ? claimsOf(form.get('assertion') ?? '') : null;
}

/** SDKs look into an ID token for its end, so it must be one in form. */
function idToken(namespace: string, credential: string, audience: string, nowMs: number): string {
  const nowSeconds = Math.floor(nowMs / 1000);
  const email = emailOf(namespace, credential);
  const claims = {
    iss: 'https://accounts.google.com',
    aud: audience,
    azp: email,
    email,
    email_verified: true,
    sub: '0',
    iat: nowSeconds,
    exp: nowSeconds + lifetimeSeconds,
  };
  const parts = [JSON.stringify({ alg: 'RS256', kid: project, typ: 'JWT' }), JSON.stringify(claims), project];
  return parts.map((part) => Buffer.from(part).toString('base64url')).join('.');
}

function claimsOf(token: string): JsonObject | null {
  const [, payload] = /^[\w-]+\.([\w-]+)\.[\w-]+$/.exec(token) ?? [];
  const value = payload === undefined ? null : readJson(Buffer.from(payload, 'base64url'));
  return value !== null && !isUnreadable(value) && isJsonObject(value) ? value : null;
}
