import { join } from 'node:path';
import { launchApiServer } from './api-server.ts';
import type { ApiServer, ApiServerOptions } from './api-server.ts';
import { builtServer } from './build.ts';
import { createAuthority } from './certificates.ts';
import type { Authority, Certificate } from './certificates.ts';
import { launchControllers } from './controllers.ts';
import { writeKubeconfig } from './kubeconfig.ts';
import { createKubectl } from './kubectl.ts';
import type { Kubectl } from './kubectl.ts';
import { requireCommands } from './packages.ts';
import { createRunFolder, removeAbandonedRunFolders, removeRunFolder } from './run-folder.ts';
import type { RunFolder } from './run-folder.ts';
import { startServer } from './server-process.ts';

export interface ControlPlaneOptions extends ApiServerOptions {
  /** Also run the controller manager: ServiceAccounts, garbage collection, deletion of namespaces. */
  readonly controllers?: boolean;
  /** `floor` is the oldest API server that Outrider supports; the rest is the current version's. */
  readonly version?: 'current' | 'floor';
}

export interface ControlPlane {
  /** https://address:port */
  readonly server: string;
  readonly caPem: string;
  readonly authority: Authority;
  /** A client certificate of system:masters. */
  readonly admin: Certificate;
  /** Path of the admin's kubeconfig. */
  readonly kubeconfig: string;
  readonly kubectl: Kubectl;
  readonly apiServer: ApiServer;
  /** One JSON object a line (audit.k8s.io/v1 Event). */
  readonly auditLogPath: string;
  /** The run's own folder, for whatever a test wants removed with it. */
  readonly folder: string;
  /** Writes a kubeconfig for somebody else: a user known by a client certificate, or the bearer of a token. */
  kubeconfigFor(identity: UserIdentity): Promise<string>;
  stop(): Promise<void>;
}

export type UserIdentity =
  { readonly user: string; readonly groups?: readonly string[] } | { readonly token: string };

/** A real etcd and API server on free ports of loopback, ready in seconds, without root. */
export async function startControlPlane(options: ControlPlaneOptions = {}): Promise<ControlPlane> {
  await requireCommands(['openssl', 'setpriv']);
  const bin = await builtServer('kube');
  const apiServerBin = options.version === 'floor' ? await builtServer('kube-floor') : bin;
  await removeAbandonedRunFolders();
  const run = createRunFolder();
  try {
    const controlPlane = await launchControlPlane(run, bin, options, apiServerBin);
    return { ...controlPlane, stop: () => removeRunFolder(run.path) };
  } catch (error) {
    await removeRunFolder(run.path);
    throw error;
  }
}

/** The same inside a run that has more to it; whoever made the folder also removes it. */
export async function launchControlPlane(
  run: RunFolder,
  bin: string,
  options: ControlPlaneOptions,
  apiServerBin = bin,
): Promise<Omit<ControlPlane, 'stop'>> {
  const pki = join(run.path, 'pki');
  const etcd = startEtcd(run, bin);
  const authority = await createAuthority(pki);
  const admin = await authority.issue({
    name: 'admin',
    subject: '/O=system:masters/CN=admin',
    usages: ['clientAuth'],
  });
  const apiServer = await launchApiServer({ run, bin: apiServerBin, authority, admin, etcd }, options);
  const cluster = { server: apiServer.url, caPem: authority.certPem };
  const kubeconfig = await writeKubeconfig(join(run.path, 'admin.kubeconfig'), cluster, {
    user: 'admin',
    certificate: admin,
  });
  const kubectl = createKubectl(run, join(bin, 'kubectl'), kubeconfig);
  if (options.controllers === true) {
    await launchControllers({ run, bin, kubeconfig, authority, apiServer, kubectl });
  }

  let users = 0;
  return {
    server: apiServer.url,
    caPem: authority.certPem,
    authority,
    admin,
    kubeconfig,
    kubectl,
    apiServer,
    auditLogPath: apiServer.auditLogPath,
    folder: run.path,
    kubeconfigFor: async (identity) => {
      const name = `user-${++users}`;
      const path = join(run.path, `${name}.kubeconfig`);
      if ('token' in identity) return writeKubeconfig(path, cluster, { user: name, token: identity.token });
      const { user, groups = [] } = identity;
      const subject = [...groups.map((group) => `/O=${group}`), `/CN=${user}`].join('');
      const certificate = await authority.issue({ name, subject, usages: ['clientAuth'] });
      return writeKubeconfig(path, cluster, { user, certificate });
    },
  };
}

// etcd listens for its clients on a Unix socket that only this user can reach, so it needs no free port. The part
// after the colon is a port only to its URL parser. It has no peers, but cannot be told so: port 0 is any free one.
function startEtcd(run: RunFolder, bin: string): string {
  const socket = 'etcd:0';
  const peer = 'http://127.0.0.1:0';
  startServer(run, 'etcd', join(bin, 'etcd'), [
    `--data-dir=${join(run.path, 'etcd')}`,
    '--unsafe-no-fsync',
    `--listen-client-urls=unix://${socket}`,
    `--advertise-client-urls=unix://${socket}`,
    `--listen-peer-urls=${peer}`,
    `--initial-advertise-peer-urls=${peer}`,
    `--initial-cluster=default=${peer}`,
  ]);
  return `unix://${join(run.path, socket)}`;
}
