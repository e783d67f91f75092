// The JKS format, of trusted certificates alone (OpenJDK, sun.security.provider.JavaKeyStore.engineStore).

import { createHash } from 'node:crypto';

const magic = 0xfeedfeed;
const version = 2;
const trustedCertificateEntry = 2;
/** Java's own default. The digest guards against accidents; what is in the file is public. */
export const javaKeyStorePassword = 'changeit';

export function encodeJavaKeyStore(certificatesPem: readonly string[], createdAtMs = Date.now()): Buffer {
  const body = Buffer.concat([
    uint32(magic),
    uint32(version),
    uint32(certificatesPem.length),
    ...certificatesPem.flatMap((pem, index) => [
      uint32(trustedCertificateEntry),
      utf(index === 0 ? 'outrider' : `root-${index}`),
      uint64(createdAtMs),
      utf('X.509'),
      counted(derOf(pem)),
    ]),
  ]);
  const digest = createHash('sha1')
    .update(Buffer.from(javaKeyStorePassword, 'utf16le').swap16())
    .update('Mighty Aphrodite') // the constant of JavaKeyStore.getPreKeyedHash
    .update(body)
    .digest();
  return Buffer.concat([body, digest]);
}

function derOf(pem: string): Buffer {
  return Buffer.from(pem.replace(/-----[^-]+-----/g, ''), 'base64');
}

function uint32(value: number): Buffer {
  const bytes = Buffer.alloc(4);
  bytes.writeUInt32BE(value);
  return bytes;
}

function uint64(value: number): Buffer {
  const bytes = Buffer.alloc(8);
  bytes.writeBigUInt64BE(BigInt(value));
  return bytes;
}

/** DataOutput.writeUTF; ASCII is the same in its modified UTF-8. */
function utf(ascii: string): Buffer {
  const length = Buffer.alloc(2);
  length.writeUInt16BE(ascii.length);
  return Buffer.concat([length, Buffer.from(ascii)]);
}

function counted(bytes: Buffer): Buffer {
  return Buffer.concat([uint32(bytes.length), bytes]);
}
