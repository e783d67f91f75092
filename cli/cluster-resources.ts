// What a cluster holds that concerns one namespace, read with the caller's own kubectl and rights.

import { spawn } from 'node:child_process';
import { apiGroup } from '../policy/contract.ts';
import { kinds } from '../policy/resources/kinds.ts';
import type { Labels } from '../policy/resources/selector.ts';
import type { AnyResource } from './resource-files.ts';
import { UsageError } from './usage-error.ts';

export interface ClusterResources {
  readonly resources: readonly AnyResource[];
  readonly namespaceLabels: Labels;
}

const timeoutMs = 30_000;

/**
 * @param context of the kubeconfig; null for its current one.
 * @throws {UsageError} with what kubectl says.
 */
export async function loadClusterResources(
  namespace: string,
  context: string | null,
): Promise<ClusterResources> {
  const get = (...args: string[]): Promise<unknown> =>
    kubectl([...(context === null ? [] : ['--context', context]), 'get', ...args, '-o', 'json']);
  const named = (scope: 'Namespaced' | 'Cluster'): string =>
    Object.values(kinds)
      .filter((kind) => kind.scope === scope)
      .map(({ plural }) => `${plural}.${apiGroup}`)
      .join(',');
  const [own, shared, place] = await Promise.all([
    get(named('Namespaced'), '--namespace', namespace),
    get(named('Cluster')),
    get('namespace', namespace),
  ]);
  const items = [own, shared].flatMap((list) => (list as { items: AnyResource[] }).items);
  const { labels = {} } = (place as { metadata: { labels?: Labels } }).metadata;
  return { resources: items, namespaceLabels: labels };
}

async function kubectl(args: readonly string[]): Promise<unknown> {
  const child = spawn('kubectl', [...args, '--request-timeout=20s'], {
    stdio: ['ignore', 'pipe', 'pipe'],
    timeout: timeoutMs,
  });
  let [output, complaint] = ['', ''];
  child.stdout.setEncoding('utf8').on('data', (chunk: string) => (output += chunk));
  child.stderr.setEncoding('utf8').on('data', (chunk: string) => (complaint += chunk));
  const { promise, resolve, reject } = Promise.withResolvers<unknown>();
  child.on('error', ({ message }) =>
    reject(new UsageError(`kubectl, which reads the cluster, cannot be run: ${message}`)),
  );
  child.on('close', (code, signal) => {
    if (code === 0) return resolve(JSON.parse(output));
    const why = complaint.trim() || `it ended with ${signal ?? code}`;
    reject(new UsageError(`kubectl ${args.join(' ')}: ${why}`));
  });
  return promise;
}
