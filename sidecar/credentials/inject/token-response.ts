// What a token endpoint answers (RFC 6749 section 5), read strictly and never passed on: its text may quote the
// request, and so the secret.

import { isJsonObject, readJson, type JsonObject, type JsonValue } from '../../../policy/content/json.ts';
import { isUnreadable } from '../../../policy/unreadable.ts';
import { SidecarError } from '../../errors.ts';
import { onlyPart } from '../material.ts';
import { Secret } from '../secret.ts';
import type { Minted, TokenAnswer } from './injector.ts';

export interface TokenResponse {
  readonly minted: Minted;
  /** RFC 6749 section 6: another one to use from now on. */
  readonly refreshToken: string | null;
}

/** RFC 6749 section 5.1 only recommends expires_in; five minutes are what nobody's tokens fall below. */
const unsaidLifetimeSeconds = 300;
/** Some say a year. Whoever takes a client away wants that to be seen the next day. */
const maxLifetimeMs = 24 * 60 * 60_000;
/** Below it a token would be asked for without end. */
const minLifetimeMs = 5000;
const maxMarginMs = 60_000;

/** RFC 6750 section 2.1 in spirit; providers use more of ASCII than it lists, and no upstream takes larger headers. */
const tokenPattern = /^[!-~]{1,16384}$/;

/**
 * RFC 6749 section 7.1: a client must not use a token whose type it does not understand. LinkedIn leaves it out
 * (https://github.com/panva/openid-client/issues/826), and Slack says whose the bearer token is.
 */
const bearerTypes: ReadonlySet<string> = new Set(['bearer', 'bot', 'user']);

/** RFC 6749 sections 5.2 and 4.1.2.1, and RFC 8707. No other code is repeated: it could be any text. */
const refusals: Readonly<Record<string, string>> = {
  invalid_request: 'Look at the grant and at parameters.',
  invalid_client: 'Look at clientId, at the client secret and at authentication (Basic or Post).',
  invalid_grant: 'What is exchanged has expired, was revoked, or is not for this client.',
  unauthorized_client: 'The client may not use this grant; allow it at the provider.',
  unsupported_grant_type: 'The endpoint does not know this grant.',
  invalid_scope: 'Look at scopes.',
  invalid_target: 'Look at parameters.audience and parameters.resource.',
  access_denied: 'The provider denies it to this client.',
};
const outages: ReadonlySet<string> = new Set(['server_error', 'temporarily_unavailable']);

/**
 * @param field of the AgentCredential.
 * @throws SidecarError MINT_REFUSED, TOKEN_ENDPOINT_UNAVAILABLE or TOKEN_ENDPOINT_UNREADABLE
 */
export function readTokenResponse(answer: TokenAnswer, field: string): TokenResponse {
  const object = readGranted(answer, field);
  const token = textOf(object, 'access_token');
  if (token === null) throw unreadable(field, 'It has no access_token.');
  const type = object.get('token_type') ?? 'bearer';
  if (typeof type !== 'string' || !bearerTypes.has(type.toLowerCase())) {
    throw unreadable(field, 'Its token_type is not Bearer.');
  }
  const refreshToken = textOf(object, 'refresh_token');
  return {
    minted: mintedOf(token, secondsOf(object.get('expires_in'), field) * 1000, field),
    refreshToken,
  };
}

/** The JSON object of an answer that grants something. */
export function readGranted({ status, body }: TokenAnswer, field: string): JsonObject {
  if (status === 429 || status >= 500) throw new SidecarError('TOKEN_ENDPOINT_UNAVAILABLE', { field });
  const value = readJson(Buffer.from(body));
  const object = !isUnreadable(value) && isJsonObject(value) ? value : null;
  const error = object?.get('error');
  // RFC 6749 says 400; GitHub and Slack say 200.
  if (typeof error === 'string' && (status === 200 || status === 400)) throw refusal(error, field);
  if (status === 401 || status === 403) throw refusal(typeof error === 'string' ? error : '', field);
  if (status !== 200 && status !== 201) throw unreadable(field);
  if (object === null) throw unreadable(field);
  return object;
}

/** @throws SidecarError TOKEN_ENDPOINT_UNREADABLE for what no slot could carry, and for what ends at once. */
export function mintedOf(token: string, lifetimeMs: number, field: string): Minted {
  if (!tokenPattern.test(token)) throw unreadable(field, 'Its token is not printable ASCII without spaces.');
  // Requests that carry it are under way when it ends, and clocks differ.
  const usableMs = Math.min(lifetimeMs, maxLifetimeMs) - Math.min(maxMarginMs, lifetimeMs / 10);
  if (!(usableMs >= minLifetimeMs)) throw unreadable(field, 'Its token expires within seconds.');
  return { material: new Map([[onlyPart, new Secret(token)]]), lifetimeMs: Math.floor(usableMs) };
}

export function textOf(object: JsonObject, name: string): string | null {
  const value = object.get(name);
  return typeof value === 'string' && value !== '' ? value : null;
}

export function unreadable(field: string, detail?: string): SidecarError {
  return new SidecarError('TOKEN_ENDPOINT_UNREADABLE', {
    field,
    ...(detail === undefined ? {} : { detail }),
  });
}

/** Azure AD's older endpoint writes the number as a string. */
function secondsOf(value: JsonValue | undefined, field: string): number {
  if (value === undefined || value === null) return unsaidLifetimeSeconds;
  const seconds = typeof value === 'string' && /^\d{1,12}$/.test(value) ? Number(value) : value;
  if (typeof seconds === 'number' && seconds >= 0) return seconds;
  throw unreadable(field, 'Its expires_in is not a number of seconds.');
}

function refusal(error: string, field: string): SidecarError {
  if (outages.has(error)) return new SidecarError('TOKEN_ENDPOINT_UNAVAILABLE', { field });
  const advice = Object.hasOwn(refusals, error) ? refusals[error] : undefined;
  return new SidecarError('MINT_REFUSED', {
    field,
    ...(advice === undefined ? {} : { detail: `It says ${error}. ${advice}` }),
  });
}
