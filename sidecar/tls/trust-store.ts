// What agents load to trust the pod's CA: its certificate, a bundle with the public roots, and the same as a
// Java key store, since Java reads neither PEM nor the PKCS12 that OpenSSL writes.

import { randomBytes } from 'node:crypto';
import { chmodSync, renameSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { rootCertificates } from 'node:tls';
import { trustFiles } from '../../policy/contract.ts';
import { SidecarError } from '../errors.ts';
import { encodeJavaKeyStore } from './java-key-store.ts';

export interface TrustStoreOptions {
  /** The trust volume: writable here, read-only in agent containers. */
  readonly directory: string;
  /** The pod CA's certificate. */
  readonly certificatePem: string;
}

/**
 * Each file appears whole or not at all: an agent's start must not race with its trust.
 * @throws SidecarError TRUST_UNWRITABLE
 */
export function writeTrustStore({ directory, certificatePem }: TrustStoreOptions): void {
  const certificates = [certificatePem, ...rootCertificates];
  const files = {
    [trustFiles.ca]: certificatePem,
    [trustFiles.bundle]: certificates.map((pem) => `${pem.trim()}\n`).join(''),
    [trustFiles.javaKeyStore]: encodeJavaKeyStore(certificates),
  };
  for (const [name, contents] of Object.entries(files)) {
    const temporary = join(directory, `.${name}.${randomBytes(4).toString('hex')}`);
    try {
      writeFileSync(temporary, contents, { flag: 'wx' });
      chmodSync(temporary, 0o444); // agents run under any uid, whatever our umask
      renameSync(temporary, join(directory, name));
    } catch (error) {
      throw new SidecarError('TRUST_UNWRITABLE', {
        detail: `${name}: ${(error as NodeJS.ErrnoException).code}.`,
      });
    }
  }
}
