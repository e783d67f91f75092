// Values of expressions. Numbers are doubles, bigints are ints; what has no JavaScript counterpart has a `kind`.

import type { JsonObject, JsonValue } from '../content/json.ts';
import { fail, stop } from './run.ts';

export type CelValue =
  | null
  | boolean
  | string
  | bigint
  | number
  | { readonly kind: 'uint'; readonly value: bigint }
  | { readonly kind: 'bytes'; readonly bytes: Uint8Array }
  | { readonly kind: 'timestamp'; readonly nanos: bigint }
  | { readonly kind: 'duration'; readonly nanos: bigint }
  | { readonly kind: 'type'; readonly name: string }
  | CelList
  | CelMap;

export interface CelList {
  readonly kind: 'list';
  readonly size: number;
  /** Of an index from 0 to `size` exclusive. */
  readonly at: (index: number) => CelValue;
}

export interface CelMap {
  readonly kind: 'map';
  readonly size: number;
  /** Without touching the value. */
  readonly has: (key: CelValue) => boolean;
  readonly get: (key: CelValue) => CelValue | undefined;
  readonly keys: () => Iterable<CelValue>;
}

/** Converts lazily: a body may have a million elements and an expression look at one. */
export function fromJson(value: JsonValue): CelValue {
  if (typeof value === 'number') return Number.isInteger(value) ? BigInt(value) : value;
  if (value === null || typeof value !== 'object') return value;
  if (value instanceof Map) return fromJsonObject(value);
  // What a number is depends on who reads it, so whatever follows from it is open.
  if ('unsafeNumber' in value) return stop();
  const items = value as readonly JsonValue[];
  return { kind: 'list', size: items.length, at: (index) => fromJson(items[index] ?? null) };
}

export function fromJsonObject(object: JsonObject): CelMap {
  return {
    kind: 'map',
    size: object.size,
    has: (key) => typeof key === 'string' && object.has(key),
    get: (key) => {
      const value = typeof key === 'string' ? object.get(key) : undefined;
      return value === undefined ? undefined : fromJson(value);
    },
    keys: () => object.keys(),
  };
}

export function listOf(items: readonly CelValue[]): CelList {
  return { kind: 'list', size: items.length, at: (index) => items[index] ?? null };
}

/** Names to the values that they have, such as a query or the headers. */
export function mapOfLists(pairs: Iterable<readonly [string, string]>): CelMap {
  const lists = new Map<string, string[]>();
  for (const [name, value] of pairs) {
    const list = lists.get(name);
    if (list === undefined) lists.set(name, [value]);
    else list.push(value);
  }
  return fromJsonObject(lists);
}

/** A map literal; ints and uints of the same value are the same key. */
export function mapOf(entries: readonly (readonly [CelValue, CelValue])[]): CelMap {
  const keys: CelValue[] = [];
  const values = new Map<string, CelValue>();
  for (const [key, value] of entries) {
    const name = keyName(key) ?? fail();
    if (values.has(name) || typeof key === 'number') return fail();
    values.set(name, value);
    keys.push(key);
  }
  return {
    kind: 'map',
    size: keys.length,
    has: (key) => values.has(keyName(key) ?? ''),
    get: (key) => values.get(keyName(key) ?? ''),
    keys: () => keys,
  };
}

function keyName(key: CelValue): string | null {
  if (typeof key === 'string') return `text ${key}`;
  if (typeof key === 'boolean') return `bool ${key}`;
  if (typeof key === 'bigint' || typeof key === 'number') return `number ${key}`;
  return key !== null && key.kind === 'uint' ? `number ${key.value}` : null;
}

export const typeNames = [
  'int',
  'uint',
  'double',
  'bool',
  'string',
  'bytes',
  'list',
  'map',
  'null_type',
  'type',
] as const;

export function typeName(value: CelValue): string {
  if (value === null) return 'null_type';
  switch (typeof value) {
    case 'bigint':
      return 'int';
    case 'number':
      return 'double';
    case 'boolean':
      return 'bool';
    case 'string':
      return 'string';
    default:
  }
  if (value.kind === 'timestamp') return 'google.protobuf.Timestamp';
  return value.kind === 'duration' ? 'google.protobuf.Duration' : value.kind;
}
