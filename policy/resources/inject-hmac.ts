// Signatures of one's own making: a template of what is signed, and where the signature goes.

import { z } from 'zod';
import { constrain, listOf, text } from './constraint.ts';
import { headerNames, queryName } from './inject-slots.ts';
import { matching } from './names.ts';

const templateForm = '^([^{}]|[{][A-Za-z0-9]+([.][A-Za-z0-9._-]+)?[}])*$';

/** Which variables there are is checked with the credential, in one place with their meaning. */
const template = (maxLength: number, example: string) =>
  matching(maxLength, templateForm, `is no template: text with variables in braces, such as ${example}`);

/** What goes onto the wire is one line of ASCII. */
const wireTemplate = matching(
  512,
  '^([ -z|~]|[{][A-Za-z0-9]+([.][A-Za-z0-9._-]+)?[}])+$',
  'is no template of one line: printable ASCII with variables in braces, such as t={timestamp},v1={signature}',
);

const headers = constrain(z.record(z.string(), wireTemplate), {
  cel: `self.size() > 0 && self.size() <= 8 && self.all(key, ${headerNames.cel})`,
  holds: (value) => {
    const names = Object.keys(value);
    return names.length > 0 && names.length <= 8 && names.every(headerNames.holds);
  },
  message: `is empty, has more than 8 headers, or one that cannot be written: ${headerNames.message}`,
}).meta({ maxProperties: 8 });

const partForm = '^[A-Za-z0-9._-]+$';

const fields = constrain(z.record(z.string(), text(256, 1)), {
  cel: `self.size() > 0 && self.size() <= 8 && self.all(key, key.size() <= 64 && key.matches(r'${partForm}'))`,
  holds: (value) => {
    const names = Object.keys(value);
    return (
      names.length > 0 &&
      names.length <= 8 &&
      names.every((name) => name.length <= 64 && new RegExp(partForm).test(name))
    );
  },
  message:
    'is empty, has more than 8 parts, or one that no template can name: letters, digits, ., _ and -, such as { key: signing_secret }',
}).meta({ maxProperties: 8 });

const hmacFields = z.strictObject({
  algorithm: z.enum(['Sha1', 'Sha256', 'Sha512']).default('Sha256').describe('Hash of the HMAC.'),
  keyEncoding: z
    .enum(['Utf8', 'Base64', 'Hex'])
    .default('Utf8')
    .describe('How the secret is written; its bytes are the key.'),
  canonical: template(1024, '{timestamp}{method}{target}{body}').describe(
    'What is signed, such as {timestamp}.{body}.',
  ),
  digest: z.enum(['Hex', 'Base64', 'Base64Url']).default('Hex').describe('How {signature} is written.'),
  timestamp: z
    .enum(['Seconds', 'Milliseconds', 'Iso8601'])
    .default('Seconds')
    .describe('How {timestamp} is written.'),
  headers: headers.describe('Templates by name of the header that they go into.').optional(),
  query: listOf(
    z
      .strictObject({
        name: queryName().describe('Name of the parameter.'),
        value: wireTemplate.describe('Template of its value.'),
      })
      .meta({ 'x-kubernetes-map-type': 'atomic' }),
    8,
    '{ name: signature, value: "{signature}" }',
  )
    .describe('Parameters that are added at the end of the query, in this order.')
    .optional(),
  fields: fields
    .describe(
      'How the fields of the secret are called, where they are not called as their parts are: key, and each {field.NAME} of a template.',
    )
    .optional(),
});

export const hmac = constrain(hmacFields, {
  cel: `(has(self.headers) && self.headers.exists(key, self.headers[key].contains('{signature}'))) || (has(self.query) && self.query.exists(each, each.value.contains('{signature}')))`,
  holds: ({ headers: named = {}, query = [] }) =>
    [...Object.values(named), ...query.map(({ value }) => value)].some((value) =>
      value.includes('{signature}'),
    ),
  message:
    'puts {signature} nowhere: write it into a template under headers or query, such as headers: { x-signature: "{signature}" }',
})
  .describe(
    'An HMAC of a text that is made of the request, of the part key or the only value; for APIs with schemes of their own.',
  )
  .optional();
