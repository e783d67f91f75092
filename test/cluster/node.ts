import { rm } from 'node:fs/promises';
import { constants } from 'node:os';
import { join } from 'node:path';
import type { ApiServerOptions } from './api-server.ts';
import { builtBaseImages, nodeImage } from './base-images.ts';
import type { BaseImages } from './base-images.ts';
import { builtServer } from './build.ts';
import type { ServerName } from './servers.ts';
import { launchClusterDns } from './cluster-dns.ts';
import type { ClusterDns } from './cluster-dns.ts';
import { cniPluginFolder, launchContainerd } from './containerd.ts';
import type { Containerd, ContainerName } from './containerd.ts';
import { launchControllers } from './controllers.ts';
import { launchControlPlane } from './control-plane.ts';
import type { ControlPlane } from './control-plane.ts';
import { acquireHostLock } from './host-lock.ts';
import type { HostLock } from './host-lock.ts';
import { publishHostService } from './host-service.ts';
import type { HostService } from './host-service.ts';
import { createImageBuilder } from './images.ts';
import type { ImageBuilder, ImageRecipe } from './images.ts';
import { launchJaeger } from './jaeger.ts';
import type { Jaeger } from './jaeger.ts';
import { requireNodeHost } from './node-availability.ts';
import { cleanUpNode, recordNode } from './node-cleanup.ts';
import { launchKubelet, launchKubeProxy, launchScheduler, nodeName } from './node-components.ts';
import { nodeAddress, setUpNetwork } from './node-network.ts';
import { requireCommands } from './packages.ts';
import { createRunFolder } from './run-folder.ts';
import type { RunFolder } from './run-folder.ts';
import { launchVault } from './vault.ts';
import type { Vault } from './vault.ts';
import { enableKubernetesAuth } from './vault-kubernetes.ts';

/** Held by whoever changes the host's network, mounts and settings. */
export const nodeLock = 'node';

export interface NodeOptions {
  readonly apiServerFlags?: readonly string[];
  readonly auditPolicy?: object;
  /** Let pods resolve public names too. */
  readonly publicDns?: boolean;
  /** How long another whole-node run on this host is waited for. */
  readonly lockTimeoutMs?: number;
}

export interface ClusterNode extends Omit<ControlPlane, 'stop'> {
  /** Where a process of the host listens to be reached from pods. */
  readonly address: string;
  readonly containerd: Containerd;
  readonly dns: ClusterDns;
  /** With Kubernetes auth at auth/kubernetes/; `serviceAddress` is what pods use. */
  readonly vault: Vault & { readonly serviceAddress: string };
  readonly jaeger: Jaeger & { readonly serviceEndpoint: string };
  /** kubectl, built for this cluster. */
  readonly binFolder: string;
  /** What containers print: NAMESPACE_POD_UID/CONTAINER/N.log */
  readonly podLogsFolder: string;
  /** Builds an image and makes it known to the node. FROM may name localhost/node:26. */
  buildImage(recipe: ImageRecipe): Promise<void>;
  /** SIGKILL to a container's first process. */
  killContainer(container: ContainerName): Promise<void>;
  publishHostService(service: HostService): Promise<void>;
  stop(): Promise<void>;
}

/**
 * A whole Kubernetes node that runs real pods, with DNS, Vault and Jaeger. As root; one at a time on a host, since it
 * has one set of addresses.
 */
export async function startNode(options: NodeOptions = {}): Promise<ClusterNode> {
  requireNodeHost();
  await requireCommands(
    [
      'containerd',
      'ctr',
      'runc',
      'nft',
      'ip',
      'conntrack',
      'buildah',
      'busybox',
      'curl',
      'openssl',
      'setpriv',
    ],
    { [join(cniPluginFolder(), 'ptp')]: 'containernetworking-plugins' },
  );
  const bins = {
    kube: await builtServer('kube'),
    vault: await builtServer('vault'),
    jaeger: await builtServer('jaeger'),
    coredns: await builtServer('coredns'),
  };
  const lock = await acquireHostLock({
    name: nodeLock,
    timeoutMs: options.lockTimeoutMs ?? 15 * 60_000,
    onWait: (holder) => process.stderr.write(`cluster: waiting for the node of ${holder}\n`),
  });
  // Once only: after it another run may hold the lock, and its node is not ours to clean up.
  let stopped: Promise<void> | undefined;
  const stop = (): Promise<void> => {
    stopped ??= cleanUpAndRelease(lock);
    return stopped;
  };
  stopOnSignals(stop);
  try {
    await cleanUpNode(); // after a run that was killed
    const run = createRunFolder('node');
    recordNode(run.path);
    return { ...(await launchNode(run, bins, await builtBaseImages(), options)), stop };
  } catch (error) {
    await stop();
    throw error;
  }
}

async function cleanUpAndRelease(lock: HostLock): Promise<void> {
  try {
    await cleanUpNode();
  } finally {
    await lock.release();
  }
}

