// The X.509 certificates of the operator's own CA (RFC 5280): ECDSA P-256 with SHA-256 throughout, in DER by hand
// (ITU-T X.690). @peculiar/x509 would bring a dependency injection container and a polyfill of Reflect for this.

import {
  createHash,
  createPrivateKey,
  createPublicKey,
  generateKeyPairSync,
  randomBytes,
  sign,
} from 'node:crypto';

/** A certificate and its private key, in PEM. */
export interface CertificateWithKey {
  readonly cert: string;
  readonly key: string;
}

export interface Validity {
  readonly notBeforeMs: number;
  readonly notAfterMs: number;
}

/** The one organisation in every subject; a CA is told from the next by its common name. */
const organization = 'Outrider';

/** A CA that signs leaves and nothing that signs again. */
export function createCa(commonName: string, validity: Validity): CertificateWithKey {
  const { key, publicKey } = createKey();
  const name = distinguishedName(commonName);
  const keyId = keyIdentifier(publicKey);
  const pathLength = sequence(derTrue, der(tags.integer, Buffer.from([0])));
  const cert = signed({ issuer: name, signingKey: key, subject: name, publicKey, validity }, [
    extension('2.5.29.19', { critical: true }, pathLength),
    extension('2.5.29.15', { critical: true }, bitString(Buffer.from([0x04]), 2)), // keyCertSign
    extension('2.5.29.14', {}, der(tags.octetString, keyId)),
    extension('2.5.29.35', {}, sequence(der(0x80, keyId))),
  ]);
  return { cert, key };
}

/** A TLS server's certificate under such a CA, for DNS names. */
export function createServingCertificate(
  ca: { readonly commonName: string; readonly key: string },
  dnsNames: readonly string[],
  validity: Validity,
): CertificateWithKey {
  const { key, publicKey } = createKey();
  const issuer = distinguishedName(ca.commonName);
  const issuerKeyId = keyIdentifier(publicKeyOf(ca.key));
  // 64 characters are the common name's limit (RFC 5280, upper bounds); clients read the alternative names.
  const subject = distinguishedName('webhook and control server');
  const names = dnsNames.map((name) => der(0x82, Buffer.from(name, 'ascii')));
  const cert = signed({ issuer, signingKey: ca.key, subject, publicKey, validity }, [
    extension('2.5.29.19', { critical: true }, sequence()),
    extension('2.5.29.15', { critical: true }, bitString(Buffer.from([0x80]), 7)), // digitalSignature
    extension('2.5.29.37', {}, sequence(oid('1.3.6.1.5.5.7.3.1'))), // serverAuth
    extension('2.5.29.14', {}, der(tags.octetString, keyIdentifier(publicKey))),
    extension('2.5.29.35', {}, sequence(der(0x80, issuerKeyId))),
    extension('2.5.29.17', {}, sequence(...names)),
  ]);
  return { cert, key };
}

function signed(
  certificate: {
    readonly issuer: Buffer;
    readonly signingKey: string;
    readonly subject: Buffer;
    readonly publicKey: Buffer;
    readonly validity: Validity;
  },
  extensions: readonly Buffer[],
): string {
  const { issuer, signingKey, subject, publicKey, validity } = certificate;
  const algorithm = sequence(oid('1.2.840.10045.4.3.2')); // ecdsa-with-SHA256
  const serial = randomBytes(16);
  serial[0] = ((serial[0] ?? 0) & 0x3f) | 0x40; // positive, and no leading zero
  const toBeSigned = sequence(
    der(0xa0, der(tags.integer, Buffer.from([2]))), // version 3
    der(tags.integer, serial),
    algorithm,
    issuer,
    sequence(time(validity.notBeforeMs), time(validity.notAfterMs)),
    subject,
    publicKey,
    der(0xa3, sequence(...extensions)),
  );
  const signature = sign('sha256', toBeSigned, createPrivateKey(signingKey));
  const lines =
    sequence(toBeSigned, algorithm, bitString(signature, 0))
      .toString('base64')
      .match(/.{1,64}/g) ?? [];
  return ['-----BEGIN CERTIFICATE-----', ...lines, '-----END CERTIFICATE-----', ''].join('\n');
}

function createKey(): { key: string; publicKey: Buffer } {
  const { privateKey } = generateKeyPairSync('ec', { namedCurve: 'P-256' });
  const key = privateKey.export({ type: 'pkcs8', format: 'pem' });
  return { key, publicKey: publicKeyOf(key) };
}

function publicKeyOf(key: string): Buffer {
  return createPublicKey(createPrivateKey(key)).export({ type: 'spki', format: 'der' });
}

/** RFC 7093, section 2 (1), over the point of a P-256 key, which ends its SubjectPublicKeyInfo. */
function keyIdentifier(publicKey: Buffer): Buffer {
  return createHash('sha256').update(publicKey.subarray(-65)).digest().subarray(0, 20);
}

function distinguishedName(commonName: string): Buffer {
  const attribute = (id: string, value: string) =>
    der(0x31, sequence(oid(id), der(tags.utf8String, Buffer.from(value))));
  return sequence(attribute('2.5.4.10', organization), attribute('2.5.4.3', commonName));
}

function extension(id: string, { critical = false }, value: Buffer): Buffer {
  return sequence(oid(id), ...(critical ? [derTrue] : []), der(tags.octetString, value));
}

const tags = { integer: 0x02, octetString: 0x04, utf8String: 0x0c } as const;
const derTrue = Buffer.from([0x01, 1, 0xff]);

/** Tag, length, contents. */
function der(tag: number, ...contents: readonly Buffer[]): Buffer {
  const body = Buffer.concat(contents);
  const { length } = body;
  const head =
    length < 0x80 ? [length] : length < 0x100 ? [0x81, length] : [0x82, length >> 8, length & 0xff];
  return Buffer.concat([Buffer.from([tag, ...head]), body]);
}

function sequence(...parts: readonly Buffer[]): Buffer {
  return der(0x30, ...parts);
}

function bitString(bytes: Buffer, unusedBits: number): Buffer {
  return der(0x03, Buffer.from([unusedBits]), bytes);
}

function oid(dotted: string): Buffer {
  const [first = 0, second = 0, ...rest] = dotted.split('.').map(Number);
  const base128 = (value: number): number[] =>
    value < 0x80 ? [value] : [...base128(value >>> 7).map((byte) => byte | 0x80), value & 0x7f];
  return der(0x06, Buffer.from([first * 40 + second, ...rest.flatMap(base128)]));
}

/** RFC 5280, section 4.1.2.5: UTCTime through 2049, GeneralizedTime from 2050. */
function time(ms: number): Buffer {
  const digits = new Date(ms).toISOString().replace(/\.\d+Z$|[-:T]/g, '');
  return Number(digits.slice(0, 4)) < 2050
    ? der(0x17, Buffer.from(`${digits.slice(2)}Z`))
    : der(0x18, Buffer.from(`${digits}Z`));
}
