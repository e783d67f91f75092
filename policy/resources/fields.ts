// Conditions on names and values: of a query, of headers, of a body, of an MCP tool's arguments.

import { z } from 'zod';
import { parsePattern, PatternProblem } from '../pattern/syntax.ts';
import { constrain, countCharacters, listOf, text } from './constraint.ts';

/** What of a matcher looks at a value; `optional` and `type` say when and as what. */
const valueKeys = ['equals', 'oneOf', 'startsWith', 'pattern', 'min', 'max', 'maxLength'] as const;

type MatcherFields = z.infer<ReturnType<typeof matcherFields>>;

/** The API server compiles RE2 with Go's engine, local mode with ours; how large a pattern may be is ours to report. */
function isPattern(value: string): boolean {
  try {
    parsePattern(value, false);
    return true;
  } catch (error) {
    if (error instanceof PatternProblem) return false;
    throw error;
  }
}

const pattern = constrain(text(512, 1), {
  // Fails with what is wrong about a broken pattern, and says the message after that.
  cel: `''.matches(self) in [true, false]`,
  holds: isPattern,
  message:
    'is no RE2 pattern: write one that the whole value matches, such as [a-z]+@acme[.]example; there are no lookaheads and no backreferences, and a repetition counts to 1000',
});

function matcherFields() {
  return z.strictObject({
    optional: z
      .boolean()
      .describe('May be missing; if it is there, the rest must hold. Absent means false.')
      .optional(),
    type: z
      .enum(['String', 'Number', 'Boolean'])
      .describe(
        'What the value must be; absent means String, or Number beside min and max. In JSON nothing converts; in a query or a form a number is a plain decimal, such as 12 or 0.5.',
      )
      .optional(),
    equals: text(512)
      .describe('The one value that is accepted, written as a string whatever its type.')
      .optional(),
    oneOf: listOf(text(256), 64, 'usd')
      .describe('The values that are accepted, written as strings.')
      .optional(),
    startsWith: text(256, 1).describe('What the value must start with.').optional(),
    pattern: pattern
      .describe('RE2 pattern that the whole value must match, as if it stood between ^ and $.')
      .optional(),
    min: z.int().describe('Smallest number that is accepted.').optional(),
    max: z.int().describe('Largest number that is accepted.').optional(),
    maxLength: z
      .int()
      .min(1)
      .max(10_000_000)
      .describe('Longest string that is accepted, in Unicode characters.')
      .optional(),
    absent: z
      .literal(true)
      .describe('The name must not be there at all, in no spelling. Stands alone.')
      .optional(),
  });
}

const has = (key: string): string => `has(self.${key})`;
const none = (keys: readonly string[]): string => keys.map((key) => `!${has(key)}`).join(' && ');

function lacks(value: MatcherFields, keys: readonly (keyof MatcherFields)[]): boolean {
  return keys.every((key) => value[key] === undefined);
}

/** Only the characters of a decimal: what costs more does not fit the API server's limits at 64 × 16 × 16 matchers. */
const notDecimal = String.raw`[^\d.-]`;
const isDecimal = (value: string): boolean => !new RegExp(notDecimal).test(value);
const isNumberCel = `(has(self.type) && self.type == 'Number') || has(self.min) || has(self.max)`;

const matcher = () => {
  let schema = constrain(matcherFields(), {
    cel: `!has(self.absent) || (${none([...valueKeys, 'type', 'optional'])})`,
    holds: (value) => value.absent === undefined || lacks(value, [...valueKeys, 'type', 'optional']),
    message:
      'has absent beside other keys: what must not be there has no value; write { absent: true } alone',
  });
  schema = constrain(schema, {
    cel: `!has(self.type) || (self.type == 'String' ? ${none(['min', 'max'])} : self.type == 'Number' ? ${none(['startsWith', 'pattern', 'maxLength'])} : ${none(valueKeys.filter((key) => key !== 'equals'))})`,
    holds: (value) => {
      if (value.type === undefined) return true;
      if (value.type === 'String') return lacks(value, ['min', 'max']);
      if (value.type === 'Number') return lacks(value, ['startsWith', 'pattern', 'maxLength']);
      return lacks(
        value,
        valueKeys.filter((key) => key !== 'equals'),
      );
    },
    message:
      'has keys that do not fit its type: String takes equals, oneOf, startsWith, pattern and maxLength, Number equals, oneOf, min and max, Boolean equals',
  });
  schema = constrain(schema, {
    cel: `!((has(self.min) || has(self.max)) && (has(self.startsWith) || has(self.pattern) || has(self.maxLength)))`,
    holds: (value) => lacks(value, ['min', 'max']) || lacks(value, ['startsWith', 'pattern', 'maxLength']),
    message:
      'asks for a number (min, max) and for a string (startsWith, pattern, maxLength): write one of the two',
  });
  schema = constrain(schema, {
    cel: `!has(self.equals) || (${isNumberCel} ? !self.equals.matches(r'${notDecimal}') : !has(self.type) || self.type != 'Boolean' || self.equals in ['true', 'false'])`,
    holds: ({ equals, type, min, max }) => {
      if (equals === undefined) return true;
      if (type === 'Boolean') return equals === 'true' || equals === 'false';
      return !(type === 'Number' || min !== undefined || max !== undefined) || isDecimal(equals);
    },
    message:
      'has an equals that its type never has: a Number is written as a plain decimal, such as "12" or "0.5", a Boolean as "true" or "false"',
  });
  return constrain(schema, {
    cel: '!has(self.min) || !has(self.max) || self.min <= self.max',
    holds: ({ min, max }) => min === undefined || max === undefined || min <= max,
    message: 'has a min above its max: nothing is accepted',
  }).meta({ 'x-kubernetes-map-type': 'atomic' });
};

