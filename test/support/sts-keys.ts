// The keys that our STS has given out, and whether a request was signed with one of them: recomputed with aws4, which
// shares no code with the AWS SDK. Codes are those of AWS:
// https://docs.aws.amazon.com/IAM/latest/UserGuide/reference_sigv-troubleshooting.html

import { createHash, randomBytes } from 'node:crypto';
import type { IncomingHttpHeaders } from 'node:http';
import aws4 from 'aws4';

export interface IssuedKeys {
  readonly accessKeyId: string;
  readonly secretAccessKey: string;
  /** Absent: of a user, and without end. */
  readonly sessionToken?: string;
  /** The ARN of whom they are. */
  readonly principal: string;
  expiresAtMs: number;
}

export interface SignedRequest {
  readonly method: string;
  readonly path: string;
  readonly headers: IncomingHttpHeaders;
  readonly body: Buffer;
}

export interface KeyRing {
  /** How far AWS's clock is ahead of ours, for everything that checks or says a time. */
  clockOffsetMs: number;
  issue(principal: string, lifeMs: number): IssuedKeys;
  /** A user's, without session. */
  add(principal: string): IssuedKeys;
  revoke(accessKeyId: string): void;
  all(): readonly IssuedKeys[];
  verify(request: SignedRequest, service: string, region: string): IssuedKeys | AwsRefusal;
}

export interface AwsRefusal {
  readonly code: string;
  readonly message: string;
}

const toleratedSkewMs = 5 * 60_000;

export function createKeyRing(): KeyRing {
  const issued = new Map<string, IssuedKeys>();
  const keep = (keys: IssuedKeys): IssuedKeys => {
    issued.set(keys.accessKeyId, keys);
    return keys;
  };
  const ring: KeyRing = {
    clockOffsetMs: 0,
    issue: (principal, lifeMs) =>
      keep({
        ...freshKeys('ASIA'),
        sessionToken: `session-token-${randomBytes(24).toString('base64')}`,
        principal,
        expiresAtMs: Date.now() + ring.clockOffsetMs + lifeMs,
      }),
    add: (principal) => keep({ ...freshKeys('AKIA'), principal, expiresAtMs: Infinity }),
    revoke: (accessKeyId) => void issued.delete(accessKeyId),
    all: () => [...issued.values()],
    verify(request, service, region) {
      const { headers, body } = request;
      const [, accessKeyId, day, theirRegion, theirService, signedNames] =
        /^AWS4-HMAC-SHA256 Credential=([^/]+)\/(\d{8})\/([^/]+)\/([^/]+)\/aws4_request, SignedHeaders=([^,]+), Signature=[0-9a-f]{64}$/.exec(
          headers.authorization ?? '',
        ) ?? [];
      if (accessKeyId === undefined || signedNames === undefined) return refusal('IncompleteSignature');
      const keys = issued.get(accessKeyId);
      if (keys === undefined) {
        return refusal(service === 'sts' ? 'InvalidClientTokenId' : 'UnrecognizedClientException');
      }
      const time = String(headers['x-amz-date'] ?? '');
      if (theirRegion !== region || theirService !== service) {
        return refusal('InvalidSignatureException', 'Credential should be scoped to a valid region.');
      }
      if (headers['x-amz-security-token'] !== keys.sessionToken) {
        return refusal(service === 'sts' ? 'InvalidClientTokenId' : 'UnrecognizedClientException');
      }
      const contentHash = headers['x-amz-content-sha256'];
      const names = signedNames.split(';');
      const mustBeSigned = [
        'host',
        'x-amz-date',
        ...(keys.sessionToken === undefined ? [] : ['x-amz-security-token']),
      ];
      const options = {
        method: request.method,
        path: request.path,
        host: headers.host ?? '',
        headers: {
          ...Object.fromEntries(names.map((name) => [name, String(headers[name] ?? '')])),
          // Where aws4 takes the time from; it would sign it too.
          Date: new Date(timeOf(time) || 0).toUTCString(),
        },
        extraHeadersToIgnore: { date: true },
        body,
        service,
        region,
        doNotModifyHeaders: true,
      };
      const signed = aws4.sign(options, {
        accessKeyId,
        secretAccessKey: keys.secretAccessKey,
      }) as unknown as { headers: Readonly<Record<string, string>> };
      if (
        signed.headers['Authorization'] !== headers.authorization ||
        !time.startsWith(day ?? '-') ||
        mustBeSigned.some((name) => !names.includes(name)) ||
        (contentHash !== undefined && contentHash !== createHash('sha256').update(body).digest('hex'))
      ) {
        return refusal(
          'InvalidSignatureException',
          'The request signature we calculated does not match the signature you provided.',
        );
      }
      const nowMs = Date.now() + ring.clockOffsetMs;
      if (Math.abs(timeOf(time) - nowMs) > toleratedSkewMs) {
        return refusal('InvalidSignatureException', 'Signature not yet current or expired.');
      }
      if (nowMs >= keys.expiresAtMs) return refusal('ExpiredTokenException');
      return keys;
    },
  };
  return ring;
}

function freshKeys(prefix: string): Pick<IssuedKeys, 'accessKeyId' | 'secretAccessKey'> {
  return {
    accessKeyId: `${prefix}${randomBytes(8).toString('hex').toUpperCase()}`,
    secretAccessKey: `canary-secret-key-${randomBytes(16).toString('hex')}`,
  };
}

function refusal(
  code: string,
  message = 'The security token included in the request is invalid.',
): AwsRefusal {
  // AWS's messages name ids and keys; ours carry a canary, so that a test sees if one travels.
  return { code, message: `${message} canary-in-message` };
}

/** 20260101T000000Z */
function timeOf(text: string): number {
  return Date.parse(text.replace(/^(\d{4})(\d\d)(\d\dT\d\d)(\d\d)(\d\dZ)$/, '$1-$2-$3:$4:$5'));
}
