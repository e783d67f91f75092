import { mkdir } from 'node:fs/promises';
import { join } from 'node:path';
import type { ApiServer } from './api-server.ts';
import type { Authority } from './certificates.ts';
import type { Kubectl } from './kubectl.ts';
import type { RunFolder } from './run-folder.ts';
import { startServer } from './server-process.ts';

/** Starts the controller manager and waits for the first thing that pods need of it, a ServiceAccount. */
export async function launchControllers(deps: {
  readonly run: RunFolder;
  readonly bin: string;
  readonly kubeconfig: string;
  readonly authority: Authority;
  readonly apiServer: ApiServer;
  readonly kubectl: Kubectl;
}): Promise<void> {
  const { run, authority } = deps;
  const folder = join(run.path, 'kube-controller-manager');
  await mkdir(folder);
  const server = startServer(run, 'kube-controller-manager', join(deps.bin, 'kube-controller-manager'), [
    `--kubeconfig=${deps.kubeconfig}`,
    `--root-ca-file=${authority.certPath}`,
    `--service-account-private-key-file=${deps.apiServer.tokenKeyPath}`,
    `--cluster-signing-cert-file=${authority.certPath}`,
    `--cluster-signing-key-file=${authority.keyPath}`,
    `--cert-dir=${folder}`,
    '--use-service-account-credentials',
    '--leader-elect=false',
    '--secure-port=0',
    // Each controller asks for an identity of its own; at the default of 20 requests a second they start after 4 s.
    '--kube-api-qps=1000',
    '--kube-api-burst=1000',
  ]);
  await server.waitFor('the default ServiceAccount', 60_000, async () => {
    const found = await deps.kubectl(['get', 'serviceaccount', 'default', '-o', 'name']);
    return found.trim() !== '';
  });
}