interface NameForm {
  readonly cel: string;
  readonly holds: (name: string) => boolean;
  readonly message: string;
}

const plainName: NameForm = {
  cel: 'key.size() > 0 && key.size() <= 128',
  holds: (name) => name.length > 0 && countCharacters(name) <= 128,
  message:
    'has more than 16 names, or one that is empty or longer than 128 characters: write such as { amount: { max: 5000 } }',
};

const pointer: NameForm = {
  cel: `key.startsWith('/') && key.size() > 1 && key.size() <= 256`,
  holds: (name) => name.startsWith('/') && name.length > 1 && countCharacters(name) <= 256,
  message:
    'has more than 16 names, or one that is no JSON pointer of at most 256 characters: write such as /amount or /items/*/price',
};

function fieldMap({ cel, holds, message }: NameForm) {
  return constrain(z.record(z.string(), matcher()), {
    cel: `self.size() > 0 && self.size() <= 16 && self.all(key, ${cel})`,
    holds: (value) => {
      const names = Object.keys(value);
      return names.length > 0 && names.length <= 16 && names.every(holds);
    },
    message: `is empty, ${message}`,
    // The API server multiplies what a rule costs by how many there can be.
  }).meta({ maxProperties: 16 });
}

const others = () =>
  z
    .enum(['Allow', 'Deny'])
    .describe(
      'What becomes of a request that has more than fields lists: Deny refuses it. Absent means Allow. Only grants may say Deny.',
    )
    .optional();

const named = (what: string) =>
  fieldMap(plainName)
    .describe(
      `By name: in a grant each must be there exactly once, unless optional, and satisfy its matcher. ${what}`,
    )
    .optional();

const pointed = (what: string) =>
  fieldMap(pointer)
    .describe(
      `By JSON pointer, such as /amount; * is every element of a list in a grant, any in a guard. In a grant each must be there exactly once, unless optional, and satisfy its matcher. ${what}`.trim(),
    )
    .optional();

/** `{}` says nothing, and is an unfinished thought. */
function saysSomething<S extends z.ZodType>(schema: S, what: string): S {
  return constrain(schema, {
    cel: 'has(self.fields) || has(self.others)',
    holds: (value) => {
      const { fields, others: rest } = value as { fields?: unknown; others?: unknown };
      return fields !== undefined || rest !== undefined;
    },
    message: `is empty: write fields, others: Deny or both, or leave ${what} out`,
  });
}

export const query = () =>
  saysSomething(
    z.strictObject({
      fields: named('A name that is listed here must not be in the body.'),
      others: others(),
    }),
    'query',
  )
    .describe('Conditions on the query. A grant needs each proved; a guard applies unless one is ruled out.')
    .optional();

export const headers = () =>
  saysSomething(
    z.strictObject({ fields: named('Names of headers, in any letter case.'), others: others() }),
    'headers',
  )
    .describe(
      'Conditions on headers of the request. A grant needs each proved; a guard applies unless one is ruled out.',
    )
    .optional();

/** Bodies are held in the sidecar's memory while they are read: 64 MiB is all it has under load. */
const maxBytes = constrain(text(12), {
  cel: `self.matches(r'^[1-9][0-9]{0,7}(Ki|Mi)?$') && quantity(self).compareTo(quantity('16Mi')) <= 0`,
  holds: (value) => (quantityBytes(value) ?? Infinity) <= 16 * 1024 * 1024,
  message: 'is no size up to 16Mi: write bytes, Ki or Mi, such as 64Ki',
});

/** Bytes of a quantity as `maxBytes` accepts it, or null. */
export function quantityBytes(text: string): number | null {
  const [, digits, unit = ''] = /^([1-9]\d{0,7})(Ki|Mi)?$/.exec(text) ?? [];
  if (digits === undefined) return null;
  return Number(digits) * (unit === 'Ki' ? 1024 : unit === 'Mi' ? 1024 * 1024 : 1);
}

export const defaultMaxBytes = '64Ki';

export const body = () =>
  z
    .strictObject({
      types: listOf(z.enum(['Json', 'Form']), 2, 'Json')
        .describe('Media types that are accepted and read: JSON, or a URL-encoded form. Absent means both.')
        .optional(),
      maxBytes: maxBytes
        .describe(
          `Longest body that is accepted: it is held in memory to be read. Default ${defaultMaxBytes}.`,
        )
        .optional(),
      fields: pointed('A name that is listed here must not be in the query.'),
      others: others(),
    })
    .describe(
      'Conditions on the body, which must be readable in exactly one way. A grant needs each proved; a guard applies unless one is ruled out.',
    )
    .optional();

export const toolArguments = () =>
  saysSomething(z.strictObject({ fields: pointed(''), others: others() }), 'arguments')
    .describe("Conditions on the tool's arguments; absent means any.")
    .optional();
