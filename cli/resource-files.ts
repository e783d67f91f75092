// Resources from YAML files, checked as the cluster would check them.

import { resolve } from 'node:path';
import { z } from 'zod';
import { apiGroup } from '../policy/contract.ts';
import { findingsOf, isParsed, parseResource, type Finding } from '../policy/parse.ts';
import { kinds, type KindName, type Resource } from '../policy/resources/kinds.ts';
import { labelName, objectName } from '../policy/resources/names.ts';
import type { Labels } from '../policy/resources/selector.ts';
import { parsePolicyTest, type PolicyTest } from './policy-test.ts';
import {
  problemText,
  readSourceFiles,
  type Place,
  type SourceObject,
  type SourceProblem,
} from './source-files.ts';
import { UsageError } from './usage-error.ts';

export type AnyResource = { [K in KindName]: Resource<K> }[KindName];

export interface FoundResource {
  readonly resource: AnyResource;
  readonly source: SourceObject;
}

export interface ResourceFiles {
  readonly found: readonly FoundResource[];
  readonly tests: readonly PolicyTest[];
  /** Of the Namespace objects that lie beside them. */
  readonly namespaces: ReadonlyMap<string, Labels>;
  readonly problems: readonly SourceProblem[];
}

/** Namespace of what names none, as kubectl has it. */
export const defaultNamespace = 'default';

/** Objects of other groups are left to others; of ours, what is not good is a problem. */
export function readResourceFiles(paths: readonly string[]): ResourceFiles {
  const { objects, problems: unreadable } = readSourceFiles(paths);
  const problems = [...unreadable];
  const found: FoundResource[] = [];
  const tests: PolicyTest[] = [];
  const namespaces = new Map<string, Labels>();
  const fileOf = new Map<string, string>();
  const report = (place: Place, message: string, field: string | null = null): void => {
    problems.push({ place, object: null, field, message });
  };
  const isFirst = (key: string, place: Place): boolean => {
    const earlier = fileOf.get(key);
    if (earlier !== undefined) report(place, `${key} is in ${earlier} too`);
    fileOf.set(key, place.file);
    return earlier === undefined;
  };
  for (const source of objects) {
    const { place, value } = source;
    const header = headerSchema.safeParse(value);
    if (!header.success) {
      report(place, 'is no Kubernetes object: it needs apiVersion and kind');
      continue;
    }
    const { apiVersion, kind } = header.data;
    if (apiVersion === 'v1' && kind === 'Namespace') {
      const namespace = namespaceSchema.safeParse(value);
      if (namespace.success) namespaces.set(namespace.data.metadata.name, namespace.data.metadata.labels);
    }
    if (apiVersion === 'v1' && kind === 'List')
      report(place, 'is a List: write its items as documents of their own');
    if (!apiVersion.startsWith(`${apiGroup}/`)) continue;
    if (kind === 'PolicyTest') {
      const test = parsePolicyTest(source);
      if (Array.isArray(test)) problems.push(...test);
      else if (isFirst(`PolicyTest ${test.namespace} ${test.name}`, place)) tests.push(test);
    } else if (Object.hasOwn(kinds, kind)) {
      const resource = parseObject(kind as KindName, value);
      if (!isParsed<AnyResource>(resource)) {
        problems.push(...resource.map((finding) => problemOf(kind, finding, source)));
        continue;
      }
      const { namespace, name } = resource.metadata;
      if (isFirst([kind, namespace, name].filter(Boolean).join(' '), place)) found.push({ resource, source });
    } else {
      const known = [...Object.keys(kinds), 'PolicyTest'].join(', ');
      report(source.placeOf('kind'), `${kind} is not one of ${known}`, 'kind');
    }
  }
  return { found, tests, namespaces, problems };
}

export type GoodFiles = Omit<ResourceFiles, 'problems'>;

/**
 * The same for those who need them all to be good.
 * @throws {UsageError} naming each bad file, document and field.
 */
export function loadResourceFiles(paths: readonly string[]): GoodFiles {
  const { problems, ...files } = readResourceFiles(paths);
  if (problems.length > 0) throw new UsageError(problems.map(problemText).join('\n'));
  return files;
}

/**
 * What else there is in the cluster: floors, destinations, stores. Files that are among the others are not read twice.
 * @throws {UsageError}
 */
export function loadFloors(paths: readonly string[], others: readonly GoodFiles[]): GoodFiles {
  const { found, tests, namespaces } = loadResourceFiles(paths);
  const known = others.flatMap((files) => files.found);
  const files = new Set(known.map(({ source }) => resolve(source.place.file)));
  const added = found.filter(({ source }) => !files.has(resolve(source.place.file)));
  const twice = added.find(({ resource }) => known.some((other) => isSame(other.resource, resource)));
  if (twice !== undefined) {
    const { kind, metadata } = twice.resource;
    throw new UsageError(
      `${twice.source.place.file}: ${kind} ${metadata.name} is in the other directory too`,
    );
  }
  return { found: added, tests, namespaces };
}

function isSame(a: AnyResource, b: AnyResource): boolean {
  return (
    a.kind === b.kind && a.metadata.name === b.metadata.name && a.metadata.namespace === b.metadata.namespace
  );
}

const headerSchema = z.looseObject({ apiVersion: z.string(), kind: z.string() });

const namespaceSchema = z.looseObject({
  metadata: z.looseObject({ name: z.string(), labels: z.record(z.string(), z.string()).default({}) }),
});

const name = '[A-Za-z0-9]([A-Za-z0-9_.-]{0,61}[A-Za-z0-9])?';
const qualifiedName = z
  .string()
  .regex(
    new RegExp(`^([a-z0-9]([a-z0-9.-]{0,251}[a-z0-9])?/)?${name}$`),
    'is no name of a label or annotation: write such as team or example.com/team',
  );
const labelValue = z
  .string()
  .regex(
    new RegExp(`^(${name})?$`),
    'is no value of a label: at most 63 letters, digits, hyphens, underscores and dots',
  );

/** What the API server checks for every kind: kubectl's field validation is strict, so what it does not know is refused. */
const envelope = z.strictObject({
  apiVersion: z.string(),
  kind: z.string(),
  metadata: z.strictObject({
    name: objectName(),
    namespace: labelName().optional(),
    labels: z.record(qualifiedName, labelValue).optional(),
    annotations: z.record(qualifiedName, z.string()).optional(),
    ...Object.fromEntries(
      'generateName uid resourceVersion generation creationTimestamp deletionTimestamp deletionGracePeriodSeconds ownerReferences finalizers managedFields selfLink'
        .split(' ')
        .map((key) => [key, z.unknown().optional()]),
    ),
  }),
  spec: z.unknown().optional(),
  status: z.unknown().optional(),
});

function parseObject(kind: KindName, value: unknown): AnyResource | readonly Finding[] {
  const parsed = parseResource(kind, value) as AnyResource | readonly Finding[];
  const around = envelope.safeParse(value);
  if (!around.success) {
    const findings = isParsed<AnyResource>(parsed) ? [] : parsed;
    const known = new Set(findings.map(({ field }) => field));
    return [...findingsOf(around.error).filter(({ field }) => !known.has(field)), ...findings];
  }
  if (!isParsed<AnyResource>(parsed) || kinds[kind].scope === 'Cluster') return parsed;
  const namespace = parsed.metadata.namespace ?? defaultNamespace;
  return { ...parsed, metadata: { ...parsed.metadata, namespace } };
}

function problemOf(kind: string, { field, message }: Finding, source: SourceObject): SourceProblem {
  return { place: source.placeOf(field), object: kind, field, message };
}
