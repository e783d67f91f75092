// Methods of a rule. What some frameworks take for the method, `_method` in a query or a form, counts too (H-33).

import { mayOverride } from './method-override.ts';
import { listed } from './place.ts';
import {
  isUnreadable,
  type BodyNeed,
  type Condition,
  type Miss,
  type Reading,
  type Stance,
} from './reading.ts';

/** Forms are small; what is longer is not one that a rule can be sure of. */
const formNeed: BodyNeed = { maxBytes: 1024 * 1024, until: 'end' };

export function methodMiss(methods: readonly string[], stance: Stance = 'grant'): Miss {
  const verb = stance === 'grant' ? 'allows' : 'is about';
  return { field: 'methods', message: `The rule ${verb} ${listed(methods)}.` };
}

/** The condition on the head alone. */
export function compileMethods(methods: readonly string[] | undefined, stance: Stance): Condition | null {
  if (methods === undefined) return null;
  const miss = methodMiss(methods, stance);
  const override: Miss = {
    field: 'methods',
    message: 'The query has _method, which some frameworks take for the method: leave it out.',
  };
  if (stance === 'grant') {
    const allowed = new Set(methods);
    return (reading) => {
      if (!allowed.has(reading.request.method)) return miss;
      return reading.overridesMethod() ? override : null;
    };
  }
  // HTTP methods are case-sensitive, but a server may fold them; the guard cannot rule that out.
  const denied = new Set(methods.map((method) => method.toUpperCase()));
  return (reading) => {
    const { method } = reading.request;
    return denied.has(method) || denied.has(method.toUpperCase()) || reading.overridesMethod() ? null : miss;
  };
}

const inForm: Miss = {
  field: 'methods',
  message: 'The form has _method, which some frameworks take for the method: leave it out.',
};
const unreadableForm: Miss = {
  field: 'methods',
  message:
    'The form cannot be read in one way, and may have _method, which some frameworks take for the method.',
  reason: 'body_unreadable',
};

/** What a form may say besides; asked only where the condition on the head did not decide. Null when it says nothing. */
export function formOverride(reading: Reading): Miss | null {
  const content = reading.content();
  if (isUnreadable(content)) return unreadableForm;
  return content.kind === 'Form' && mayOverride(content.pairs) ? inForm : null;
}

export function formOverrideNeed(reading: Reading): BodyNeed | null {
  const { method, headers, body } = reading.request;
  if (method !== 'POST' || body.kind === 'none') return null;
  const kind = reading.mediaKind();
  return kind === 'Form' || (kind === 'unreadable' && claimsForm(headers)) ? formNeed : null;
}

/** Servers read a form in another charset, compressed, or beside a second Content-Type; we do not. */
function claimsForm(headers: readonly string[]): boolean {
  return headers.some((value, at) => at % 2 === 1 && /x-www-form-urlencoded/i.test(value));
}
