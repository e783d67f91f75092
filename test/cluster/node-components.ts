import { writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { stringify } from 'yaml';
import { dnsServiceAddress } from './cluster-dns.ts';
import type { Authority } from './certificates.ts';
import { findFreePort } from './free-port.ts';
import { writeKubeconfig } from './kubeconfig.ts';
import { nodeAddress, podRange } from './node-network.ts';
import type { RunFolder } from './run-folder.ts';
import { startServer } from './server-process.ts';
import type { ServerProcess } from './server-process.ts';

export const nodeName = 'node-1';

export interface NodeDeps {
  readonly run: RunFolder;
  readonly bin: string;
  readonly authority: Authority;
  readonly server: string;
  readonly adminKubeconfig: string;
  readonly runtimeEndpoint: string;
}

export async function launchKubelet(deps: NodeDeps): Promise<ServerProcess> {
  const { run, authority } = deps;
  const certificate = await authority.issue({
    name: 'kubelet',
    subject: `/O=system:nodes/CN=system:node:${nodeName}`,
    alternativeNames: [`DNS:${nodeName}`, `IP:${nodeAddress}`],
    usages: ['clientAuth', 'serverAuth'],
  });
  const kubeconfig = await writeKubeconfig(
    join(run.path, 'kubelet.kubeconfig'),
    { server: deps.server, caPem: authority.certPem },
    { user: nodeName, certificate },
  );
  const configurationPath = join(run.path, 'kubelet.yaml');
  const configuration = {
    apiVersion: 'kubelet.config.k8s.io/v1beta1',
    kind: 'KubeletConfiguration',
    address: nodeAddress,
    port: await findFreePort(nodeAddress),
    healthzPort: 0,
    readOnlyPort: 0,
    authentication: {
      anonymous: { enabled: false },
      webhook: { enabled: true },
      x509: { clientCAFile: authority.certPath },
    },
    authorization: { mode: 'Webhook' },
    tlsCertFile: certificate.certPath,
    tlsPrivateKeyFile: certificate.keyPath,
    // What works without systemd and with either version of cgroups: no hierarchy of the kubelet's own.
    cgroupDriver: 'cgroupfs',
    cgroupsPerQOS: false,
    enforceNodeAllocatable: [],
    failCgroupV1: false,
    failSwapOn: false,
    // Tests kill containers in a loop; the usual wait before the fifth restart is five minutes.
    crashLoopBackOff: { maxContainerRestartPeriod: '2s' },
    // A Secret that changes is seen in its volume at the next sync; a minute by default.
    syncFrequency: '10s',
    localStorageCapacityIsolation: false,
    // A test machine's full disk is no reason to evict, nor to collect images that cannot be pulled again.
    evictionHard: { 'memory.available': '100Mi', 'nodefs.available': '1%', 'imagefs.available': '1%' },
    imageGCHighThresholdPercent: 100,
    containerRuntimeEndpoint: deps.runtimeEndpoint,
    clusterDNS: [dnsServiceAddress],
    clusterDomain: 'cluster.local',
    // The host's search domains are no business of the pods.
    resolvConf: '',
    // Chains that only kube-proxy's iptables mode needs, and that nobody would remove.
    makeIPTablesUtilChains: false,
    podLogsDir: join(run.path, 'pod-logs'),
    volumePluginDir: join(run.path, 'volume-plugins'),
  };
  await writeFile(configurationPath, stringify(configuration));
  return startServer(run, 'kubelet', join(deps.bin, 'kubelet'), [
    `--config=${configurationPath}`,
    `--kubeconfig=${kubeconfig}`,
    `--hostname-override=${nodeName}`,
    `--node-ip=${nodeAddress}`,
    `--root-dir=${join(run.path, 'kubelet')}`,
    `--cert-dir=${join(run.path, 'kubelet-pki')}`,
  ]);
}

export async function launchKubeProxy(deps: NodeDeps): Promise<ServerProcess> {
  const configurationPath = join(deps.run.path, 'kube-proxy.yaml');
  const configuration = {
    apiVersion: 'kubeproxy.config.k8s.io/v1alpha1',
    kind: 'KubeProxyConfiguration',
    mode: 'nftables',
    clientConnection: { kubeconfig: deps.adminKubeconfig },
    hostnameOverride: nodeName,
    clusterCIDR: podRange,
    bindAddress: nodeAddress,
    metricsBindAddress: `127.0.0.1:${await findFreePort()}`,
    healthzBindAddress: `127.0.0.1:${await findFreePort()}`,
    // Leave the host's connection tracking as it is.
    conntrack: { maxPerCore: 0, tcpEstablishedTimeout: '0s', tcpCloseWaitTimeout: '0s' },
    // A Service is reachable this soon after its endpoints; the default of a second adds up in tests.
    nftables: { minSyncPeriod: '100ms' },
  };
  await writeFile(configurationPath, stringify(configuration));
  return startServer(deps.run, 'kube-proxy', join(deps.bin, 'kube-proxy'), [`--config=${configurationPath}`]);
}

export function launchScheduler(deps: NodeDeps): ServerProcess {
  return startServer(deps.run, 'kube-scheduler', join(deps.bin, 'kube-scheduler'), [
    `--kubeconfig=${deps.adminKubeconfig}`,
    '--leader-elect=false',
    '--secure-port=0',
  ]);
}
