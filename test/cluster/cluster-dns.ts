import { Resolver } from 'node:dns/promises';
import { writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { startOnFreePort } from './free-port.ts';
import { publishHostService } from './host-service.ts';
import type { Kubectl } from './kubectl.ts';
import { nodeAddress } from './node-network.ts';
import type { RunFolder } from './run-folder.ts';
import { startServer } from './server-process.ts';

export const dnsServiceAddress = '10.198.0.10';

export interface ClusterDns {
  /** Lets pods resolve a name to an address, as public DNS would; seen within a second. */
  setName(name: string, address: string): Promise<void>;
}

export interface ClusterDnsOptions {
  /** Ask the host's resolvers for what the cluster does not know. Off, because a test must not depend on them. */
  readonly forward: boolean;
}

/** CoreDNS as a process of the host, behind the Service that a cluster's DNS has. */
export async function launchClusterDns(
  deps: {
    readonly run: RunFolder;
    readonly bin: string;
    readonly kubeconfig: string;
    readonly kubectl: Kubectl;
  },
  options: ClusterDnsOptions,
): Promise<ClusterDns> {
  const { run } = deps;
  const hostsPath = join(run.path, 'dns-hosts');
  const names = new Map<string, string>();
  await writeFile(hostsPath, '');
  // Without forwarding this is all there is, so that an unknown name does not exist rather than being refused.
  const emptyRootPath = join(run.path, 'empty-root.zone');
  await writeFile(emptyRootPath, '. 1 IN SOA invalid. invalid. 1 60 60 60 1\n. 1 IN NS invalid.\n');
  const { port, started } = await startOnFreePort(nodeAddress, async (candidate) => {
    const corefilePath = join(run.path, 'Corefile');
    const corefile = `.:${candidate} {
  bind ${nodeAddress}
  errors
  hosts ${hostsPath} {
    reload 250ms
    ttl 1
    fallthrough
  }
  kubernetes cluster.local in-addr.arpa {
    kubeconfig ${deps.kubeconfig}
    ttl 1
    fallthrough in-addr.arpa
  }
  ${options.forward ? 'forward . /etc/resolv.conf' : `file ${emptyRootPath} .`}
}
`;
    await writeFile(corefilePath, corefile);
    const server = startServer(run, 'coredns', join(deps.bin, 'coredns'), ['-conf', corefilePath]);
    await server.waitFor('DNS', 30_000, () => askForKubernetes(`${nodeAddress}:${candidate}`));
    return server;
  });
  await publishHostService(deps.kubectl, {
    namespace: 'kube-system',
    name: 'kube-dns',
    clusterIp: dnsServiceAddress,
    port: 53,
    hostPort: port,
    protocols: ['UDP', 'TCP'],
  });
  // That it answers there too shows that kube-proxy works.
  await started.waitFor("DNS behind its Service's address", 30_000, () =>
    askForKubernetes(dnsServiceAddress),
  );

  return {
    setName: async (name, address) => {
      names.set(name, address);
      await writeFile(hostsPath, [...names].map(([host, ip]) => `${ip} ${host}\n`).join(''));
    },
  };
}

function askForKubernetes(server: string): Promise<readonly string[]> {
  const resolver = new Resolver({ timeout: 1000, tries: 1 });
  resolver.setServers([server]);
  return resolver.resolve4('kubernetes.default.svc.cluster.local');
}
