// What AWS's refusals mean, as codes with the field that must change. Nothing that AWS says is passed on: its messages
// name accounts, roles and keys.

import type { AwsSecretsManagerSource, AwsStore } from '../../../policy/ruleset-credential.ts';
import { SidecarError, type SidecarErrorCode } from '../../errors.ts';

const at = 'spec.source.awsSecretsManager';
const storeAt = 'spec.awsSecretsManager';

export const awsFields = {
  source: at,
  store: `${at}.store`,
  secretId: `${at}.secretId`,
  role: `${at}.roleArn`,
  storeRole: `${storeAt}.roleArn`,
  region: `${storeAt}.region`,
  endpoint: `${storeAt}.endpoint`,
  stsEndpoint: `${storeAt}.stsEndpoint`,
  fips: `${storeAt}.fips`,
  podIdentity: `${storeAt}.auth.podIdentity`,
  staticKeys: `${storeAt}.auth.staticKeys.secret`,
} as const;

/** Where requests to the two services go: a field of the store. */
export function secretsField({ endpoint }: AwsStore): string {
  return endpoint === undefined ? awsFields.region : awsFields.endpoint;
}
export function stsField({ stsEndpoint }: AwsStore): string {
  return stsEndpoint === undefined ? awsFields.region : awsFields.stsEndpoint;
}

/** An error of the SDK, reduced to what tells the codes apart. */
export interface RefusedAnswer {
  /** AWS's code, without the `Exception` that only some services write behind it. */
  readonly name: string;
  /** 0: there was no answer, so that the SDK refused by itself. */
  readonly status: number;
  /** Between AWS's clock and ours, when it answered. */
  readonly skewMs: number;
  /** What only AWS's text tells: which of several things with one code it was. An unknown text is none of them. */
  readonly about: { readonly kms: boolean; readonly version: boolean; readonly region: boolean };
}

interface SdkError {
  readonly name?: unknown;
  readonly message?: unknown;
  readonly $metadata?: { readonly httpStatusCode?: unknown };
  readonly $response?: {
    readonly statusCode?: unknown;
    readonly headers?: Readonly<Record<string, unknown>>;
  };
}

export function refusedAnswer(error: unknown): RefusedAnswer {
  const { name, message, $metadata, $response } = error as SdkError;
  const status = $metadata?.httpStatusCode ?? $response?.statusCode;
  const text = typeof message === 'string' ? message : '';
  const date = $response?.headers?.['date'];
  const theirTime = typeof date === 'string' ? Date.parse(date) : NaN;
  return {
    name: typeof name === 'string' ? name.replace(/Exception$/, '') : '',
    status: typeof status === 'number' ? status : 0,
    skewMs: Number.isNaN(theirTime) ? 0 : theirTime - Date.now(),
    about: {
      // "Access to KMS is not allowed"
      kms: /\bKMS\b/.test(text),
      // "Secrets Manager can't find the specified secret value for staging label: AWSPENDING", "… for VersionId: …"
      version: /secret value for (?:staging label|VersionId)/i.test(text),
      // "Credential should be scoped to a valid region."
      region: /scoped to a valid region/i.test(text),
    },
  };
}

const keysRefused = new Set([
  'ExpiredToken',
  'InvalidClientTokenId',
  'UnrecognizedClient',
  'InvalidAccessKeyId',
  'IncompleteSignature',
  'MissingAuthenticationToken',
]);
const signatureRefused = new Set([
  'InvalidSignature',
  'SignatureDoesNotMatch',
  'RequestExpired',
  'RequestTimeTooSkewed',
]);
const throttled = /^(?:Throttl|TooManyRequests|RequestLimitExceeded|SlowDown)/;
/** AWS accepts five minutes; the SDK corrects more, so that what is still refused then is another matter or beyond it. */
const skewToleratedMs = 240_000;

