// `npm run cluster`: a whole cluster for a person to try things on, until Ctrl-C.
import { startNode } from './node.ts';
import type { ClusterNode } from './node.ts';

/** Installs Outrider and answers what to type next. */
async function installOutrider(_node: ClusterNode): Promise<readonly string[]> {
  return ['kubectl get nodes'];
}

process.stdout.write('Starting a cluster of one node …\n');
process.once('SIGINT', () => process.stdout.write('\nStopping …\n'));
const node = await startNode({ publicDns: true });
try {
  const nextSteps = await installOutrider(node);
  process.stdout.write(`
Vault    ${node.vault.address}   (in pods ${node.vault.serviceAddress}), root token ${node.vault.rootToken}
Jaeger   ${node.jaeger.queryUrl}/api/services   (in pods OTLP at ${node.jaeger.serviceEndpoint})
Logs     ${node.folder}/logs and ${node.podLogsFolder}

In another terminal, as root:

    export KUBECONFIG=${node.kubeconfig}
    export PATH=${node.binFolder}:$PATH
${nextSteps.map((step) => `    ${step}\n`).join('')}
Ctrl-C stops it and removes everything.
`);
} catch (error) {
  await node.stop();
  throw error;
}
// A signal handler alone does not keep a process alive; the node's own one ends it.
setInterval(() => undefined, 60_000);
