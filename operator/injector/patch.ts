// The difference between two JSON values as a JSON patch (RFC 6902).

import { isDeepStrictEqual } from 'node:util';

export type PatchOperation =
  | { readonly op: 'add' | 'replace'; readonly path: string; readonly value: unknown }
  | { readonly op: 'remove'; readonly path: string };

/** What turns `before` into `after`; empty when they are equal. */
export function createPatch(before: unknown, after: unknown, path = ''): readonly PatchOperation[] {
  if (isDeepStrictEqual(before, after)) return [];
  if (Array.isArray(before) && Array.isArray(after)) return patchArray(before, after, path);
  if (isObject(before) && isObject(after)) return patchObject(before, after, path);
  return [{ op: 'replace', path, value: after }];
}

function patchObject(before: JsonObject, after: JsonObject, path: string): readonly PatchOperation[] {
  const removed = Object.keys(before).filter((key) => !Object.hasOwn(after, key) || after[key] === undefined);
  return [
    ...removed.map((key) => ({ op: 'remove' as const, path: `${path}/${escape(key)}` })),
    ...Object.entries(after).flatMap(([key, value]) => {
      const at = `${path}/${escape(key)}`;
      if (value === undefined) return [];
      return Object.hasOwn(before, key)
        ? createPatch(before[key], value, at)
        : [{ op: 'add' as const, path: at, value }];
    }),
  ];
}

/**
 * Kubernetes' lists are keyed by `name`: when all that was there stays in its order, what is new is inserted between
 * and the rest patched in place. Otherwise, and where names repeat, the list is replaced.
 */
function patchArray(
  before: readonly unknown[],
  after: readonly unknown[],
  path: string,
): readonly PatchOperation[] {
  const operations: PatchOperation[] = [];
  const names = new Set<string>();
  let at = 0;
  for (const [index, item] of after.entries()) {
    const name = nameOf(item);
    if (name === undefined || names.has(name)) return [{ op: 'replace', path, value: after }];
    names.add(name);
    if (at < before.length && nameOf(before[at]) === name) {
      operations.push(...createPatch(before[at], item, `${path}/${index}`));
      at += 1;
    } else {
      operations.push({ op: 'add', path: `${path}/${index}`, value: item });
    }
  }
  return at === before.length ? operations : [{ op: 'replace', path, value: after }];
}

type JsonObject = Readonly<Record<string, unknown>>;

function isObject(value: unknown): value is JsonObject {
  return typeof value === 'object' && value !== null && !Array.isArray(value);
}

function nameOf(item: unknown): string | undefined {
  return isObject(item) && typeof item['name'] === 'string' ? item['name'] : undefined;
}

/** RFC 6901, section 3. */
function escape(key: string): string {
  return key.replaceAll('~', '~0').replaceAll('/', '~1');
}
