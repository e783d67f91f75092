import { writeFile } from 'node:fs/promises';
import { stringify } from 'yaml';
import type { Certificate } from './certificates.ts';

export interface KubeconfigIdentity {
  readonly user: string;
  readonly certificate?: Certificate;
  readonly token?: string;
}

/** A kubeconfig that holds all it needs, so that it may be copied elsewhere. */
export async function writeKubeconfig(
  path: string,
  cluster: { readonly server: string; readonly caPem: string },
  identity: KubeconfigIdentity,
): Promise<string> {
  const base64 = (text: string): string => Buffer.from(text).toString('base64');
  const credentials =
    identity.certificate === undefined
      ? { token: identity.token }
      : {
          'client-certificate-data': base64(identity.certificate.certPem),
          'client-key-data': base64(identity.certificate.keyPem),
        };
  const kubeconfig = {
    apiVersion: 'v1',
    kind: 'Config',
    clusters: [
      {
        name: 'outrider-test',
        cluster: { server: cluster.server, 'certificate-authority-data': base64(cluster.caPem) },
      },
    ],
    users: [{ name: identity.user, user: credentials }],
    contexts: [{ name: 'outrider-test', context: { cluster: 'outrider-test', user: identity.user } }],
    'current-context': 'outrider-test',
  };
  await writeFile(path, stringify(kubeconfig), { mode: 0o600 });
  return path;
}
