// Workloads shaped like those that real projects publish (test/operator/webhook/shapes), made to run on the node: with an
// image that stands in for theirs, and with the Secrets, ConfigMaps and volumes that they name.

import { chmod, copyFile, mkdir, readdir, readFile, symlink, writeFile } from 'node:fs/promises';
import { basename, join } from 'node:path';
import { parse } from 'yaml';
import type { ClusterNode } from '../cluster/node.ts';

const folder = join(import.meta.dirname, '..', 'operator', 'webhook', 'shapes');
const image = 'localhost/stand-in:1';

/** Only admitted: they wait for a GPU or a gate, or start programs that another project's controller puts there. */
const onlyAdmitted: ReadonlySet<string> = new Set(['harmless-fields', 'knative-revision', 'tekton-task']);

interface Container {
  readonly name: string;
  image: string;
  imagePullPolicy?: string;
  resources?: object;
  env?: object[];
}

interface Template {
  metadata: { labels: Record<string, string>; annotations?: Record<string, string> };
  readonly spec: { readonly initContainers?: Container[]; readonly containers: Container[] };
}

export interface Shape {
  readonly name: string;
  readonly kind: string;
  /** With kubectl: deployment/n8n */
  readonly resource: string;
  readonly manifest: object;
  /** What its containers ask the wiki for when they start. */
  readonly asks: readonly string[];
}

/** @param url of a server that a rule allows; each container asks there for its own path. */
export async function readShapes(namespace: string, url: string): Promise<readonly Shape[]> {
  const texts = await Promise.all(
    (await readdir(folder)).toSorted().map(async (file) => ({
      name: basename(file, '.yaml'),
      text: await readFile(join(folder, file), 'utf8'),
    })),
  );
  return texts
    .filter(({ name, text }) => !text.includes('# refused: ') && !onlyAdmitted.has(name))
    .map(({ name, text }) => {
      // Busybox's shell takes its own applet, which cannot do -z, before any program in the path.
      const manifest = parse(text.replaceAll(' nc -z ', ' /usr/bin/nc -z ')) as {
        readonly kind: string;
        readonly metadata: { readonly name: string; namespace?: string };
        readonly spec: {
          readonly template?: Template;
          readonly jobTemplate?: { readonly spec: { readonly template: Template } };
        };
      };
      manifest.metadata.namespace = namespace;
      const { kind } = manifest;
      const template = manifest.spec.template ?? manifest.spec.jobTemplate?.spec.template;
      if (template === undefined) throw new Error(`${name} has no pod template`);
      template.metadata.annotations = { ...template.metadata.annotations, 'outrider.dev/inject': 'true' };
      for (const each of template.spec.initContainers ?? []) standIn(each);
      const asks = template.spec.containers.map((each) => {
        const path = `/shapes/${name}/${each.name}`;
        const ends = kind.endsWith('Job') ? [{ name: 'STAND_IN_ENDS', value: 'true' }] : [];
        standIn(each, [{ name: 'STAND_IN_ASKS', value: url + path }, ...ends]);
        return path;
      });
      return { name, kind, resource: `${kind.toLowerCase()}/${manifest.metadata.name}`, manifest, asks };
    });
}

/** Nothing of it can be pulled here, and two cores would not do for what all of them request. */
function standIn(container: Container, env: readonly object[] = []): void {
  container.image = image;
  delete container.imagePullPolicy;
  delete container.resources;
  container.env = [...(container.env ?? []), ...env];
}

export async function buildStandIn(node: ClusterNode): Promise<void> {
  const root = join(node.folder, 'stand-in');
  await mkdir(join(root, 'usr/bin'), { recursive: true });
  const script = join(root, 'usr/bin/stand-in');
  await copyFile(join(import.meta.dirname, 'stand-in.js'), script);
  await chmod(script, 0o755);
  for (const name of ['airflow', 'nc', 'npm', 'python'])
    await symlink('stand-in', join(root, 'usr/bin', name));
  await writeFile(join(root, 'usr/bin/bash'), '#!/bin/sh\nexec /bin/sh "$@"\n', { mode: 0o755 });
  const dockerfile = join(node.folder, 'stand-in.dockerfile');
  await writeFile(dockerfile, 'FROM localhost/node:26\nCOPY . /\nCMD ["stand-in"]\n');
  await node.buildImage({ dockerfile, context: root, tag: image });
}

/** Beside them, by the names that they have in the shapes. */
export async function createSurroundings(node: ClusterNode, namespace: string): Promise<readonly object[]> {
  const of = (kind: string, name: string, data: object): object => ({
    apiVersion: 'v1',
    kind,
    metadata: { name, namespace },
    ...(kind === 'Secret' ? { stringData: data } : { data }),
  });
  const volumes = ['a', 'b', 'c', 'd'].map((name) => ({ name, path: join(node.folder, 'volumes', name) }));
  for (const { path } of volumes) {
    await mkdir(path, { recursive: true });
    // Whatever the umask: they are written to by several users, and hostPath knows no fsGroup.
    await chmod(path, 0o777);
  }
  const size = { storage: '1Gi' };
  const accessModes = ['ReadWriteOnce'];
  return [
    of('Secret', 'langgraph-postgres', { postgres_connection_url: 'postgres://langgraph-postgres' }),
    of('Secret', 'langgraph-redis', { redis_connection_url: 'redis://langgraph-redis' }),
    of('Secret', 'crewai-keys', { SERPER_KEY: 'a' }),
    of('Secret', 'openai', { 'api-key': 'a' }),
    of('Secret', 'airflow-webserver', { key: 'a' }),
    of('Secret', 'airflow-metadata', { connection: 'postgres://metadata' }),
    of('Secret', 'n8n-app-secret', { N8N_ENCRYPTION_KEY: 'a' }),
    of('ConfigMap', 'n8n-app-config', { N8N_PORT: '5678' }),
    of('ConfigMap', 'crewai-config', { 'agents.yaml': 'agents: []' }),
    of('ConfigMap', 'airflow-config', { 'airflow.cfg': '[core]' }),
    {
      apiVersion: 'v1',
      kind: 'PersistentVolumeClaim',
      metadata: { name: 'n8n', namespace },
      spec: { accessModes, resources: { requests: size } },
    },
    ...volumes.map(({ name, path }) => ({
      apiVersion: 'v1',
      kind: 'PersistentVolume',
      metadata: { name },
      spec: { capacity: size, accessModes, hostPath: { path } },
    })),
  ];
}
