// Injections that write the secret itself into one place of a request.

import { z } from 'zod';
import { constrain, text } from './constraint.ts';
import { matching } from './names.ts';

/** Framing, what belongs to one hop, and what the sidecar writes itself: none of them carries a secret. */
const reservedHeaders =
  '^(host|content-length|transfer-encoding|connection|keep-alive|te|upgrade|trailer|expect|accept-encoding|traceparent|tracestate|proxy-.*|outrider-.*)$';
const headerForm = '^[a-z0-9][a-z0-9._-]*$';
const isHeader = (name: string): boolean =>
  new RegExp(headerForm).test(name) && !new RegExp(reservedHeaders).test(name);

const headerNamePattern = matching(
  128,
  headerForm,
  'is no name of a header: lower-case letters, digits, hyphens, dots and underscores, such as x-api-key',
);

const headerName = constrain(headerNamePattern, {
  cel: `!self.matches(r'${reservedHeaders}')`,
  holds: (value) => !new RegExp(reservedHeaders).test(value),
  message:
    'is a header that frames the request or that the sidecar writes itself (host, content-length, transfer-encoding, connection, traceparent, proxy-*, outrider-* …): write one of the API, such as x-api-key',
});

/** For the keys of a map, of which `key` is one; a map says one sentence for all of them. */
export const headerNames = {
  cel: `key.size() <= 128 && key.matches(r'${headerForm}') && !key.matches(r'${reservedHeaders}')`,
  holds: (name: string): boolean => name.length <= 128 && isHeader(name),
  message:
    'names of headers are lower-case letters, digits, hyphens, dots and underscores, such as x-signature, and none that frames the request or that the sidecar writes itself (host, content-length, transfer-encoding, connection, traceparent, proxy-*, outrider-* …)',
};

/** Printable ASCII, which every slot can carry. */
export function printable(maxLength: number, message: string) {
  return matching(maxLength, '^[ -~]*$', message);
}

export const queryName = () =>
  matching(
    128,
    '^[A-Za-z0-9._~-]+$',
    'is no name of a query parameter: letters, digits, ., _, ~ and -, such as api_key',
  );

/** A path on the wire without dot segments, empty ones or anything that needs an escape. */
export function plainPath(what: string, example: string) {
  return constrain(
    matching(
      256,
      '^/([A-Za-z0-9._~:@-]+/)*[A-Za-z0-9._~:@-]*$',
      `is no ${what}: start with / and write letters, digits, ., _, ~, :, @ and - between single slashes, such as ${example}`,
    ),
    {
      cel: `!self.matches(r'/[.][.]?(/|$)')`,
      holds: (value) => !/\/\.\.?(?:\/|$)/.test(value),
      message: `has a dot segment: write such as ${example}`,
    },
  );
}

const username = matching(
  256,
  '^[ -9;-~]*$',
  'is no user name of basic authentication: printable ASCII without a colon, such as x-access-token',
);

/** The names that parts have in the secret, where they are not called as the parts are. */
export function partNames(...parts: readonly string[]) {
  const names = parts.map((part) => [
    part,
    text(256, 1).describe(`Name of the field that is the part ${part}; absent means ${part}.`).optional(),
  ]);
  const schema = z
    .strictObject(Object.fromEntries(names) as Record<string, z.ZodOptional<z.ZodString>>)
    .describe('How the fields of the secret are called, where they are not called as their parts are.')
    .optional();
  // What is parsed has no members that are undefined.
  return schema as unknown as z.ZodOptional<z.ZodType<Readonly<Record<string, string>>>>;
}

/** A single place in a JSON or form body. */
const bodyPointer = matching(
  256,
  '^(/([^~/*]|~[01])+)+$',
  'is no JSON pointer to one value: write such as /auth/token, without *',
);

/** What an entry may also say where the credential mints a token. */
export const tokenSlots = {
  bearer: z.strictObject({}).describe('Authorization: Bearer <value>').optional(),
  basic: z
    .strictObject({
      username: username.describe('User name; absent means the part username of the secret.').optional(),
      fields: partNames('username', 'password'),
    })
    .describe('Authorization: Basic, of a user name and the part password or the only value.')
    .optional(),
  header: z
    .strictObject({
      name: headerName.describe('Name of the header, in lower case.'),
      prefix: printable(64, 'is no prefix: printable ASCII, such as "Token "')
        .describe('Written before the value, such as "Token " with its space.')
        .optional(),
    })
    .describe('A header of its own.')
    .optional(),
  query: z
    .strictObject({ name: queryName().describe('Name of the parameter.') })
    .describe('A parameter of the query; where an API takes nothing else, since servers log it.')
    .optional(),
};

export const otherSlots = {
  path: z
    .strictObject({
      prefix: plainPath('beginning of a path', '/bot').describe(
        "What stands before the placeholder in the path, such as /bot for Telegram's /bot<token>/getMe.",
      ),
    })
    .describe('The rest of one segment of the path, which must be the placeholder.')
    .optional(),
  body: z
    .strictObject({ pointer: bodyPointer.describe('JSON pointer of the value, such as /auth/token.') })
    .describe('One value of a JSON or form body, which must be the placeholder.')
    .optional(),
};
