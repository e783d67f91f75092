// From a raw object to a typed one, or to findings that name the field. The API server has checked the object
// already; local mode and skewed versions have not.

import { z } from 'zod';
import { apiVersion } from './contract.ts';
import { kinds, type KindName, type Resource } from './resources/kinds.ts';
import { objectName } from './resources/names.ts';

/** What is wrong with a resource, as its condition and the CLI show it. */
export interface Finding {
  /** Kubernetes reason, PascalCase. */
  readonly reason: string;
  /** Path of the field, such as `spec.rules[0].hosts`. */
  readonly field: string;
  /** What is wrong and what is allowed; never a secret. */
  readonly message: string;
  /** True when the resource cannot be used; otherwise the rest of it holds. */
  readonly blocking: boolean;
}

/** The object with defaults filled in, or why it cannot be used. */
export function parseResource<K extends KindName>(kind: K, value: unknown): Resource<K> | readonly Finding[] {
  const schema = envelope(kind);
  // Inputs are for `sentence` alone; no finding shows one.
  const first = schema.safeParse(value, { reportInput: true });
  if (first.success) return first.data as Resource<K>;
  const pruned = schema.safeParse(withoutNulls(value), { reportInput: true });
  // Pruning would hide an unknown field that has no value.
  const unknown = first.error.issues.filter(({ code }) => code === 'unrecognized_keys');
  if (pruned.success && unknown.length === 0) return pruned.data as Resource<K>;
  const others = pruned.error?.issues.filter(({ code }) => code !== 'unrecognized_keys') ?? [];
  return findingsOf(new z.ZodError([...unknown, ...others]));
}

/** Deeper than any field of ours. The API server stores objects that are deeper than a stack, which a schema refuses. */
const maxDepth = 32;

/** As the API server does, which takes `hosts:` without a value for its absence. */
function withoutNulls(value: unknown, depth = 0): unknown {
  if (typeof value !== 'object' || value === null || depth > maxDepth) return value;
  if (Array.isArray(value)) return value.map((member) => withoutNulls(member, depth + 1));
  return Object.fromEntries(
    Object.entries(value)
      .filter(([, member]) => member !== null)
      .map(([key, member]) => [key, withoutNulls(member, depth + 1)]),
  );
}

const parsedOnce = new WeakMap<object, { readonly kind: KindName; readonly parsed: unknown }>();

/** The same for an object that never changes, as those of a watch: each is parsed once. */
export function parseOnce<K extends KindName>(kind: K, value: unknown): Resource<K> | readonly Finding[] {
  if (typeof value !== 'object' || value === null) return parseResource(kind, value);
  const known = parsedOnce.get(value);
  if (known?.kind === kind) return known.parsed as Resource<K> | readonly Finding[];
  const parsed = parseResource(kind, value);
  parsedOnce.set(value, { kind, parsed });
  return parsed;
}

export function isParsed<T extends object>(value: T | readonly Finding[]): value is T {
  return !Array.isArray(value);
}

/** Compiled schemas, by kind: building one takes longer than using it. */
const envelopes = new Map<KindName, z.ZodType>();

function envelope(kind: KindName): z.ZodType {
  let schema = envelopes.get(kind);
  if (schema === undefined) {
    schema = z.looseObject({
      apiVersion: z.literal(apiVersion),
      kind: z.literal(kind),
      metadata: z.looseObject({ name: objectName() }),
      spec: kinds[kind].spec,
    });
    envelopes.set(kind, schema);
  }
  return schema;
}

/** Zod's issues as findings; each names its field as kubectl would. */
export function findingsOf(error: z.ZodError, prefix: readonly PropertyKey[] = []): Finding[] {
  return error.issues.flatMap((issue): Finding[] => {
    const at = [...prefix, ...issue.path];
    if (issue.code === 'unrecognized_keys') {
      return issue.keys.map((key) =>
        invalid([...at, key], 'is not a field of this kind; check its spelling and its indentation'),
      );
    }
    return [invalid(at, sentence(issue))];
  });
}

function sentence(issue: z.core.$ZodIssue): string {
  if (issue.code === 'invalid_type' || issue.code === 'invalid_value') {
    if ('input' in issue && issue.input === undefined) return 'is required';
  }
  if (issue.code === 'invalid_type') return `must be of type ${issue.expected}`;
  if (issue.code === 'invalid_value') return `is not one of ${issue.values.map(String).join(', ')}`;
  return issue.message;
}

function invalid(path: readonly PropertyKey[], message: string): Finding {
  return { reason: 'Invalid', field: fieldPath(path), message, blocking: true };
}

const maps = /(?:^|\.)(?:fields|matchLabels|hmac\.headers|parameters|permissions)$/;

/** As the API server writes it: members of a map in brackets. */
export function fieldPath(path: readonly PropertyKey[]): string {
  return path.reduce<string>((text, key) => {
    if (typeof key === 'number' || maps.test(text)) return `${text}[${String(key)}]`;
    return text === '' ? String(key) : `${text}.${String(key)}`;
  }, '');
}
