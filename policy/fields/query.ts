// Conditions on the query. A name that is governed here must not be in a body as well: PHP, Rails and Slack's API take
// it from either.

import { isNotRead, isTooLong, type Content } from '../content/content.ts';
import { isJsonObject } from '../content/json.ts';
import { isUnreadable, type Condition, type Miss, type Reading, type Stance } from '../reading.ts';
import type { RulesetFields } from '../ruleset.ts';
import {
  compileProven,
  compileSought,
  findBroken,
  missOf,
  type FieldPlace,
  type ProvenField,
  type SoughtField,
} from './field.ts';
import { hasSpelling } from './json-path.ts';
import type { NameNode } from './name-tree.ts';
import { Found } from './outcome.ts';
import { describeOthers } from './sentence.ts';

const place: FieldPlace = { where: 'query', subject: "The query's" };

export function compileQuery(fields: RulesetFields, stance: Stance): Condition {
  const broken = findBroken(fields, place);
  if (broken !== null) return () => (stance === 'grant' ? broken : null);
  return stance === 'grant' ? compileGrant(fields) : compileGuard(compileSought(fields, place));
}

/**
 * Whether a condition on names of the query has to see the body, which may hold the same names. False where the head
 * already says all: no body, or one that cannot be looked into.
 */
export function queryNeedsBody(reading: Reading): boolean {
  return reading.request.body.kind === 'unread' && isNotRead(reading.content());
}

const unreadable: Miss = {
  field: 'query',
  message: 'The query must be readable in one way: name=value joined by &, in percent-encoded UTF-8.',
};

const mixed: Miss = {
  field: 'query.fields',
  message:
    'The body must be readable as JSON or a form, since servers take what the query says from there as well.',
};
const unreadableBody: Miss = { ...mixed, reason: 'body_unreadable' };
const longBody: Miss = { ...mixed, reason: 'body_too_large' };

function compileGrant(fields: RulesetFields): Condition {
  const all = compileProven(fields, place);
  const names = Object.keys(fields.fields ?? {});
  const listed = new Set(names);
  const isClosed = fields.others === 'Deny';
  const others: Miss = { field: 'query.others', message: describeOthers('The query', names) };
  return (reading) => {
    const root = reading.parameterNames();
    if (isUnreadable(root)) return unreadable;
    for (const field of all) {
      const miss = missOf(field, field.inNames(root));
      if (miss !== null) return miss;
    }
    if (isClosed && hasOther(reading, listed)) return others;
    return all.length === 0 ? null : missInBody(reading, all);
  };
}

function hasOther(reading: Reading, listed: ReadonlySet<string>): boolean {
  const pairs = reading.parameters();
  if (isUnreadable(pairs)) return true;
  for (const pair of pairs) if (!listed.has(pair[0])) return true;
  return false;
}

function missInBody(reading: Reading, all: readonly ProvenField[]): Miss | null {
  if (reading.request.body.kind === 'none') return null;
  const content = reading.content();
  if (isUnreadable(content)) return isTooLong(content) ? longBody : unreadableBody;
  if (content.kind === 'Multipart') return mixed;
  const names = reading.formNames();
  for (const field of all) if (isInBody(content, names, field)) return field.elsewhere;
  return null;
}

function isInBody(content: Content, names: NameNode, { base, key }: ProvenField): boolean {
  if (base === null) return false;
  if (content.kind !== 'Json') return names.members.has(base);
  const { value } = content;
  return isJsonObject(value) && (hasSpelling(value, base) || hasSpelling(value, key));
}

function compileGuard(all: readonly SoughtField[]): Condition {
  return (reading) => {
    const root = reading.parameterNames();
    if (isUnreadable(root)) return null;
    for (const field of all) if (!isPossible(field, root, reading)) return field.miss;
    return null;
  };
}

function isPossible(field: SoughtField, root: NameNode, reading: Reading): boolean {
  if (field.presence === 'absent') return !field.isSurelyInNames(root);
  const inQuery = field.inNames(root);
  if (inQuery === Found.match) return true;
  const inBody = findInBody(field, reading);
  if (inBody === Found.match) return true;
  return field.presence === 'optional' && inQuery === Found.nowhere && inBody === Found.nowhere;
}

/** What cannot be looked into may hold it. */
function findInBody(field: SoughtField, reading: Reading): Found {
  if (reading.request.body.kind === 'none') return Found.nowhere;
  const content = reading.content();
  if (isUnreadable(content) || content.kind === 'Multipart') return Found.match;
  if (content.kind === 'Json') return field.inJson(content.value);
  return content.kind === 'Form' ? field.inNames(reading.formNames()) : Found.nowhere;
}
