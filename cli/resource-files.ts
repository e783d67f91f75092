// Resources from YAML files, checked as the cluster would check them.

import { readdirSync, readFileSync, statSync } from 'node:fs';
import { join } from 'node:path';
import { parseAllDocuments } from 'yaml';
import { apiGroup } from '../policy/contract.ts';
import { isParsed, parseResource } from '../policy/parse.ts';
import { kinds, type KindName, type Resource } from '../policy/resources/kinds.ts';
import { UsageError } from './usage-error.ts';

export type AnyResource = { [K in KindName]: Resource<K> }[KindName];

/** Namespace of what names none, as kubectl has it. */
const defaultNamespace = 'default';

/**
 * Reads every .yaml, .yml and .json file below a directory (but not its `secrets`), or one file.
 * Objects of other groups are left to others; of ours, every one must be good.
 * @throws {UsageError} naming each bad file, document and field.
 */
export function loadResourceFiles(path: string): AnyResource[] {
  const files = listFiles(path);
  if (files.length === 0) throw new UsageError(`${path} holds no .yaml, .yml or .json file`);
  const problems: string[] = [];
  const found = new Map<string, { file: string; resource: AnyResource }>();
  for (const file of files) {
    for (const [index, document] of parseAllDocuments(readFileSync(file, 'utf8')).entries()) {
      const where = `${file}, document ${index + 1}`;
      if (document.errors.length > 0) {
        problems.push(...document.errors.map((error) => `${where}: ${error.message.split('\n')[0]}`));
        continue;
      }
      const resource = readObject(document.toJS({ maxAliasCount: 100 }), where, problems);
      if (resource === null) continue;
      const { kind, metadata } = resource;
      const key = [kind, metadata.namespace, metadata.name].filter(Boolean).join(' ');
      const earlier = found.get(key);
      if (earlier !== undefined) problems.push(`${where}: ${key} is in ${earlier.file} too`);
      found.set(key, { file, resource });
    }
  }
  if (problems.length > 0) throw new UsageError(problems.join('\n'));
  return [...found.values()].map(({ resource }) => resource);
}

function readObject(value: unknown, where: string, problems: string[]): AnyResource | null {
  if (value === null || value === undefined) return null;
  const object = value as { apiVersion?: unknown; kind?: unknown };
  if (
    typeof object !== 'object' ||
    typeof object.kind !== 'string' ||
    typeof object.apiVersion !== 'string'
  ) {
    problems.push(`${where}: is no Kubernetes object: it needs apiVersion and kind`);
    return null;
  }
  if (!object.apiVersion.startsWith(`${apiGroup}/`)) return null;
  if (!Object.hasOwn(kinds, object.kind)) {
    problems.push(`${where}: kind: ${object.kind} is not one of ${Object.keys(kinds).join(', ')}`);
    return null;
  }
  const kind = object.kind as KindName;
  const parsed = parseResource(kind, value);
  if (!isParsed<AnyResource>(parsed as AnyResource)) {
    const findings = parsed as readonly { field: string; message: string }[];
    problems.push(...findings.map(({ field, message }) => `${where}: ${kind}: ${field}: ${message}`));
    return null;
  }
  const resource = parsed as AnyResource;
  if (kinds[kind].scope === 'Cluster') return resource;
  const namespace = resource.metadata.namespace ?? defaultNamespace;
  return { ...resource, metadata: { ...resource.metadata, namespace } };
}

function listFiles(path: string): string[] {
  let isDirectory: boolean;
  try {
    isDirectory = statSync(path).isDirectory();
  } catch {
    throw new UsageError(`${path} does not exist; -f takes a directory or a file of resources`);
  }
  if (!isDirectory) return [path];
  return readdirSync(path, { withFileTypes: true, recursive: true })
    .filter((entry) => entry.isFile() && /\.(?:ya?ml|json)$/.test(entry.name))
    .map((entry) => join(entry.parentPath, entry.name))
    .filter((file) => !file.startsWith(join(path, 'secrets')))
    .toSorted();
}
