// What the bodies of REST writes say about refs, and about what else an endpoint would do.

import type { JsonObject, JsonValue } from '../content/json.ts';
import { isUnreadable, type BodyNeed, type Reading } from '../reading.ts';
import { branchRef, type Doubt, type Place } from './act.ts';
import { valuesOf } from './git.ts';

export type RestField =
  | 'branch'
  | 'base'
  | 'newRef'
  | 'refInPath'
  | 'noRef'
  | 'newPull'
  | 'editedPull'
  | 'review'
  | 'submittedReview';

export interface Told {
  /** As in an act. */
  readonly refs: readonly string[] | null;
  /** Refs that a guard compares besides: where a pull request would be merged. */
  readonly aside: readonly string[] | null;
  readonly doubt: Doubt | null;
  readonly need: BodyNeed | null;
  readonly isOfRefs: boolean;
}

const nothing: Told = { refs: null, aside: [], doubt: null, need: null, isOfRefs: false };
const jsonNeed: BodyNeed = { maxBytes: 1024 * 1024, until: 'end' };

/** @param segments below `/repos/{owner}/{repo}`. */
export function readRestField(
  field: RestField | null,
  segments: readonly string[],
  place: Place,
  reading: Reading,
): Told {
  const { query, headers } = reading.request;
  // Some frameworks merge the query into the body, and take `_method` from it (H-33): writes need neither.
  const doubt = query !== null && query !== '' ? 'query' : formDoubt(headers);
  if (field === null) return { ...nothing, doubt };
  if (field === 'noRef') return { ...nothing, refs: [], doubt };
  if (field === 'refInPath') return { ...nothing, refs: [`refs/${segments.slice(2).join('/')}`], doubt };
  // With a query beside it the body does not have the last word, so a guard goes by neither.
  if (doubt !== null) return { ...nothing, aside: null, doubt };
  const isOfRefs = field === 'branch' || field === 'base';
  const body = readBody(reading);
  if (isDoubtful(body)) return { ...nothing, aside: null, ...body, isOfRefs };
  return { ...readers[field](body, place), isOfRefs };
}

const readers: Readonly<
  Record<Exclude<RestField, 'refInPath' | 'noRef'>, (body: JsonObject, place: Place) => Told>
> = {
  branch: (body) => branchTold(body, 'branch'),
  base: (body) => branchTold(body, 'base'),
  newRef: (body) => {
    const ref = textField(body, 'ref');
    return typeof ref === 'string' && ref.startsWith('refs/')
      ? { ...nothing, refs: [ref] }
      : { ...nothing, doubt: 'fields' };
  },
  newPull: (body, place) => {
    const base = textField(body, 'base');
    const aside = typeof base === 'string' ? refsOf(base) : null;
    const isForeign = textField(body, 'head_repo') !== undefined;
    return { ...nothing, refs: isForeign ? null : headRefs(textField(body, 'head'), place), aside };
  },
  // A new base, a state or anything else is not what opening it means.
  editedPull: (body) =>
    [...body.keys()].every((key) => key === 'title' || key === 'body')
      ? nothing
      : { ...nothing, doubt: 'fields' },
  review: (body) => reviewTold(body, true),
  submittedReview: (body) => reviewTold(body, false),
};

function branchTold(body: JsonObject, name: string): Told {
  const branch = textField(body, name);
  if (branch === undefined) return nothing;
  return branch === null ? { ...nothing, doubt: 'fields' } : { ...nothing, refs: refsOf(branch) };
}

/** An approval can be what a protected branch waits for, so no operation covers it. */
function reviewTold(body: JsonObject, isOptional: boolean): Told {
  const event = textField(body, 'event');
  const isComment = event === 'COMMENT' || event === 'REQUEST_CHANGES' || (event === undefined && isOptional);
  return isComment ? nothing : { ...nothing, doubt: 'fields' };
}

/** `branch` or `owner:branch`; the latter is of another repository unless the owner is the same. */
export function headRefs(head: string | null | undefined, place: Place): readonly string[] | null {
  if (typeof head !== 'string') return null;
  const colon = head.indexOf(':');
  if (colon < 0) return refsOf(head);
  const isOwn = place.kind === 'repository' && head.slice(0, colon).toLowerCase() === place.owner;
  return isOwn ? refsOf(head.slice(colon + 1)) : null;
}

export function refsOf(branch: string): readonly string[] | null {
  const ref = branchRef(branch);
  return ref === null ? null : [ref];
}

/** Undefined when it is absent; null when it is no text, or when another key is its variant. */
function textField(body: JsonObject, name: string): string | null | undefined {
  for (const key of body.keys()) {
    if (key !== name && key.toLowerCase().replace(/\[\d*\]$/, '') === name) return null;
  }
  if (!body.has(name)) return undefined;
  const value = body.get(name);
  return typeof value === 'string' ? value : null;
}

/** A form could carry `_method`; GitHub's API is JSON. */
function formDoubt(headers: readonly string[]): Doubt | null {
  const types = valuesOf(headers, 'content-type');
  return types.length > 1 || types.some((type) => /form/i.test(type)) ? 'body' : null;
}

/** The body as a JSON object; none at all is an empty one, as DELETE may have. */
function readBody(reading: Reading): JsonObject | Doubtful {
  const value = readJsonBody(reading);
  if (value === undefined) return new Map();
  return isDoubtful(value) || value instanceof Map ? value : { doubt: 'body', need: null };
}

export interface Doubtful {
  readonly doubt: Doubt;
  readonly need: BodyNeed | null;
}

export function isDoubtful(value: unknown): value is Doubtful {
  return typeof value === 'object' && value !== null && 'doubt' in value;
}

/** Undefined when there is no body. */
export function readJsonBody(reading: Reading): JsonValue | undefined | Doubtful {
  const { body } = reading.request;
  if (body.kind === 'unread') return { doubt: 'body', need: jsonNeed };
  if (body.kind === 'none') return undefined;
  if (!body.isWhole) return { doubt: 'size', need: null };
  const content = reading.content();
  if (isUnreadable(content)) return { doubt: 'body', need: null };
  if (content.kind === 'None') return undefined;
  return content.kind === 'Json' ? content.value : { doubt: 'body', need: null };
}
