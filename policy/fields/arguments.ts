// Conditions on the arguments of an MCP tool.

import type { JsonObject } from '../content/json.ts';
import type { Miss, Stance } from '../reading.ts';
import type { RulesetFields } from '../ruleset.ts';
import { compileProven, compileSought, findBroken, missOf, type FieldPlace } from './field.ts';
import { compileJsonOthers } from './others.ts';
import { Found } from './outcome.ts';
import { describeOthers } from './sentence.ts';

const place: FieldPlace = { where: null, subject: "The tool's argument" };

/** Absent arguments are none. */
const none: JsonObject = new Map();

/** @returns a condition whose Miss has the field below the tool's `arguments`, such as `fields[/project]`. */
export function compileArguments(
  fields: RulesetFields,
  stance: Stance,
): (args: JsonObject | null) => Miss | null {
  const broken = findBroken(fields, place);
  if (broken !== null) return () => (stance === 'grant' ? broken : null);
  return stance === 'grant' ? compileGrant(fields) : compileGuard(fields);
}

function compileGrant(fields: RulesetFields): (args: JsonObject | null) => Miss | null {
  const all = compileProven(fields, place);
  const pointers = Object.keys(fields.fields ?? {});
  const hasOther = fields.others === 'Deny' ? compileJsonOthers(pointers) : null;
  const others: Miss = { field: 'others', message: describeOthers("The tool's arguments", pointers) };
  return (args) => {
    const root = args ?? none;
    for (const field of all) {
      const miss = missOf(field, field.inJson(root));
      if (miss !== null) return miss;
    }
    return hasOther?.(root) === true ? others : null;
  };
}

function compileGuard(fields: RulesetFields): (args: JsonObject | null) => Miss | null {
  const all = compileSought(fields, place);
  return (args) => {
    const root = args ?? none;
    for (const { presence, inJson, isSurelyInJson, miss } of all) {
      if (presence === 'absent') {
        if (isSurelyInJson(root)) return miss;
        continue;
      }
      const found = inJson(root);
      if (found === Found.other || (found === Found.nowhere && presence !== 'optional')) return miss;
    }
    return null;
  };
}
