// Whether PEM text holds certificates, which a schema cannot tell.

import { X509Certificate } from 'node:crypto';
import type { Finding } from './parse.ts';

const block = /-----BEGIN CERTIFICATE-----[^-]*-----END CERTIFICATE-----/g;
const begin = /-----BEGIN CERTIFICATE-----/g;

/** @param field such as `spec.vault.caBundle`. */
export function findBundleProblems(pem: string | undefined, field: string): readonly Finding[] {
  if (pem === undefined) return [];
  const blocks = pem.match(block) ?? [];
  const unreadable = blocks.findIndex((text) => !isCertificate(text));
  const position = unreadable >= 0 ? unreadable : blocks.length;
  if (unreadable < 0 && blocks.length === (pem.match(begin) ?? []).length) return [];
  return [
    {
      reason: 'CaBundleUnreadable',
      field,
      message: `has something that is no certificate as number ${position + 1}; write whole blocks from -----BEGIN CERTIFICATE----- to -----END CERTIFICATE-----, such as openssl x509 prints them`,
      blocking: true,
    },
  ];
}

function isCertificate(pem: string): boolean {
  try {
    return new X509Certificate(pem).raw.length > 0;
  } catch {
    return false;
  }
}
