// What agents load to trust the pod's CA: its certificate, a bundle with the public roots, and the same as a
// Java key store, since Java reads neither PEM nor the PKCS12 that OpenSSL writes.

import { rootCertificates } from 'node:tls';
import { trustFiles } from '../../policy/contract.ts';
import { encodeJavaKeyStore } from './java-key-store.ts';
import { writeTrustFile } from './trust-file.ts';

export interface TrustStoreOptions {
  /** The trust volume: writable here, read-only in agent containers. */
  readonly directory: string;
  /** The pod CA's certificate. */
  readonly certificatePem: string;
}

/** @throws SidecarError TRUST_UNWRITABLE */
export function writeTrustStore({ directory, certificatePem }: TrustStoreOptions): void {
  const certificates = [certificatePem, ...rootCertificates];
  const files = {
    [trustFiles.ca]: certificatePem,
    [trustFiles.bundle]: certificates.map((pem) => `${pem.trim()}\n`).join(''),
    [trustFiles.javaKeyStore]: encodeJavaKeyStore(certificates),
  };
  for (const [name, contents] of Object.entries(files)) writeTrustFile(directory, name, contents);
}
