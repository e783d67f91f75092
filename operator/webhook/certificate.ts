// The certificates of the operator's own CA: the CA's, and that of its webhook and its streams.

import { createPrivateKey, generateKeyPairSync, type KeyObject } from 'node:crypto';
import { createAuthorityCertificate, createIssuer, createLeafEncoder } from '../../x509/certificate.ts';

/** A certificate and its private key, in PEM. */
export interface CertificateWithKey {
  readonly cert: string;
  readonly key: string;
}

export interface Validity {
  readonly notBeforeMs: number;
  readonly notAfterMs: number;
}

/** A CA that signs leaves and nothing that signs again. */
export function createCa(commonName: string, validity: Validity): CertificateWithKey {
  const key = createKey();
  const cert = createAuthorityCertificate(createIssuer(key, commonName), dates(validity));
  return { cert, key: pemOf(key) };
}

/** A TLS server's certificate under such a CA, for DNS names. */
export function createServingCertificate(
  ca: { readonly commonName: string; readonly key: string },
  dnsNames: readonly string[],
  validity: Validity,
): CertificateWithKey {
  const key = createKey();
  const issuer = createIssuer(createPrivateKey(ca.key), ca.commonName);
  return { cert: createLeafEncoder(issuer, key)(dnsNames, dates(validity)), key: pemOf(key) };
}

function createKey(): KeyObject {
  return generateKeyPairSync('ec', { namedCurve: 'P-256' }).privateKey;
}

function pemOf(key: KeyObject): string {
  return key.export({ type: 'pkcs8', format: 'pem' });
}

function dates({ notBeforeMs, notAfterMs }: Validity): { notBefore: Date; notAfter: Date } {
  return { notBefore: new Date(notBeforeMs), notAfter: new Date(notAfterMs) };
}
