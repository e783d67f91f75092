// Conditions on request headers. Their names have no letter case, and `_` is `-` to some servers.

import type { Condition, Miss, Stance } from '../reading.ts';
import type { RulesetFields } from '../ruleset.ts';
import {
  compileProven,
  compileSought,
  findBroken,
  missOf,
  type FieldPlace,
  type SoughtField,
} from './field.ts';
import { Found } from './outcome.ts';
import { describeOthers } from './sentence.ts';

const place: FieldPlace = { where: 'headers', subject: 'The header' };

/**
 * What `others: Deny` lets pass, since clients send it unasked and it says nothing of what is to be done: which answer
 * is understood, who asks, what the body is (which other conditions govern), and the slot that Outrider fills.
 * `sec-fetch-mode` is what fetch of Node adds to every request. Cookies and Range are not among them.
 */
const ordinary: ReadonlySet<string> = new Set([
  'accept',
  'accept-encoding',
  'accept-language',
  'authorization',
  'content-encoding',
  'content-type',
  'sec-fetch-mode',
  'user-agent',
]);

export function compileHeaders(fields: RulesetFields, stance: Stance): Condition {
  const broken = findBroken(fields, place);
  if (broken !== null) return () => (stance === 'grant' ? broken : null);
  return stance === 'grant' ? compileGrant(fields) : compileGuard(compileSought(fields, place));
}

function compileGrant(fields: RulesetFields): Condition {
  const all = compileProven(fields, place);
  const names = Object.keys(fields.fields ?? {}).map((name) => name.toLowerCase());
  const listed = new Set([...names, ...ordinary]);
  const isClosed = fields.others === 'Deny';
  const others: Miss = {
    field: 'headers.others',
    message: describeOthers('The headers, apart from those that every client sends,', names),
  };
  return (reading) => {
    const root = reading.headerNames();
    for (const field of all) {
      const miss = missOf(field, field.inNames(root));
      if (miss !== null) return miss;
    }
    if (!isClosed) return null;
    const { headers } = reading.request;
    for (let at = 0; at < headers.length; at += 2) if (!listed.has(headers[at] ?? '')) return others;
    return null;
  };
}

function compileGuard(all: readonly SoughtField[]): Condition {
  return (reading) => {
    const root = reading.headerNames();
    for (const { presence, inNames, isSurelyInNames, miss } of all) {
      if (presence === 'absent') {
        if (isSurelyInNames(root)) return miss;
        continue;
      }
      const found = inNames(root);
      if (found === Found.other || (found === Found.nowhere && presence !== 'optional')) return miss;
    }
    return null;
  };
}
