// Methods of a rule, and what some frameworks take for the method: `_method` in a query or a form (H-33).

import {
  isUnreadable,
  type BodyNeed,
  type Condition,
  type Miss,
  type Reading,
  type Stance,
} from './reading.ts';
import { listed } from './place.ts';
import { mediaKind } from './content/media-type.ts';

/** Forms are small; what is longer is not one that a rule can be sure of. */
const maxFormBytes = 1024 * 1024;

export function methodMiss(methods: readonly string[]): Miss {
  return { field: 'methods', message: `The rule allows ${listed(methods)}.` };
}

/** The condition on the head alone. */
export function compileMethods(methods: readonly string[] | undefined, stance: Stance): Condition | null {
  if (methods === undefined) return null;
  const miss = methodMiss(methods);
  const override: Miss = {
    field: 'methods',
    message: 'The query has _method, which some frameworks take for the method: leave it out.',
  };
  if (stance === 'grant') {
    const allowed = new Set(methods);
    return (reading) => {
      if (!allowed.has(reading.request.method)) return miss;
      return overridesInQuery(reading) ? override : null;
    };
  }
  // HTTP methods are case-sensitive, but a server may fold them; the guard cannot rule that out.
  const denied = new Set(methods.map((method) => method.toUpperCase()));
  return (reading) =>
    denied.has(reading.request.method.toUpperCase()) || overridesInQuery(reading) ? null : miss;
}

/** What a form may say besides; asked only where the condition on the head did not decide. */
export function formOverride(reading: Reading): boolean {
  const content = reading.content();
  if (isUnreadable(content)) return true;
  return content.kind === 'Form' && content.pairs.some(([name]) => isOverride(name));
}

export function formOverrideNeed(reading: Reading): BodyNeed | null {
  const { request } = reading;
  if (request.method !== 'POST' || mediaKind(request.headers) !== 'Form') return null;
  return { maxBytes: maxFormBytes, until: 'end' };
}

function overridesInQuery(reading: Reading): boolean {
  const { query } = reading.request;
  // Any letter of the name may come percent-encoded; without either there is no need to decode.
  if (query === null || !/method|%/i.test(query)) return false;
  const parameters = reading.parameters();
  return isUnreadable(parameters) || parameters.some(([name]) => isOverride(name));
}

function isOverride(name: string): boolean {
  return /^_method(?:\[\d*\])?$/i.test(name);
}
