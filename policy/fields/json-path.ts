// Looks for a field in JSON.

import { isJsonObject, type JsonObject, type JsonValue } from '../content/json.ts';
import { isUnsafeNumber } from '../content/number.ts';
import { allOf, Found, Outcome, type Presence } from './outcome.ts';
import type { Token } from './pointer.ts';
import { foldCase } from './spelling.ts';

/** For a grant: spelt as in the rule, with no other spelling beside it at any step. */
export function compileJsonProof(
  tokens: readonly Token[],
  test: (value: JsonValue) => boolean,
  presence: Presence,
): (root: JsonValue) => Outcome {
  const isAbsent = presence === 'absent';

  function walk(value: JsonValue, at: number): Outcome {
    const token = tokens[at];
    if (token === undefined) {
      if (isAbsent) return Outcome.failed;
      if (isUnsafeNumber(value)) return Outcome.unreadable;
      return test(value) ? Outcome.proved : Outcome.failed;
    }
    if (token.isEvery) return elements(value, at);
    if (isJsonObject(value)) {
      if (!isSpeltOnce(value, token)) return Outcome.ambiguous;
      const member = value.get(token.text);
      return member === undefined ? Outcome.missing : walk(member, at + 1);
    }
    if (Array.isArray(value)) {
      if (token.index < 0) return Outcome.failed;
      const element = (value as readonly JsonValue[])[token.index];
      return element === undefined ? Outcome.missing : walk(element, at + 1);
    }
    // Nothing is in a null. A scalar has no members either, but who writes one there means something else.
    return value === null || isAbsent ? Outcome.missing : Outcome.failed;
  }

  function elements(value: JsonValue, at: number): Outcome {
    if (!Array.isArray(value)) return isAbsent && value === null ? Outcome.missing : Outcome.failed;
    let outcome: Outcome = value.length === 0 ? Outcome.empty : Outcome.proved;
    for (const element of value as readonly JsonValue[]) {
      outcome = allOf(outcome, walk(element, at + 1), presence);
      if (outcome >= Outcome.failed) return outcome;
    }
    return isAbsent ? Outcome.missing : outcome;
  }

  return (root) => walk(root, 0);
}

/** For a guard: any spelling counts, any element or member is `*`, and a list of a value is that value to some. */
export function compileJsonSearch(
  ways: readonly (readonly Token[])[],
  test: (value: JsonValue) => boolean,
): (root: JsonValue) => Found {
  function walk(value: JsonValue, tokens: readonly Token[], at: number): Found {
    const token = tokens[at];
    if (token === undefined && !Array.isArray(value)) return test(value) ? Found.match : Found.other;
    if (token === undefined || (token.isEvery && Array.isArray(value))) {
      return best(value as readonly JsonValue[], tokens, token === undefined ? at : at + 1);
    }
    if (Array.isArray(value)) {
      const all = value as readonly JsonValue[];
      const element = token.index < 0 ? undefined : all[token.index];
      const there = element === undefined ? Found.nowhere : walk(element, tokens, at + 1);
      if (there === Found.match) return there;
      // Endpoints that take one of something often take a list of them, too.
      const inEach = best(all, tokens, at);
      return inEach > there ? inEach : there;
    }
    if (!isJsonObject(value)) return Found.nowhere;
    return token.isEvery ? best(value.values(), tokens, at + 1) : spellings(value, token, tokens, at + 1);
  }

  function best(values: Iterable<JsonValue>, tokens: readonly Token[], at: number): Found {
    let found: Found = Found.nowhere;
    for (const value of values) {
      const there = walk(value, tokens, at);
      if (there === Found.match) return there;
      if (there > found) found = there;
    }
    return found;
  }

  function spellings(object: JsonObject, { folded }: Token, tokens: readonly Token[], at: number): Found {
    const plain = object.get(folded);
    let found: Found = plain === undefined ? Found.nowhere : walk(plain, tokens, at);
    for (const key of unfoldedKeys(object)?.get(folded) ?? []) {
      const there = walk(object.get(key) ?? null, tokens, at);
      if (there > found) found = there;
    }
    return found;
  }

  return (root) => {
    let found: Found = Found.nowhere;
    for (const tokens of ways) {
      const there = walk(root, tokens, 0);
      if (there > found) found = there;
    }
    return found;
  };
}

/** Whether every server finds it there: in its own spelling, in every element, and not null. */
export function compileJsonPresence(tokens: readonly Token[]): (root: JsonValue) => boolean {
  function walk(value: JsonValue | undefined, at: number): boolean {
    const token = tokens[at];
    if (value === undefined || value === null) return false;
    if (token === undefined) return true;
    if (isJsonObject(value)) return !token.isEvery && walk(value.get(token.text), at + 1);
    if (!Array.isArray(value)) return false;
    const all = value as readonly JsonValue[];
    if (token.isEvery) return all.length > 0 && all.every((element) => walk(element, at + 1));
    return token.index >= 0 && walk(all[token.index], at + 1);
  }
  return (root) => walk(root, 0);
}

/** Whether an object has a key that is the token to some, in whatever spelling. */
export function hasSpelling(object: JsonObject, folded: string): boolean {
  return object.has(folded) || (unfoldedKeys(object)?.has(folded) ?? false);
}

function isSpeltOnce(object: JsonObject, { text, folded }: Token): boolean {
  const others = unfoldedKeys(object)?.get(folded)?.length ?? 0;
  const all = others + (object.has(folded) ? 1 : 0);
  return all === (object.has(text) ? 1 : 0);
}

type Keys = ReadonlyMap<string, readonly string[]>;

/** Of each object that was looked into, its keys that are not what they fold to; null when all are. */
const known = new WeakMap<JsonObject, Keys | null>();

function unfoldedKeys(object: JsonObject): Keys | null {
  const remembered = known.get(object);
  if (remembered !== undefined) return remembered;
  let keys: Map<string, string[]> | null = null;
  for (const key of object.keys()) {
    const folded = foldCase(key);
    if (folded === key) continue;
    keys ??= new Map();
    const spellings = keys.get(folded);
    if (spellings === undefined) keys.set(folded, [key]);
    else spellings.push(key);
  }
  known.set(object, keys);
  return keys;
}