/** What any call of either service may be told, whatever it was for. */
function commonFailure(answer: RefusedAnswer, field: string, keysField: string): SidecarError | null {
  const { name, status, skewMs, about } = answer;
  if (status === 429 || throttled.test(name)) return failure('AWS_THROTTLED', field);
  if (signatureRefused.has(name)) {
    if (about.region) return failure('AWS_REGION_WRONG', awsFields.region);
    if (Math.abs(skewMs) > skewToleratedMs) return failure('AWS_CLOCK_SKEW', field);
    return failure('AWS_KEYS_REFUSED', keysField);
  }
  if (keysRefused.has(name)) return failure('AWS_KEYS_REFUSED', keysField);
  if (name === 'RegionDisabled') return failure('AWS_REGION_WRONG', awsFields.region);
  if (name === 'EndpointError') return failure('AWS_ENDPOINT_INVALID', awsFields.fips);
  // What cannot be parsed under a good status is no answer of AWS's; nor is a redirect, which is never followed.
  if (status < 400) return failure('AWS_ANSWER_UNREADABLE', field);
  if (status >= 500) return failure('AWS_UNAVAILABLE', field, `It answered ${status}.`);
  return null;
}

/** Of GetSecretValue: https://docs.aws.amazon.com/secretsmanager/latest/apireference/API_GetSecretValue.html */
export function secretFailure(
  answer: RefusedAnswer,
  source: AwsSecretsManagerSource,
  store: AwsStore,
): SidecarError {
  const { name, about } = answer;
  if (name === 'AccessDenied') {
    return about.kms
      ? failure('AWS_KMS_DENIED', awsFields.secretId)
      : failure('AWS_ACCESS_DENIED', awsFields.secretId);
  }
  if (name === 'DecryptionFailure') return failure('AWS_KMS_DENIED', awsFields.secretId);
  if (name === 'ResourceNotFound') {
    if (!about.version) return failure('AWS_SECRET_NOT_FOUND', awsFields.secretId);
    return failure(
      'AWS_VERSION_NOT_FOUND',
      source.versionId === undefined ? `${at}.versionStage` : `${at}.versionId`,
    );
  }
  // "The secret is scheduled for deletion" is the one cause of those documented that reading can have.
  if (name === 'InvalidRequest') return failure('AWS_SECRET_DELETED', awsFields.secretId);
  return (
    commonFailure(answer, secretsField(store), keysFieldOf(store)) ??
    failure('AWS_REQUEST_INVALID', awsFields.secretId, `It answered ${answer.status}.`)
  );
}

const loginCauses: Readonly<Record<string, string>> = {
  AccessDenied: "The trust policy of the role does not admit this pod's ServiceAccount with this audience.",
  InvalidIdentityToken:
    "The account has no OIDC provider for the cluster's issuer with this audience as a client id, or the provider does not know the key.",
  ExpiredToken: "By AWS's clock the pod's token has expired.",
  IDPRejectedClaim: "The provider rejects a claim of the pod's token.",
};

/**
 * Of AssumeRoleWithWebIdentity:
 * https://docs.aws.amazon.com/STS/latest/APIReference/API_AssumeRoleWithWebIdentity.html
 * @param roleField where the role is named.
 */
export function loginFailure(answer: RefusedAnswer, roleField: string, store: AwsStore): SidecarError {
  const { name } = answer;
  if (name === 'IDPCommunicationError') return failure('AWS_ISSUER_UNREADABLE', roleField);
  const cause = Object.hasOwn(loginCauses, name) ? loginCauses[name] : undefined;
  if (cause !== undefined) return failure('AWS_LOGIN_REFUSED', roleField, cause);
  return (
    commonFailure(answer, stsField(store), roleField) ??
    failure('AWS_LOGIN_REFUSED', roleField, `It answered ${answer.status}.`)
  );
}

/** Of AssumeRole with the keys of another identity. */
export function roleFailure(answer: RefusedAnswer, roleField: string, store: AwsStore): SidecarError {
  return (
    (answer.name === 'AccessDenied' ? failure('AWS_ROLE_REFUSED', roleField) : null) ??
    commonFailure(answer, stsField(store), keysFieldOf(store)) ??
    failure('AWS_ROLE_REFUSED', roleField, `It answered ${answer.status}.`)
  );
}

/** Where the identity that the keys belong to is chosen. */
function keysFieldOf({ auth }: AwsStore): string {
  return auth.kind === 'staticKeys' ? awsFields.staticKeys : awsFields.region;
}

function failure(code: SidecarErrorCode, field: string, detail?: string): SidecarError {
  return new SidecarError(code, { field, ...(detail === undefined ? {} : { detail }) });
}
