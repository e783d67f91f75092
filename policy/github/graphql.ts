// GraphQL: one document, one operation, and what each of its root fields is about. Fields below a repository can
// lead to any other, so that a query which starts in the right place proves only that (`problems.ts` says so).

import type { JsonObject, JsonValue } from '../content/json.ts';
import type { Reading } from '../reading.ts';
import {
  act,
  anywhere,
  everyOperation,
  nowhere,
  repositoryPlace,
  ungranted,
  type Act,
  type Doubt,
  type Place,
} from './act.ts';
import { parseDocument, type Document, type Operation, type Selection } from './graphql-document.ts';
import { createResolve, itemsOf, textOf, type Given, type Resolve } from './graphql-values.ts';
import { mutations } from './mutations.ts';
import { isOtherMutation } from './other-mutations.ts';
import { isDoubtful, readJsonBody } from './rest-fields.ts';

type Field = Extract<Selection, { kind: 'field' }>;

/** Of the request, not of any repository. */
const plainRoots = new Set(['__typename', '__schema', '__type', 'rateLimit']);
/** Of `viewer`: who the credential is, and nothing that it reaches. */
const viewerFields = new Set(['__typename', 'id', 'login', 'name', 'databaseId']);
/** `extensions` carries hashes of documents that GitHub would have to know (H-54). */
const bodyKeys = new Set(['query', 'variables', 'operationName']);

export function graphqlActs(reading: Reading, isGuard: boolean): Act[] {
  const { method, query } = reading.request;
  const body = readJsonBody(reading);
  if (isDoubtful(body)) return [unknown(body.doubt, body)];
  // In a query the document would come first for some servers, and GET has no other place for it.
  if (method !== 'POST' || (query !== null && query !== '')) return [unknown('query')];
  const request = readRequest(body);
  if (request === null) return [unknown('document')];
  const { document, operationName, variables } = request;
  const chosen = chooseOperations(document, operationName, isGuard);
  if (chosen.length === 0) return [unknown('document')];
  return chosen.flatMap((operation) => operationActs(operation, document, variables));
}

/** It may do anything, anywhere. */
function unknown(doubt: Doubt, more: Partial<Act> = {}): Act {
  return ungranted(everyOperation, anywhere, { ...more, doubt });
}

interface GraphqlRequest {
  readonly document: Document;
  readonly operationName: string | null;
  readonly variables: JsonObject;
}

function readRequest(body: JsonValue | undefined): GraphqlRequest | null {
  if (!(body instanceof Map)) return null;
  const fields = body as JsonObject;
  if (![...fields.keys()].every((key) => bodyKeys.has(key))) return null;
  const source = fields.get('query');
  const variables = fields.get('variables') ?? new Map<string, JsonValue>();
  const operationName = fields.get('operationName') ?? null;
  if (typeof source !== 'string' || !(variables instanceof Map)) return null;
  if (operationName !== null && typeof operationName !== 'string') return null;
  const document = parseDocument(source);
  return document === null ? null : { document, operationName, variables: variables as JsonObject };
}

/** The one operation; a guard, which cannot know which of several is meant, takes all. */
function chooseOperations(document: Document, name: string | null, isGuard: boolean): readonly Operation[] {
  const { operations } = document;
  if (operations.length > 1) return isGuard ? operations : [];
  return name === null || operations[0]?.name === name || isGuard ? operations : [];
}

function operationActs(operation: Operation, document: Document, variables: JsonObject): Act[] {
  const fields = fieldsOf(operation.selections, document);
  if (fields === null || fields.length === 0 || operation.kind === 'subscription')
    return [unknown('document')];
  const resolve = createResolve(operation, variables);
  return operation.kind === 'query'
    ? fields.flatMap((field) => [queryAct(field, document, resolve), ...readsOf(field, document)])
    : fields.flatMap((field) => mutationActs(field, document, resolve));
}

