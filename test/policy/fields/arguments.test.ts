import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import { readJson, type JsonObject } from '../../../policy/content/json.ts';
import { compileArguments } from '../../../policy/fields/arguments.ts';
import type { RulesetFields } from '../../../policy/ruleset.ts';

const issue: RulesetFields = {
  fields: {
    '/project': { oneOf: ['DOCS'] },
    '/labels/*': { maxLength: 5, optional: true },
    '/meta/priority': { type: 'Number', optional: true },
  },
  others: 'Deny',
};
const open: RulesetFields = { fields: { '/count': { max: 10, optional: true } } };

function argumentsOf(source: string | null): JsonObject | null {
  return source === null ? null : (readJson(Buffer.from(source)) as JsonObject);
}

describe('arguments are not proven', () => {
  const cases: Record<string, [fields: RulesetFields, args: string | null, field: string]> = {
    'when there are none (M-09)': [issue, null, 'fields[/project]'],
    'when one is missing (M-09)': [issue, '{}', 'fields[/project]'],
    'when one has another value (M-09)': [issue, '{"project":"SECRET"}', 'fields[/project]'],
    'when one has another letter case (M-09)': [issue, '{"project":"docs"}', 'fields[/project]'],
    'when another spelling is beside it (M-02)': [
      issue,
      '{"project":"DOCS","Project":"SECRET"}',
      'fields[/project]',
    ],
    'when one is a list of the value (M-09)': [issue, '{"project":["DOCS"]}', 'fields[/project]'],
    'when a number is a string (M-09)': [open, '{"count":"1"}', 'fields[/count]'],
    'when a string is a number (M-09)': [issue, '{"project":1}', 'fields[/project]'],
    'when a number is unsafe (M-09)': [open, '{"count":-0}', 'fields[/count]'],
    'when an element is too long (M-09)': [
      issue,
      '{"project":"DOCS","labels":["a","abcdef"]}',
      'fields[/labels/*]',
    ],
    'when an element is a list (M-09)': [issue, '{"project":"DOCS","labels":[["a"]]}', 'fields[/labels/*]'],
    'when one is not listed (M-09)': [issue, '{"project":"DOCS","assignee":"x"}', 'others'],
    'when one inside is not listed (M-09)': [issue, '{"project":"DOCS","meta":{"x":1}}', 'others'],
    'when the pattern does not compile': [{ fields: { '/a': { pattern: '(' } } }, '{"a":"x"}', 'fields[/a]'],
  };
  for (const [when, [fields, args, field]] of Object.entries(cases)) {
    it(when, () => assert.equal(compileArguments(fields, 'grant')(argumentsOf(args))?.field, field));
  }
});

describe('arguments are proven', () => {
  const cases: Record<string, [fields: RulesetFields, args: string | null]> = {
    'when all are as asked (M-09)': [issue, '{"project":"DOCS","labels":["a","b"],"meta":{"priority":1}}'],
    'when the optional ones are missing': [issue, '{"project":"DOCS"}'],
    'when there are none and none is asked for': [open, null],
    'when others are open': [open, '{"x":{"y":[1]}}'],
    'when there are none and none may be': [{ others: 'Deny' }, null],
  };
  for (const [when, [fields, args]] of Object.entries(cases)) {
    it(when, () => assert.equal(compileArguments(fields, 'grant')(argumentsOf(args)), null));
  }
});

describe('a guard on arguments', () => {
  const secret: RulesetFields = { fields: { '/project': { equals: 'SECRET' } } };
  const cases: Record<string, [fields: RulesetFields, args: string | null, holds: boolean]> = {
    'holds on the value': [secret, '{"project":"SECRET"}', true],
    'holds on another letter case of name and value (M-02)': [secret, '{"Project":"secret"}', true],
    'holds on one of two spellings (M-02)': [secret, '{"project":"DOCS","PROJECT":"SECRET"}', true],
    'holds on a list of the value (M-09)': [secret, '{"project":["SECRET"]}', true],
    'holds when its pattern does not compile': [{ fields: { '/a': { pattern: '(' } } }, null, true],
    'holds when what it wants absent is': [{ fields: { '/a': { absent: true } } }, null, true],
    'is ruled out by another value': [secret, '{"project":"DOCS"}', false],
    'is ruled out when there are none': [secret, null, false],
    'is ruled out when what it wants absent is there': [
      { fields: { '/a': { absent: true } } },
      '{"a":1}',
      false,
    ],
  };
  for (const [what, [fields, args, holds]] of Object.entries(cases)) {
    it(what, () => assert.equal(compileArguments(fields, 'guard')(argumentsOf(args)) === null, holds));
  }
});
