// Outrider on a node, as a user installs it: images from the two Dockerfiles, the chart by Helm.

import { execFile } from 'node:child_process';
import { readFile, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { promisify } from 'node:util';
import { parseAllDocuments, stringify } from 'yaml';
import { builtServer } from '../cluster/build.ts';
import type { ClusterNode } from '../cluster/node.ts';

const run = promisify(execFile);
export const root = join(import.meta.dirname, '..', '..');

/** Overrides of the chart's values, merged over those of the test cluster. */
export type Values = Readonly<Record<string, unknown>>;

/** Builds the images, installs the chart, and waits until the operator is ready. */
export async function installOutrider(node: ClusterNode, values: Values = {}): Promise<void> {
  await Promise.all([buildImages(node), restrictNamespace(node)]);
  await applyChart(node, values);
}

/** Installs the chart, or upgrades it to other values, and waits until the operator is ready. */
export async function applyChart(node: ClusterNode, values: Values): Promise<void> {
  const helm = await builtServer('helm');
  const file = join(node.folder, 'outrider-values.yaml');
  await writeFile(file, stringify({ ...clusterValues(node), ...values }));
  const chart = join(root, 'charts', 'outrider');
  const args = [
    'upgrade',
    '--install',
    'outrider',
    chart,
    '--namespace',
    'outrider-system',
    '--values',
    file,
  ];
  try {
    await run(join(helm, 'helm'), [...args, '--wait', '--timeout', '120s', '--kubeconfig', node.kubeconfig], {
      env: { ...process.env, HOME: node.folder },
      timeout: 150_000,
    });
  } catch (error) {
    const pods = await node.kubectl(['describe', 'pods', '-n', 'outrider-system']);
    const logs = await node.kubectl([
      'logs',
      '-n',
      'outrider-system',
      '-l',
      'app.kubernetes.io/name=outrider',
      '--tail=40',
    ]);
    throw new Error(`helm: ${(error as Error).message}\n${pods.slice(-4000)}\n${logs}`, { cause: error });
  }
}

/** Both images, from the Dockerfiles, known to the node. */
export async function buildImages(node: ClusterNode): Promise<void> {
  await run(process.execPath, [join(root, 'node_modules/rolldown/bin/cli.mjs'), '-c', 'rolldown.config.ts'], {
    cwd: root,
    timeout: 120_000,
  });
  for (const part of ['operator', 'sidecar']) {
    await node.buildImage({
      dockerfile: join(root, `Dockerfile.${part}`),
      context: root,
      buildArgs: { NODE_IMAGE: 'localhost/node:26' },
      tag: `localhost/outrider-${part}:0.1.0`,
    });
  }
}

/** The chart's pods are held to the strictest of Kubernetes' own profiles. */
async function restrictNamespace(node: ClusterNode): Promise<void> {
  const labels = { 'pod-security.kubernetes.io/enforce': 'restricted' };
  const namespace = { apiVersion: 'v1', kind: 'Namespace', metadata: { name: 'outrider-system', labels } };
  await node.kubectl(['apply', '-f', '-'], { stdin: stringify(namespace) });
}

function clusterValues(node: ClusterNode): Values {
  return {
    images: { registry: 'localhost' },
    telemetry: { endpoint: node.jaeger.serviceEndpoint, caBundle: node.jaeger.caPem },
    defaultStore: {
      namespaceSelector: { matchLabels: { team: 'research' } },
      audience: 'outrider.dev/default',
      vault: { address: node.vault.serviceAddress, caBundle: node.vault.caPem, auth: { kubernetes: {} } },
    },
  };
}

/** Lets a ServiceAccount log in at Vault under a role, and read `secret/agents/*`, as the README says. */
export async function allowVaultLogin(
  node: ClusterNode,
  role: string,
  serviceAccount: { readonly name: string; readonly namespace: string },
): Promise<void> {
  const policy = 'path "secret/data/agents/*" { capabilities = ["read"] }';
  await node.vault.request('PUT', 'sys/policies/acl/agents', { policy });
  await node.vault.request('POST', `auth/kubernetes/role/${role}`, {
    bound_service_account_names: [serviceAccount.name],
    bound_service_account_namespaces: [serviceAccount.namespace],
    audience: 'outrider.dev/default',
    token_policies: ['agents'],
    token_ttl: '1h',
  });
}

/** Applies a file of examples/, with fields of its first document's spec replaced or added. */
export async function applyExample(
  node: ClusterNode,
  file: string,
  spec: object = {},
  name?: string,
): Promise<void> {
  const documents = parseAllDocuments(await readFile(join(root, 'examples', file), 'utf8'));
  const [first, ...rest] = documents.map(
    (document) => document.toJS() as { metadata: object; spec?: object },
  );
  const changed = {
    ...first,
    metadata: { ...first?.metadata, ...(name === undefined ? {} : { name }) },
    ...(first?.spec === undefined ? {} : { spec: { ...first.spec, ...spec } }),
  };
  await node.kubectl(['apply', '-f', '-'], {
    stdin: [changed, ...rest].map((each) => stringify(each)).join('---\n'),
  });
}