/** The fields of a selection set with fragments followed, each once; null when one is missing. */
function fieldsOf(selections: readonly Selection[], document: Document): readonly Field[] | null {
  const fields: Field[] = [];
  const seen = new Set<string>();
  const open: (readonly Selection[])[] = [selections];
  for (let current = open.pop(); current !== undefined; current = open.pop()) {
    for (const selection of current) {
      if (selection.kind === 'field') fields.push(selection);
      else if (selection.kind === 'inline') open.push(selection.selections);
      else if (!seen.has(selection.fragment)) {
        seen.add(selection.fragment);
        const fragment = document.fragments.get(selection.fragment);
        if (fragment === undefined) return null;
        open.push(fragment);
      }
    }
  }
  return fields;
}

function queryAct(field: Field, document: Document, resolve: Resolve): Act {
  const given = (name: string): Given => resolve(field.arguments.get(name));
  if (plainRoots.has(field.name)) return act('Read', nowhere, { maybe: [], refs: [] });
  if (field.name === 'viewer') {
    const isLeaf = isOfLeaves(field, document, viewerFields);
    return isLeaf ? act('Read', nowhere, { maybe: [], refs: [] }) : rootless();
  }
  let place: Place | null = null;
  if (field.name === 'repository') {
    const owner = textOf(given('owner'));
    const name = textOf(given('name'));
    if (typeof owner === 'string' && typeof name === 'string') place = repositoryPlace(owner, name);
  } else if (field.name === 'node') place = nodesPlace([given('id')]);
  else if (field.name === 'nodes') place = nodesPlace(itemsOf(given('ids')));
  return place === null ? rootless() : act('Read', place, { refs: [] });
}

/** `search`, `organization`, `resource` and the like start anywhere. */
function rootless(): Act {
  return ungranted(['Read'], anywhere, { doubt: 'root' });
}

function nodesPlace(given: readonly Given[]): Place {
  const ids = given.map(textOf).filter((id) => typeof id === 'string');
  return ids.length === given.length && ids.length > 0 ? { kind: 'nodes', ids } : anywhere;
}

/** Whether it selects nothing but leaves, of these names where some are given. */
function isOfLeaves(field: Field, document: Document, names: ReadonlySet<string> | null): boolean {
  const fields = fieldsOf(field.selections ?? [], document);
  return (
    fields !== null &&
    fields.every(({ name, selections }) => selections === null && (names === null || names.has(name)))
  );
}

function mutationActs(field: Field, document: Document, resolve: Resolve): Act[] {
  return [...inputActs(field, resolve), ...readsBelow(field, document)];
}

/** Introspection and the viewer's own fields lead nowhere. */
function readsOf(field: Field, document: Document): Act[] {
  const isPlain = plainRoots.has(field.name) || field.name === 'viewer';
  return isPlain ? [] : readsBelow(field, document);
}

/** What a field's answer shows besides: anything, as soon as it selects more than leaves. */
function readsBelow(field: Field, document: Document): Act[] {
  return isOfLeaves(field, document, null) ? [] : [act('Read', anywhere, { isAside: true })];
}

function inputActs(field: Field, resolve: Resolve): Act[] {
  const { name } = field;
  if (name === '__typename') return [act('Read', nowhere, { maybe: [], refs: [] })];
  const mutation = mutations.get(name);
  if (mutation === undefined) return [ungranted(isOtherMutation(name) ? [] : everyOperation, anywhere)];
  const input = resolve(field.arguments.get('input'));
  const maybe = mutation.maybe ?? (mutation.operation === null ? [] : [mutation.operation]);
  const isPlain = input.kind === 'object' && field.arguments.size === 1;
  if (mutation.operation === null || !isPlain) return [ungranted(maybe, anywhere, { doubt: 'fields' })];

  const ids = mutation.ids.split(' ');
  const covered = new Set([...ids, ...mutation.fields.split(' '), 'clientMutationId']);
  const named = ids.map((id) => input.fields.get(id)).filter((id) => id !== undefined);
  const {
    refs,
    aside,
    place = nodesPlace(named),
    isCovered = true,
  } = mutation.read?.(input.fields) ?? {
    refs: null,
  };
  const isKnown = isCovered && [...input.fields.keys()].every((key) => covered.has(key));
  const acts = [act(mutation.operation, place, { maybe, refs, doubt: isKnown ? null : 'fields' })];
  if (aside !== undefined) acts.push(act(mutation.operation, place, { maybe, refs: aside, isAside: true }));
  return acts;
}
