// Arguments of a field with the request's variables put in: as much of them as repositories, refs and node ids need.

import type { JsonObject, JsonValue } from '../content/json.ts';
import type { Operation, Value } from './graphql-document.ts';

/** What is neither text nor a container is of no interest: `opaque`. Null counts as absent, as it does at GitHub. */
export type Given =
  | { readonly kind: 'absent' }
  | { readonly kind: 'text'; readonly text: string }
  | { readonly kind: 'list'; readonly items: readonly Given[] }
  | { readonly kind: 'object'; readonly fields: ReadonlyMap<string, Given> }
  | { readonly kind: 'opaque' };

export type Resolve = (value: Value | undefined) => Given;

const absent: Given = { kind: 'absent' };
const opaque: Given = { kind: 'opaque' };

/** A variable that the operation does not define makes no sense, and is opaque. */
export function createResolve(operation: Operation, variables: JsonObject): Resolve {
  /** A default has no variables in it, so this ends. */
  function resolve(value: Value | undefined): Given {
    if (value === undefined) return absent;
    switch (value.kind) {
      case 'text':
        return { kind: 'text', text: value.text };
      case 'null':
        return absent;
      case 'opaque':
        return opaque;
      case 'list':
        return { kind: 'list', items: value.items.map(resolve) };
      case 'object':
        return {
          kind: 'object',
          fields: present([...value.fields].map(([key, each]) => [key, resolve(each)])),
        };
      case 'variable':
        return resolveVariable(value.name);
    }
  }

  function resolveVariable(name: string): Given {
    const fallback = operation.variables.get(name);
    if (fallback === undefined) return opaque;
    const given = variables.get(name);
    if (given !== undefined) return fromJson(given);
    return fallback === null ? absent : resolve(fallback);
  }

  return resolve;
}

function fromJson(value: JsonValue): Given {
  if (value === null) return absent;
  if (typeof value === 'string') return { kind: 'text', text: value };
  if (Array.isArray(value)) return { kind: 'list', items: value.map(fromJson) };
  if (!(value instanceof Map)) return opaque;
  return {
    kind: 'object',
    fields: present([...(value as JsonObject)].map(([key, each]) => [key, fromJson(each)])),
  };
}

function present(fields: readonly (readonly [string, Given])[]): ReadonlyMap<string, Given> {
  return new Map(fields.filter(([, { kind }]) => kind !== 'absent'));
}

/** The text of a field; undefined when it is absent, null when it is something else. */
export function textOf(given: Given | undefined): string | null | undefined {
  if (given === undefined || given.kind === 'absent') return undefined;
  return given.kind === 'text' ? given.text : null;
}

/** A list, or the one item that GraphQL takes for a list of one. */
export function itemsOf(given: Given): readonly Given[] {
  if (given.kind === 'list') return given.items;
  return given.kind === 'absent' ? [] : [given];
}
