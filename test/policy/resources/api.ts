// A real API server that has our CRDs, asked as a client asks it.

import { kinds, type KindName } from '../../../policy/resources/kinds.ts';
import { startControlPlane, type ControlPlane } from '../../cluster/control-plane.ts';
import { callHttps } from '../../cluster/https-call.ts';
import type { Manifest } from './examples.ts';

export type Version = 'current' | 'floor';
export const versions: readonly Version[] = ['floor', 'current'];

export interface Answer {
  readonly status: number;
  /** What is wrong with the object, as kubectl prints it; empty when nothing is. */
  readonly message: string;
  readonly object: Manifest;
  readonly tookMs: number;
}

export interface CrdServer {
  readonly cluster: ControlPlane;
  /** As `kubectl create --validate=strict` sends it. */
  create(resource: Manifest, options?: { readonly dryRun?: boolean }): Promise<Answer>;
  /** As `kubectl apply --server-side` sends it. */
  apply(resource: Manifest, fieldManager: string): Promise<Answer>;
  stop(): Promise<void>;
}

/** What a create or an apply of a large object may take: several times what the slowest took. */
const timeoutMs = 60_000;

export async function startCrdServer(version: Version): Promise<CrdServer> {
  const cluster = await startControlPlane({ version });
  try {
    await cluster.kubectl([
      'apply',
      '--server-side',
      '-f',
      new URL('../../../crds', import.meta.url).pathname,
    ]);
    const crds = Object.values(kinds).map(({ plural }) => `crd/${plural}.outrider.dev`);
    await cluster.kubectl(['wait', '--for=condition=Established', ...crds, '--timeout=30s']);
    for (const name of ['research', 'support']) await cluster.kubectl(['create', 'namespace', name]);
  } catch (error) {
    await cluster.stop();
    throw error;
  }

  const send = async (method: string, path: string, type: string, resource: Manifest): Promise<Answer> => {
    const { certPem, keyPem } = cluster.admin;
    const startedAt = performance.now();
    const { status, text } = await callHttps({
      url: `${cluster.server}${path}`,
      caPem: cluster.caPem,
      certPem,
      keyPem,
      method,
      headers: { 'content-type': type },
      body: JSON.stringify(resource),
      timeoutMs,
    });
    const tookMs = Math.round(performance.now() - startedAt);
    const object = JSON.parse(text) as Manifest;
    return { status, message: status < 300 ? '' : String(object.message), object, tookMs };
  };

  return {
    cluster,
    create: (resource, { dryRun = true } = {}) =>
      send(
        'POST',
        `${collectionOf(resource)}?fieldValidation=Strict${dryRun ? '&dryRun=All' : ''}`,
        'application/json',
        resource,
      ),
    apply: (resource, fieldManager) =>
      send(
        'PATCH',
        `${collectionOf(resource)}/${metadataOf(resource).name}?fieldManager=${fieldManager}&fieldValidation=Strict`,
        // YAML is a superset of JSON, and the only name that older versions have for an apply.
        'application/apply-patch+yaml',
        resource,
      ),
    stop: () => cluster.stop(),
  };
}

function metadataOf(resource: Manifest): { readonly name: string; readonly namespace?: string } {
  return resource.metadata as { name: string; namespace?: string };
}

function collectionOf(resource: Manifest): string {
  const { plural, scope } = kinds[resource.kind as KindName];
  const where = scope === 'Namespaced' ? `/namespaces/${metadataOf(resource).namespace ?? 'default'}` : '';
  return `/apis/outrider.dev/v1alpha1${where}/${plural}`;
}
