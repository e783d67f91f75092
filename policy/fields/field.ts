// One governed field, compiled for its stance: as it is looked for in JSON and in names, and what is said when it is
// not as the rule asks.

import type { JsonValue } from '../content/json.ts';
import type { Miss } from '../reading.ts';
import type { RulesetFields, RulesetMatcher } from '../ruleset.ts';
import { compileExactness } from './exactness.ts';
import { compileJsonPresence, compileJsonProof, compileJsonSearch } from './json-path.ts';
import { compileLikeness } from './likeness.ts';
import type { ValueTest } from './matcher.ts';
import type { NameNode } from './name-tree.ts';
import { compileNamePresence, compileNameProof, compileNameSearch } from './name-path.ts';
import { Outcome, type Found, type Presence } from './outcome.ts';
import { formPath, literalToken, namePath, parsePointer, type NamePath, type Token } from './pointer.ts';
import { findFieldProblems } from './problems.ts';
import { describeField } from './sentence.ts';
import { everyPart, foldCase, foldHeader, partsInPhp, partsOf } from './spelling.ts';

export interface Field {
  readonly presence: Presence;
  /** Its first name, folded: what it goes by in the place that it must not be in; null under `*`. */
  readonly base: string | null;
  /** Its whole name, folded: a key of JSON may have brackets and points in it. */
  readonly key: string;
  readonly path: NamePath;
  readonly miss: Miss;
  /** It is there in two spellings, or twice. */
  readonly ambiguous: Miss;
  /** It is a number that not everybody reads alike. */
  readonly inexact: Miss;
  /** It is in the body and governed in the query, or the reverse. */
  readonly elsewhere: Miss;
}

/** Of a grant. */
export interface ProvenField extends Field {
  readonly inJson: (root: JsonValue) => Outcome;
  readonly inNames: (root: NameNode) => Outcome;
}

/** Of a guard. */
export interface SoughtField extends Field {
  readonly inJson: (root: JsonValue) => Found;
  readonly inNames: (root: NameNode) => Found;
  readonly isSurelyInJson: (root: JsonValue) => boolean;
  readonly isSurelyInNames: (root: NameNode) => boolean;
}

/** Where fields stand: how their keys are read, and what they are called. */
export interface FieldPlace {
  /** The condition's path inside the rule; null for arguments, where the caller puts it before. */
  readonly where: 'query' | 'headers' | 'body' | null;
  /** `The query's` and the like; the field's name follows. */
  readonly subject: string;
}

/** A Miss for a condition that can never match, so that its grant grants nothing; null when there is none. */
export function findBroken(fields: RulesetFields, { where }: FieldPlace): Miss | null {
  const [problem] = findFieldProblems(fields, where ?? '');
  if (problem === undefined) return null;
  const field = problem.field.replace(/^\./, '');
  return { field, message: `The rule cannot match: ${field} ${problem.message}.` };
}

export function compileProven(fields: RulesetFields, place: FieldPlace): readonly ProvenField[] {
  return Object.entries(fields.fields ?? {}).map(([key, matcher]) =>
    provenField(key, matcher, place, compileExactness(matcher)),
  );
}

/** @param test what the matcher asks for, or more. */
export function provenField(
  key: string,
  matcher: RulesetMatcher,
  place: FieldPlace,
  test: ValueTest,
): ProvenField {
  const { field, tokens } = locate(key, matcher, place);
  return {
    ...field,
    inJson: compileJsonProof(tokens, test.json, field.presence),
    inNames: compileNameProof(field.path, test.text, field.presence),
  };
}

export function compileSought(fields: RulesetFields, place: FieldPlace): readonly SoughtField[] {
  return Object.entries(fields.fields ?? {}).map(([key, matcher]) => {
    const { field, tokens } = locate(key, matcher, place);
    const test = compileLikeness(matcher);
    const text = place.where === 'headers' ? anyMember(test.text) : test.text;
    return {
      ...field,
      inJson: compileJsonSearch(place.where === 'query' ? namesOf(key) : [tokens], test.json),
      inNames: compileNameSearch(field.path, text),
      isSurelyInJson: compileJsonPresence(tokens),
      isSurelyInNames: compileNamePresence(field.path),
    };
  });
}

/** What a name of the query may be in JSON: nested, or a key with brackets in it. */
function namesOf(name: string): readonly (readonly Token[])[] {
  return [partsOf(name).map(literalToken), [literalToken(name)]];
}

/** A header that holds a list is the same as one header for each member (RFC 9110 section 5.3). */
function anyMember(test: (text: string) => boolean): (text: string) => boolean {
  return (value) => test(value) || (value.includes(',') && value.split(',').some(test));
}

/** What a grant says to an outcome. */
export function missOf({ presence, miss, ambiguous, inexact }: Field, outcome: Outcome): Miss | null {
  if (outcome === Outcome.ambiguous) return ambiguous;
  if (outcome === Outcome.unreadable) return inexact;
  const isThere = outcome === Outcome.proved || outcome === Outcome.failed;
  if (presence === 'required' || isThere) return outcome === Outcome.proved ? null : miss;
  return null;
}

function locate(
  key: string,
  matcher: RulesetMatcher,
  { where, subject }: FieldPlace,
): { readonly field: Field; readonly tokens: readonly Token[] } {
  const isNamed = where === 'query' || where === 'headers';
  const tokens = isNamed ? partsOf(key).map(literalToken) : (parsePointer(key) ?? []);
  const path = isNamed ? pathOf(key, where) : formPath(tokens);
  const [base] = path.parts;
  const name = `${where === null ? '' : `${where}.`}fields[${key}]`;
  return {
    tokens,
    field: {
      presence: matcher.absent === true ? 'absent' : matcher.optional === true ? 'optional' : 'required',
      base: base === undefined || base === everyPart ? null : base,
      key: foldCase(isNamed ? key : (tokens[0]?.text ?? '')),
      path,
      miss: { field: name, message: describeField(`${subject} ${key}`, matcher) },
      ambiguous: {
        field: name,
        message: `${subject} ${key} must be there once at most, and in no other spelling beside it.`,
      },
      inexact: {
        field: name,
        message: `${subject} ${key} must not be a number beyond what a double holds exactly, nor -0.`,
        reason: 'body_unreadable',
      },
      elsewhere: {
        field: name,
        message: `${key} must not be in the ${where === 'query' ? 'body' : 'query'} as well: servers take it from either.`,
      },
    },
  };
}

function pathOf(name: string, where: 'query' | 'headers'): NamePath {
  if (where === 'query') return namePath(name, partsOf(name), partsInPhp(name));
  return namePath(name.toLowerCase(), [foldHeader(name)]);
}
