// Conditions on names and values: of a query, of headers, of a body, of an MCP tool's arguments.

import { z } from 'zod';
import { constrain, listOf } from './constraint.ts';

/** What of a matcher looks at a value; `optional` and `type` say when and as what. */
const valueKeys = ['equals', 'oneOf', 'startsWith', 'pattern', 'min', 'max', 'maxLength'] as const;

type MatcherFields = z.infer<ReturnType<typeof matcherFields>>;

function matcherFields() {
  return z.strictObject({
    optional: z.boolean().describe('May be missing; if it is there, the rest must hold.').optional(),
    type: z
      .enum(['String', 'Number', 'Boolean'])
      .describe('What the value must be; absent means a string, with min or max a number. Nothing converts.')
      .optional(),
    equals: z.string().max(1024).describe('The one value, written as a string whatever its type.').optional(),
    oneOf: listOf(z.string().max(256), 64, 'usd').describe('The values, written as strings.').optional(),
    startsWith: z.string().min(1).max(256).optional(),
    pattern: constrain(z.string().min(1).max(512), {
      cel: `''.matches(self) in [true, false]`,
      // The API server compiles RE2 there; local mode reports what does not compile as a finding.
      holds: () => true,
      message: 'is no RE2 pattern: write one that the whole value matches, such as [a-z]+@acme[.]example',
    })
      .describe('RE2 pattern that the whole value matches.')
      .optional(),
    min: z.int().describe('Smallest number that is accepted.').optional(),
    max: z.int().describe('Largest number that is accepted.').optional(),
    maxLength: z.int().min(1).max(10_000_000).describe('In Unicode characters.').optional(),
    absent: z.literal(true).describe('Must not be there at all, in no spelling.').optional(),
  });
}

const has = (key: string): string => `has(self.${key})`;
const none = (keys: readonly string[]): string => keys.map((key) => `!${has(key)}`).join(' && ');

function lacks(value: MatcherFields, keys: readonly (keyof MatcherFields)[]): boolean {
  return keys.every((key) => value[key] === undefined);
}

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
  holds: (name) => name.length > 0 && [...name].length <= 128,
  message: 'has more than 16 names, or one that is empty or longer than 128 characters',
};

const pointer: NameForm = {
  cel: `key.startsWith('/') && key.size() > 1 && key.size() <= 256`,
  holds: (name) => name.startsWith('/') && name.length > 1 && [...name].length <= 256,
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
    .describe('Deny refuses what is not listed; absent means Allow. In grants only.')
    .optional();

const named = (what: string) =>
  fieldMap(plainName)
    .describe(`By name: each must be there exactly once, unless optional, and satisfy its matcher. ${what}`)
    .optional();

const pointed = (what: string) =>
  fieldMap(pointer)
    .describe(
      `By JSON pointer, * being every element of a list: each must be there exactly once, unless optional, and satisfy its matcher. ${what}`,
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
      fields: named('A name that is governed here must not be in the body.'),
      others: others(),
    }),
    'query',
  )
    .describe('Conditions on the query.')
    .optional();

export const headers = () =>
  saysSomething(
    z.strictObject({ fields: named('Names of headers, in any letter case.'), others: others() }),
    'headers',
  )
    .describe('Conditions on request headers.')
    .optional();

/** Bodies are held in the sidecar's memory while they are read: 64 MiB is all it has under load. */
const maxBytes = constrain(z.string().max(12), {
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
      fields: pointed('A name that is governed here must not be in the query.'),
      others: others(),
    })
    .describe('Conditions on the body, which must be readable in exactly one way.')
    .optional();

export const toolArguments = () =>
  saysSomething(z.strictObject({ fields: pointed(''), others: others() }), 'arguments')
    .describe("Conditions on the tool's arguments.")
    .optional();
