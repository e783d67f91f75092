// The operator's CAs in one Secret, which the chart brings empty: the operator may read and replace this one Secret
// and create none. Keys `ca-<number>.crt` and `ca-<number>.key`; everything else is read from the certificates.

import { X509Certificate } from 'node:crypto';
import { OperatorError } from '../errors.ts';
import type { KubeClient, KubeObject } from '../kube/client.ts';
import type { CertificateWithKey } from './certificate.ts';
import type { Generation } from './rotation.ts';

export interface CaGeneration extends Generation, CertificateWithKey {}

/** What was read, with the Secret that it was read from. */
export interface StoredCas {
  readonly generations: readonly CaGeneration[];
  readonly secret: Secret;
}

export interface CaStore {
  read(): Promise<StoredCas>;
  /** @throws {OperatorError} KUBE_CONFLICT when somebody has written since `stored` was read. */
  write(generations: readonly CaGeneration[], stored: StoredCas): Promise<void>;
}

interface Secret extends KubeObject {
  readonly data?: Readonly<Record<string, string>>;
}

export function createCaStore(deps: {
  readonly kube: KubeClient;
  readonly namespace: string;
  readonly name: string;
}): CaStore {
  const path = `/api/v1/namespaces/${encodeURIComponent(deps.namespace)}/secrets/${encodeURIComponent(deps.name)}`;
  return {
    read: async () => {
      const secret = await deps.kube.request<Secret>({ method: 'GET', path });
      return { generations: readGenerations(secret.data ?? {}), secret };
    },
    write: async (generations, { secret }) => {
      // The resourceVersion inside makes it a compare-and-set; the chart's labels are sent back as they were.
      const body = { ...secret, data: renderGenerations(generations) };
      await deps.kube.request({ method: 'PUT', path, body });
    },
  };
}

function renderGenerations(generations: readonly CaGeneration[]): Record<string, string> {
  const base64 = (text: string): string => Buffer.from(text).toString('base64');
  return Object.fromEntries(
    generations.flatMap(({ number, cert, key }) => [
      [`ca-${number}.crt`, base64(cert)],
      [`ca-${number}.key`, base64(key)],
    ]),
  );
}

/** @throws {OperatorError} when a CA in it cannot be read: minting over it would end the trust of running agents. */
function readGenerations(data: Readonly<Record<string, string>>): readonly CaGeneration[] {
  const text = (name: string): string => Buffer.from(data[name] ?? '', 'base64').toString();
  const numbers = Object.keys(data).flatMap((name) => /^ca-([1-9]\d{0,8})\.crt$/.exec(name)?.[1] ?? []);
  return numbers
    .map(Number)
    .toSorted((a, b) => a - b)
    .map((number) => {
      const [cert, key] = [text(`ca-${number}.crt`), text(`ca-${number}.key`)];
      try {
        const { validFromDate, validToDate } = new X509Certificate(cert);
        return { number, cert, key, notBeforeMs: validFromDate.getTime(), notAfterMs: validToDate.getTime() };
      } catch {
        throw new OperatorError('CERTIFICATE_UNAVAILABLE', {
          detail: `ca-${number}.crt in the Secret of the CA is no certificate; remove both of its keys.`,
        });
      }
    });
}
