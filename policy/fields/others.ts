// `others: Deny`: whether there is anything that no field of the rule leads to.

import { isJsonObject, type JsonValue } from '../content/json.ts';
import type { Pairs } from '../content/form.ts';
import type { Field } from './field.ts';
import { parsePointer } from './pointer.ts';

interface Way {
  readonly members: Map<string, Way>;
  every: Way | null;
  isEnd: boolean;
}

/** In JSON: members and elements that are not on the way to a listed pointer. */
export function compileJsonOthers(pointers: readonly string[]): (root: JsonValue) => boolean {
  const root = createWay();
  for (const pointer of pointers) {
    let way = root;
    for (const { text, isEvery } of parsePointer(pointer) ?? []) {
      const next: Way = (isEvery ? way.every : way.members.get(text)) ?? createWay();
      if (isEvery) way.every = next;
      else way.members.set(text, next);
      way = next;
    }
    way.isEnd = true;
  }
  return (value) => hasOther(value, root);
}

function createWay(): Way {
  return { members: new Map(), every: null, isEnd: false };
}

/** What stands at the end of a way was matched as a scalar; what stands beside the way was not looked at. */
function hasOther(value: JsonValue, way: Way): boolean {
  if (way.isEnd) return false;
  if (isJsonObject(value)) {
    for (const [key, member] of value) {
      const next = way.members.get(key);
      if (next === undefined || hasOther(member, next)) return true;
    }
    return false;
  }
  // A text where the way goes on is listed nowhere; a null says nothing.
  if (!Array.isArray(value)) return value !== null;
  const elements = value as readonly JsonValue[];
  for (let at = 0; at < elements.length; at += 1) {
    const next = way.every ?? way.members.get(String(at));
    if (next === undefined || hasOther(elements[at] ?? null, next)) return true;
  }
  return false;
}

/** In a form: names that no field spells so. */
export function compileFormOthers(fields: readonly Field[]): (pairs: Pairs) => boolean {
  return (pairs) => {
    for (const pair of pairs) if (!isListed(fields, pair[0])) return true;
    return false;
  };
}

function isListed(fields: readonly Field[], name: string): boolean {
  for (const { path } of fields) if (path.isExact(name)) return true;
  return false;
}
