// A small AWS STS that, unlike moto's, believes nothing: AssumeRoleWithWebIdentity checks the token's signature against
// the cluster's own keys, its issuer, audience, subject and time, with jose; AssumeRole recomputes the signature. Answers
// and codes as in https://docs.aws.amazon.com/STS/latest/APIReference/.

import { createLocalJWKSet, errors, jwtVerify, type JSONWebKeySet } from 'jose';
import {
  createKeyRing,
  type AwsRefusal,
  type IssuedKeys,
  type KeyRing,
  type SignedRequest,
} from './sts-keys.ts';

/** A role's trust policy, as far as it is needed. */
export interface TrustPolicy {
  /** `sub` and `aud` that may assume it with a token. */
  readonly web?: { readonly subject: string; readonly audience: string };
  /** ARN of whoever may assume it with keys. */
  readonly principal?: string;
}

export interface StsOptions {
  readonly region: string;
  /** Of the IAM OIDC provider: the issuer, its keys and its client ids. */
  readonly issuer: string;
  readonly keys: JSONWebKeySet;
  readonly clientIds: readonly string[];
  /** By ARN. */
  readonly roles: Readonly<Record<string, TrustPolicy>>;
}

export interface Sts {
  readonly ring: KeyRing;
  /** Of each answered call, in order. */
  readonly calls: StsCall[];
  answer(request: SignedRequest): Promise<XmlAnswer>;
}

export interface StsCall {
  readonly action: string;
  readonly roleArn: string;
  readonly sessionName: string;
  readonly outcome: string;
}

export interface XmlAnswer {
  readonly status: number;
  readonly body: string;
}

const namespace = 'https://sts.amazonaws.com/doc/2011-06-15/';

export function createSts(options: StsOptions): Sts {
  const ring = createKeyRing();
  const calls: StsCall[] = [];
  const jwks = createLocalJWKSet(options.keys);

  async function assumeWithToken(role: string, token: string): Promise<AwsRefusal | null> {
    const trust = options.roles[role]?.web;
    try {
      const { payload } = await jwtVerify(token, jwks, {
        issuer: options.issuer,
        audience: [...options.clientIds],
        currentDate: new Date(Date.now() + ring.clockOffsetMs),
      });
      const audiences = [payload.aud].flat();
      return trust !== undefined && payload.sub === trust.subject && audiences.includes(trust.audience)
        ? null
        : refused('AccessDenied', 'Not authorized to perform sts:AssumeRoleWithWebIdentity');
    } catch (error) {
      if (error instanceof errors.JWTExpired) return refused('ExpiredTokenException', 'Token expired');
      return refused('InvalidIdentityToken', 'The token is not one of this provider');
    }
  }

  function assumeWithKeys(role: string, request: SignedRequest): AwsRefusal | null {
    const keys = ring.verify(request, 'sts', options.region);
    if ('code' in keys) {
      return keys.code === 'InvalidSignatureException' ? { ...keys, code: 'SignatureDoesNotMatch' } : keys;
    }
    return options.roles[role]?.principal === keys.principal
      ? null
      : refused('AccessDenied', `${keys.principal} is not authorized to perform sts:AssumeRole`);
  }

  return {
    ring,
    calls,
    async answer(request) {
      const input = new URLSearchParams(request.body.toString('utf8'));
      const action = input.get('Action') ?? '';
      const roleArn = input.get('RoleArn') ?? '';
      const sessionName = input.get('RoleSessionName') ?? '';
      const refusal =
        action === 'AssumeRoleWithWebIdentity'
          ? await assumeWithToken(roleArn, input.get('WebIdentityToken') ?? '')
          : action === 'AssumeRole'
            ? assumeWithKeys(roleArn, request)
            : refused('InvalidAction', 'No such action');
      calls.push({ action, roleArn, sessionName, outcome: refusal?.code ?? 'granted' });
      if (refusal !== null) {
        const status = refusal.code === 'AccessDenied' || refusal.code.startsWith('Inval') ? 403 : 400;
        return { status: refusal.code === 'InvalidIdentityToken' ? 400 : status, body: errorXml(refusal) };
      }
      const seconds = Number(input.get('DurationSeconds'));
      return { status: 200, body: keysXml(action, ring.issue(roleArn, seconds * 1000)) };
    },
  };
}

function refused(code: string, message: string): AwsRefusal {
  return { code, message: `${message}: canary-in-message` };
}

function keysXml(action: string, keys: IssuedKeys): string {
  return `<${action}Response xmlns="${namespace}"><${action}Result><Credentials><AccessKeyId>${keys.accessKeyId}</AccessKeyId><SecretAccessKey>${keys.secretAccessKey}</SecretAccessKey><SessionToken>${keys.sessionToken}</SessionToken><Expiration>${new Date(keys.expiresAtMs).toISOString()}</Expiration></Credentials></${action}Result><ResponseMetadata><RequestId>test</RequestId></ResponseMetadata></${action}Response>`;
}

function errorXml({ code, message }: AwsRefusal): string {
  return `<ErrorResponse xmlns="${namespace}"><Error><Type>Sender</Type><Code>${code}</Code><Message>${message}</Message></Error><RequestId>test</RequestId></ErrorResponse>`;
}
