// X.509 certificates of our own CAs, the pod's and the operator's (RFC 5280): ECDSA P-256 with SHA-256 throughout. Key
// identifiers and keyUsage stand in every one: Python 3.13 verifies with VERIFY_X509_STRICT and refuses a chain without.

import { createHash, createPublicKey, randomBytes, sign, type KeyObject } from 'node:crypto';
import { isIP, isIPv4 } from 'node:net';
import {
  bitString,
  booleanTrue,
  context,
  encode,
  integer,
  objectIdentifier,
  octetString,
  pem,
  sequence,
  tags,
  time,
} from './der.ts';

export interface Issuer {
  readonly key: KeyObject;
  /** DER of its Name, which must be repeated byte for byte. */
  readonly name: Buffer;
  readonly keyIdentifier: Buffer;
}

export interface Validity {
  readonly notBefore: Date;
  readonly notAfter: Date;
}

const organization = 'Outrider';

const ecdsaWithSha256 = sequence(objectIdentifier('1.2.840.10045.4.3.2'));

const extensionIds = {
  subjectKeyIdentifier: objectIdentifier('2.5.29.14'),
  keyUsage: objectIdentifier('2.5.29.15'),
  subjectAltName: objectIdentifier('2.5.29.17'),
  basicConstraints: objectIdentifier('2.5.29.19'),
  authorityKeyIdentifier: objectIdentifier('2.5.29.35'),
  extKeyUsage: objectIdentifier('2.5.29.37'),
} as const;

const serverAuth = sequence(objectIdentifier('1.3.6.1.5.5.7.3.1'));
/** Bit 0, digitalSignature. */
const leafKeyUsage = bitString(Buffer.from([0x80]), 7);
/** Bit 5, keyCertSign. */
const authorityKeyUsage = bitString(Buffer.from([0x04]), 2);
const notAnAuthority = sequence();
/** CA with pathLenConstraint 0: it signs leaves and nothing that signs again. */
const authorityOfLeaves = sequence(booleanTrue, integer(Buffer.from([0])));

/** What a CA signs as. Verifiers look issuers up by name, so no two CAs that may meet in a bundle share one. */
export function createIssuer(key: KeyObject, commonName: string): Issuer {
  const name = distinguishedName(organization, commonName);
  return { key, name, keyIdentifier: keyIdentifierOf(subjectPublicKey(key)) };
}

/** A self-signed CA certificate in PEM. */
export function createAuthorityCertificate(issuer: Issuer, validity: Validity): string {
  const { key, name, keyIdentifier } = issuer;
  return signed(issuer, name, subjectPublicKey(key), validity, [
    extension('basicConstraints', true, authorityOfLeaves),
    extension('keyUsage', true, authorityKeyUsage),
    extension('subjectKeyIdentifier', false, octetString(keyIdentifier)),
    extension('authorityKeyIdentifier', false, sequence(context(0, keyIdentifier, false))),
  ]);
}

/** What makes leaves for one key: everything but name, serial and dates is encoded once. */
export function createLeafEncoder(
  issuer: Issuer,
  leafKey: KeyObject,
): (names: readonly string[], validity: Validity) => string {
  const publicKey = subjectPublicKey(leafKey);
  // The name stands in the SAN alone: no client that this century's trust stores accept reads it elsewhere.
  const subject = distinguishedName(organization);
  const fixed = [
    extension('basicConstraints', true, notAnAuthority),
    extension('keyUsage', true, leafKeyUsage),
    extension('extKeyUsage', false, serverAuth),
    extension('subjectKeyIdentifier', false, octetString(keyIdentifierOf(publicKey))),
    extension('authorityKeyIdentifier', false, sequence(context(0, issuer.keyIdentifier, false))),
  ];
  return (names, validity) =>
    signed(issuer, subject, publicKey, validity, [
      ...fixed,
      extension('subjectAltName', false, sequence(...names.map(generalName))),
    ]);
}

/** RFC 7093 section 2 (1): the leftmost 160 bits of SHA-256 over the public key's bits. */
function keyIdentifierOf(subjectPublicKeyInfo: Buffer): Buffer {
  // An uncompressed P-256 point is the last 65 bytes of its SubjectPublicKeyInfo (RFC 5480 section 2.2).
  return createHash('sha256').update(subjectPublicKeyInfo.subarray(-65)).digest().subarray(0, 20);
}

function subjectPublicKey(key: KeyObject): Buffer {
  const publicKey = key.type === 'private' ? createPublicKey(key) : key;
  return publicKey.export({ type: 'spki', format: 'der' });
}

function distinguishedName(organization: string, commonName?: string): Buffer {
  const attribute = (id: string, value: string): Buffer =>
    encode(tags.set, sequence(objectIdentifier(id), encode(tags.utf8String, Buffer.from(value))));
  const parts = [attribute('2.5.4.10', organization)];
  if (commonName !== undefined) parts.push(attribute('2.5.4.3', commonName));
  return sequence(...parts);
}

function extension(id: keyof typeof extensionIds, critical: boolean, value: Buffer): Buffer {
  return sequence(extensionIds[id], ...(critical ? [booleanTrue] : []), octetString(value));
}

function generalName(host: string): Buffer {
  return isIP(host) === 0 ? context(2, Buffer.from(host), false) : context(7, addressBytes(host), false);
}

function addressBytes(address: string): Buffer {
  if (isIPv4(address)) return Buffer.from(address.split('.').map(Number));
  const [head = '', tail] = address.split('::');
  const groups = (text: string | undefined): string[] => (text ? text.split(':') : []);
  const missing = 8 - groups(head).length - groups(tail).length;
  const all = [
    ...groups(head),
    ...Array<string>(tail === undefined ? 0 : missing).fill('0'),
    ...groups(tail),
  ];
  return Buffer.from(all.flatMap((group) => [parseInt(group, 16) >> 8, parseInt(group, 16) & 0xff]));
}

function signed(
  issuer: Issuer,
  subject: Buffer,
  publicKey: Buffer,
  validity: Validity,
  extensions: readonly Buffer[],
): string {
  const toBeSigned = sequence(
    context(0, integer(Buffer.from([2])), true),
    integer(serialNumber()),
    ecdsaWithSha256,
    issuer.name,
    sequence(time(validity.notBefore), time(validity.notAfter)),
    subject,
    publicKey,
    context(3, sequence(...extensions), true),
  );
  const signature = sign('sha256', toBeSigned, issuer.key);
  return pem('CERTIFICATE', sequence(toBeSigned, ecdsaWithSha256, bitString(signature)));
}

/** 126 random bits behind 01, so that it is positive and never has a leading zero. */
function serialNumber(): Buffer {
  const bytes = randomBytes(16);
  bytes[0] = 0x40 | ((bytes[0] ?? 0) & 0x3f);
  return bytes;
}
