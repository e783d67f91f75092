// Conditions on the body. A name that is governed here must not be in the query as well: PHP, Rails and Slack's API
// take it from either.

import { isTooLong, type Content } from '../content/content.ts';
import { isUnreadable, type Condition, type Miss, type Reading, type Stance } from '../reading.ts';
import type { RulesetBody } from '../ruleset.ts';
import type { Unreadable } from '../unreadable.ts';
import {
  compileProven,
  compileSought,
  findBroken,
  missOf,
  type FieldPlace,
  type ProvenField,
  type SoughtField,
} from './field.ts';
import type { NameNode } from './name-tree.ts';
import { compileFormOthers, compileJsonOthers } from './others.ts';
import { Found } from './outcome.ts';
import { describeOthers } from './sentence.ts';

const place: FieldPlace = { where: 'body', subject: "The body's" };

export function compileBody(body: RulesetBody, stance: Stance): Condition {
  const broken = findBroken(body, place);
  if (broken !== null) return () => (stance === 'grant' ? broken : null);
  return stance === 'grant' ? compileGrant(body) : compileGuard(body);
}

function typesMiss({ types }: RulesetBody): Miss {
  const names = types.map((type) => (type === 'Json' ? 'JSON' : 'a URL-encoded form')).join(' or ');
  return { field: 'body.types', message: `The body must be ${names}, and its Content-Type must say so.` };
}

const unreadable: Miss = {
  field: 'body',
  message:
    'The body must be readable in exactly one way: UTF-8, no name twice, not compressed, one Content-Type.',
  reason: 'body_unreadable',
};

const unreadableQuery: Miss = {
  field: 'body.fields',
  message: 'The query must be readable in one way, since servers take what the body says from there as well.',
};

function compileGrant(body: RulesetBody): Condition {
  const { maxBytes } = body;
  const types: ReadonlySet<string> = new Set(body.types);
  const otherType = typesMiss(body);
  const tooLong: Miss = {
    field: 'body.maxBytes',
    message: `The body must have at most ${maxBytes} bytes.`,
    reason: 'body_too_large',
  };
  const all = compileProven(body, place);
  const test = compileContent(body, all);
  return (reading) => {
    const { body: sent } = reading.request;
    const content = reading.content();
    if (isTooLong(content)) return tooLong;
    if (isUnreadable(content)) return unreadable;
    if (!types.has(content.kind)) return otherType;
    if (sent.kind === 'read' && sent.bytes.length > maxBytes) return tooLong;
    return test(content, reading) ?? (all.length === 0 ? null : missInQuery(reading, all));
  };
}

function compileContent(
  body: RulesetBody,
  all: readonly ProvenField[],
): (content: Content, reading: Reading) => Miss | null {
  const pointers = Object.keys(body.fields ?? {});
  const isClosed = body.others === 'Deny';
  const others: Miss = { field: 'body.others', message: describeOthers('The body', pointers) };
  const hasOtherInJson = compileJsonOthers(pointers);
  const hasOtherInForm = compileFormOthers(all);
  return (content, reading) => {
    for (const field of all) {
      const outcome =
        content.kind === 'Json' ? field.inJson(content.value) : field.inNames(reading.formNames());
      const miss = missOf(field, outcome);
      if (miss !== null) return miss;
    }
    if (!isClosed) return null;
    if (content.kind === 'Json') return hasOtherInJson(content.value) ? others : null;
    return content.kind === 'Form' && hasOtherInForm(content.pairs) ? others : null;
  };
}

function missInQuery(reading: Reading, all: readonly ProvenField[]): Miss | null {
  if (reading.request.query === null) return null;
  const root = reading.parameterNames();
  if (isUnreadable(root)) return unreadableQuery;
  for (const { base, elsewhere } of all) {
    if (base !== null && root.members.has(base)) return elsewhere;
  }
  return null;
}

function compileGuard(body: RulesetBody): Condition {
  const types: ReadonlySet<string> = new Set(body.types);
  const otherType = typesMiss(body);
  const all = compileSought(body, place);
  return (reading) => {
    const content = reading.content();
    if (isUnreadable(content)) return null;
    // Servers sniff: JSON that is sent as text/plain is JSON to some.
    if (content.kind === 'Other') return null;
    if (content.kind === 'Multipart') return all.length === 0 ? otherType : null;
    const names = reading.parameterNames();
    // What is not in a body that the rule means may still be in the query.
    if (!types.has(content.kind)) return isInQueryAlone(all, names) ? null : otherType;
    for (const field of all) if (!isPossible(field, content, names, reading)) return field.miss;
    return null;
  };
}

function isPossible(
  field: SoughtField,
  content: Content,
  names: NameNode | Unreadable,
  reading: Reading,
): boolean {
  if (isUnreadable(names)) return true;
  const isJson = content.kind === 'Json';
  if (field.presence === 'absent') {
    return isJson ? !field.isSurelyInJson(content.value) : !field.isSurelyInNames(reading.formNames());
  }
  const inBody = isJson ? field.inJson(content.value) : field.inNames(reading.formNames());
  if (inBody === Found.match) return true;
  const inQuery = field.inNames(names);
  if (inQuery === Found.match) return true;
  return field.presence === 'optional' && inBody === Found.nowhere && inQuery === Found.nowhere;
}

/** Whether the query could hold all that the rule means, and does hold some of it. */
function isInQueryAlone(all: readonly SoughtField[], names: NameNode | Unreadable): boolean {
  if (isUnreadable(names)) return all.length > 0;
  let isThere = false;
  for (const { presence, inNames } of all) {
    if (presence === 'absent') continue;
    const found = inNames(names);
    if (found === Found.match) isThere = true;
    else if (found === Found.other || presence === 'required') return false;
  }
  return isThere;
}
