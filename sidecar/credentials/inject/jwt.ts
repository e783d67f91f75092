// Signs JSON Web Tokens (RFC 7519, RFC 7515) that are exchanged for access tokens. No library: node:crypto signs, and
// what is left is four joins. Verifying is done by the other side; the tests do it with a library of their own.

import { constants, createPrivateKey, sign, type KeyObject } from 'node:crypto';
import { SidecarError } from '../../errors.ts';
import type { Secret } from '../secret.ts';

export type JwtAlgorithm = 'RS256' | 'PS256' | 'ES256' | 'EdDSA';
export type JwtClaims = Readonly<Record<string, string | number>>;

/** RFC 7518 sections 3.3 and 3.5: at least 2048 bits. One of 8192 takes 30 ms to sign with, and the time grows with the cube. */
const minRsaBits = 2048;
const maxRsaBits = 8192;

/** What a key must be, for each algorithm. */
const keyKinds: Record<JwtAlgorithm, string> = {
  RS256: `an RSA key of ${minRsaBits} to ${maxRsaBits} bits`,
  PS256: `an RSA key of ${minRsaBits} to ${maxRsaBits} bits`,
  ES256: 'a key on the curve P-256',
  EdDSA: 'an Ed25519 key',
};

/**
 * PKCS#1, SEC1 or PKCS#8, as PEM.
 * @throws SidecarError SECRET_KEY_INVALID that says what is needed, and nothing of what is there.
 */
export function readPrivateKey(pem: Secret | string, algorithm: JwtAlgorithm, field: string): KeyObject {
  const text = typeof pem === 'string' ? pem : pem.open();
  const key = parsePem(text, field);
  if (fits(key, algorithm)) return key;
  throw invalid(field, `${algorithm} needs ${keyKinds[algorithm]}.`);
}

export function signJwt(
  claims: JwtClaims,
  algorithm: JwtAlgorithm,
  key: KeyObject,
  keyId: string | null = null,
): string {
  const header = { alg: algorithm, typ: 'JWT', ...(keyId === null ? {} : { kid: keyId }) };
  const signed = `${encode(header)}.${encode(claims)}`;
  return `${signed}.${signatureOf(Buffer.from(signed), algorithm, key).toString('base64url')}`;
}

function parsePem(text: string, field: string): KeyObject {
  if (text.includes('-----BEGIN ENCRYPTED') || text.includes('\nProc-Type: 4,ENCRYPTED')) {
    throw invalid(field, 'It is encrypted; store it without a passphrase.');
  }
  if (text.includes(String.raw`-----\n`)) {
    throw invalid(
      field,
      String.raw`Its lines are joined with the two characters \n; store it with real line ends.`,
    );
  }
  try {
    return createPrivateKey({ key: text, format: 'pem' });
  } catch {
    // OpenSSL's errors say where in the key it failed
    throw invalid(field);
  }
}

function fits(key: KeyObject, algorithm: JwtAlgorithm): boolean {
  const { asymmetricKeyType: type, asymmetricKeyDetails: details = {} } = key;
  if (algorithm === 'ES256') return type === 'ec' && details.namedCurve === 'prime256v1';
  if (algorithm === 'EdDSA') return type === 'ed25519';
  const { modulusLength: bits = 0 } = details;
  return type === 'rsa' && bits >= minRsaBits && bits <= maxRsaBits;
}

function signatureOf(signed: Buffer, algorithm: JwtAlgorithm, key: KeyObject): Buffer {
  if (algorithm === 'EdDSA') return sign(null, signed, key);
  // RFC 7518 section 3.4: r and s side by side, where OpenSSL would write DER.
  if (algorithm === 'ES256') return sign('sha256', signed, { key, dsaEncoding: 'ieee-p1363' });
  if (algorithm === 'RS256') return sign('sha256', signed, key);
  // RFC 7518 section 3.5: the salt is as long as the hash.
  return sign('sha256', signed, { key, padding: constants.RSA_PKCS1_PSS_PADDING, saltLength: 32 });
}

function encode(value: object): string {
  return Buffer.from(JSON.stringify(value)).toString('base64url');
}

function invalid(field: string, detail?: string): SidecarError {
  return new SidecarError('SECRET_KEY_INVALID', { field, ...(detail === undefined ? {} : { detail }) });
}