/** Containers do not end with the process that had them started, as its servers do. */
function stopOnSignals(stop: () => Promise<void>): void {
  for (const signal of ['SIGINT', 'SIGTERM', 'SIGHUP'] as const) {
    process.once(signal, () => void stop().finally(() => process.exit(128 + constants.signals[signal])));
  }
}

type Bins = Readonly<Record<Exclude<ServerName, 'helm' | 'kube-floor'>, string>>;

async function launchNode(
  run: RunFolder,
  bins: Bins,
  baseImages: BaseImages,
  options: NodeOptions,
): Promise<Omit<ClusterNode, 'stop'>> {
  await setUpNetwork();
  const foundations = [
    launchContainerdWithImages(run, baseImages),
    launchControlPlane(run, bins.kube, apiServerOptions(options)),
    launchVault(run, bins.vault, { address: nodeAddress, names: inClusterNames('vault', 'vault') }),
    launchJaeger(run, bins.jaeger, { address: nodeAddress, names: inClusterNames('jaeger', 'jaeger') }),
    createBuilder(run, baseImages),
  ] as const;
  // A failure is reported when nothing starts any more, so that cleaning up meets no latecomer.
  await Promise.allSettled(foundations);
  const [containerd, controlPlane, vault, jaeger, images] = await Promise.all(foundations);
  const { kubectl, kubeconfig, authority, apiServer } = controlPlane;
  const deps = {
    run,
    bin: bins.kube,
    authority,
    server: controlPlane.server,
    adminKubeconfig: kubeconfig,
    runtimeEndpoint: containerd.endpoint,
  };
  const [, kubelet] = await Promise.all([launchKubeProxy(deps), launchKubelet(deps)]);
  launchScheduler(deps);
  const publish = (service: HostService): Promise<void> => publishHostService(kubectl, service);
  const rest = [
    launchClusterDns(
      { run, bin: bins.coredns, kubeconfig, kubectl },
      { forward: options.publicDns === true },
    ),
    launchControllers({ run, bin: bins.kube, kubeconfig, authority, apiServer, kubectl }),
    publish({ namespace: 'vault', name: 'vault', port: 8200, hostPort: portOf(vault.address) }).then(() =>
      enableKubernetesAuth(vault, controlPlane),
    ),
    publish({ namespace: 'jaeger', name: 'jaeger', port: 4318, hostPort: portOf(jaeger.otlpEndpoint) }),
    kubelet.waitFor('the node', 60_000, async () => {
      await kubectl(['wait', '--for=condition=Ready', `node/${nodeName}`, '--timeout=1s']);
      return true;
    }),
  ] as const;
  await Promise.allSettled(rest);
  const [dns] = await Promise.all(rest);

  return {
    ...controlPlane,
    containerd,
    address: nodeAddress,
    binFolder: bins.kube,
    dns,
    vault: { ...vault, serviceAddress: 'https://vault.vault.svc:8200' },
    jaeger: { ...jaeger, serviceEndpoint: 'https://jaeger.jaeger.svc:4318' },
    podLogsFolder: join(run.path, 'pod-logs'),
    publishHostService: publish,
    killContainer: async (container) => {
      process.kill((await containerd.findContainer(container)).pid, 'SIGKILL');
    },
    buildImage: async (recipe) => {
      const archive = await images.build(recipe);
      await containerd.loadImage(archive);
      await rm(archive);
    },
  };
}

function apiServerOptions(options: NodeOptions): ApiServerOptions {
  const pki = 'pki'; // servers run in the run's folder
  return {
    address: nodeAddress,
    alternativeNames: [`IP:${nodeAddress}`],
    ...(options.auditPolicy === undefined ? {} : { auditPolicy: options.auditPolicy }),
    flags: [
      '--kubelet-preferred-address-types=InternalIP',
      `--kubelet-client-certificate=${pki}/admin.crt`,
      `--kubelet-client-key=${pki}/admin.key`,
      `--kubelet-certificate-authority=${pki}/ca.crt`,
      ...(options.apiServerFlags ?? []),
    ],
  };
}

async function launchContainerdWithImages(run: RunFolder, baseImages: BaseImages): Promise<Containerd> {
  const containerd = await launchContainerd(run);
  await containerd.loadImage(baseImages.pause);
  await containerd.loadImage(baseImages.node);
  return containerd;
}

async function createBuilder(run: RunFolder, baseImages: BaseImages): Promise<ImageBuilder> {
  const builder = await createImageBuilder(run);
  await builder.addBase(baseImages.node, nodeImage);
  return builder;
}

function portOf(url: string): number {
  return Number(new URL(url).port);
}

function inClusterNames(service: string, namespace: string): readonly string[] {
  return [`${service}.${namespace}.svc`, `${service}.${namespace}.svc.cluster.local`];
}
