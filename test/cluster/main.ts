// `npm run cluster`: a whole cluster for a person to try things on, until Ctrl-C.
import { randomBytes } from 'node:crypto';
import { allowVaultLogin, applyExample, installOutrider, root } from '../e2e/installation.ts';
import { startTracker } from '../e2e/tracker.ts';
import { startNode } from './node.ts';
import type { ClusterNode } from './node.ts';

/** Outrider, and an API that wants a token; answers what to type next. */
async function installForPerson(node: ClusterNode): Promise<readonly string[]> {
  await installOutrider(node);
  const token = `tracker-${randomBytes(8).toString('hex')}`;
  const tracker = await startTracker(node, token);
  await node.vault.request('PUT', 'secret/data/agents/tracker', { data: { token } });
  await allowVaultLogin(node, 'research-agents', { name: 'triage', namespace: 'research' });
  await node.kubectl(['create', 'namespace', 'research']);
  await node.kubectl(['label', 'namespace', 'research', 'team=research']);
  await applyExample(node, 'first-policy/platform.yaml', { caBundle: tracker.caPem });
  return [
    `cd ${root}`,
    'kubectl apply -f examples/first-policy/credential.yaml -f examples/first-policy/policy.yaml',
    'kubectl apply -f examples/first-policy/agent.yaml',
    'kubectl rollout status -n research deploy/triage',
    'kubectl exec -n research deploy/triage -c agent -- curl -s https://tracker.upstream.svc:8443/issues',
    'kubectl exec -n research deploy/triage -c agent -- curl -s https://tracker.upstream.svc:8443/admin',
    'kubectl get agcred,agpol -n research',
    `kubectl patch agpol -n research triage --type=merge -p '{"spec":{"haltAgents":true}}'`,
  ];
}

process.stdout.write('Starting a cluster of one node …\n');
process.once('SIGINT', () => process.stdout.write('\nStopping …\n'));
const node = await startNode({ publicDns: true });
try {
  const nextSteps = await installForPerson(node);
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
