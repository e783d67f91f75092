// A rule that two validators must agree on: the API server evaluates its CEL, local mode its predicate, and
// both say the same sentence. A test runs one table of examples through both.

import { z } from 'zod';

export interface Constraint<T> {
  /** CEL over `self`, for `x-kubernetes-validations`. */
  readonly cel: string;
  readonly holds: (value: T) => boolean;
  /** What is allowed, with an example; never the value. */
  readonly message: string;
}

interface Validation {
  readonly rule: string;
  readonly message: string;
}

/** Adds a constraint to a schema, after those it has. */
export function constrain<S extends z.ZodType>(schema: S, constraint: Constraint<z.output<S>>): S {
  const before = (schema.meta()?.['x-kubernetes-validations'] ?? []) as Validation[];
  const validation = { rule: constraint.cel, message: constraint.message };
  // Inputs that are already broken must not reach predicates that count on their shape.
  return schema
    .refine((value) => constraint.holds(value), { error: constraint.message, abort: true })
    .meta({ ...schema.meta(), 'x-kubernetes-validations': [...before, validation] });
}

export function countCharacters(value: string): number {
  return Array.from(value).length;
}

/** Text of bounded length, which the API server counts in characters and zod's own `max` in UTF-16 units. */
export function text(maxLength: number, minLength = 0): z.ZodString {
  return z
    .string()
    .refine((value) => countCharacters(value) <= maxLength, {
      error: `is longer than ${maxLength} characters`,
      abort: true,
    })
    .refine((value) => value.length >= minLength, {
      error: 'is empty: write some, or leave the field out',
      abort: true,
    })
    .meta(minLength === 0 ? { maxLength } : { maxLength, minLength });
}

/** Exactly one of these keys, like a Kubernetes volume source; atomic, so that two appliers never merge one. */
export function exactlyOneOf<S extends z.ZodObject>(schema: S, keys: readonly string[]): S {
  const count = keys.map((key) => `has(self.${key})`).join(', ');
  return constrain(schema, {
    cel: keys.length === 1 ? `has(self.${keys[0]})` : `[${count}].filter(set, set).size() == 1`,
    holds: (value) =>
      keys.filter((key) => (value as Record<string, unknown>)[key] !== undefined).length === 1,
    message: keys.length === 1 ? `write ${keys[0]}` : `write exactly one of ${keys.join(', ')}`,
  }).meta({ 'x-kubernetes-map-type': 'atomic' });
}

/** At most one of these keys; `without` says what none of them means. */
export function atMostOneOf<S extends z.ZodObject>(schema: S, keys: readonly string[], without: string): S {
  return constrain(schema, {
    cel: `[${keys.map((key) => `has(self.${key})`).join(', ')}].filter(set, set).size() <= 1`,
    holds: (value) => keys.filter((key) => (value as Record<string, unknown>)[key] !== undefined).length <= 1,
    message: `has several of ${keys.join(', ')}: write at most one (${without})`,
  });
}

/** A list that is replaced whole; empty ones are refused, since they mean nothing that absence does not. */
export function listOf<S extends z.ZodType>(item: S, maxItems: number, example: string): z.ZodArray<S> {
  return constrain(z.array(item).max(maxItems), {
    cel: 'self.size() > 0',
    holds: (items) => items.length > 0,
    message: `is empty: list at least one, such as ${example}, or leave the field out`,
  }).meta({ 'x-kubernetes-list-type': 'atomic' });
}
