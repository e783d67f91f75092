// Injections that exchange the secret for a token of short life, which is what requests then carry.

import { z } from 'zod';
import { constrain, exactlyOneOf, listOf, text } from './constraint.ts';
import { partNames, plainPath, printable } from './inject-slots.ts';
import { matching, objectName } from './names.ts';

const endpointUrl = constrain(
  matching(
    512,
    '^https://[a-z0-9.-]+(:[0-9]{1,5})?(/[A-Za-z0-9._~:@-]+)*/?$',
    'is no URL of a token endpoint: https without user, query or fragment, such as https://oauth2.googleapis.com/token; another than the shipped ones is written as destination and path',
  ),
  {
    cel: `isURL(self) && !self.matches(r'/[.][.]?(/|$)')`,
    holds: (value) => URL.canParse(value) && !/\/\.\.?(?:\/|$)/.test(value),
    message: 'is no URL, or has a dot segment: write such as https://oauth2.googleapis.com/token',
  },
);

const destinationName = () => objectName().describe('AgentDestination with scheme: https that it lies at.');

const place = (what: string, example: string) => ({
  destination: destinationName(),
  path: plainPath('path', example).describe(what),
});

const destinationEndpoint = (what: string, example: string) =>
  z.strictObject(place(what, example)).meta({ 'x-kubernetes-map-type': 'atomic' });

const tokenEndpoint = constrain(
  exactlyOneOf(
    z.strictObject({
      url: endpointUrl
        .describe('One of the shipped token endpoints (docs/credentials/token-endpoints.md).')
        .optional(),
      destination: destinationName().optional(),
      path: plainPath('path', '/oauth2/token').describe('Path of the endpoint there.').optional(),
    }),
    ['url', 'destination'],
  ),
  {
    cel: 'has(self.destination) == has(self.path)',
    holds: ({ destination, path }) => (destination === undefined) === (path === undefined),
    message: 'has one of destination and path without the other: write both, or url alone',
  },
).describe('Where tokens come from.');

const words = (what: string, example: string) =>
  constrain(printable(512, `is no ${what}: printable ASCII, such as ${example}`), {
    cel: 'self.size() > 0',
    holds: (value) => value.length > 0,
    message: `is empty: write a ${what}, such as ${example}, or leave the field out`,
  });

const clientId = words('client id', 'outrider-agents')
  .describe('Client id; absent means the part clientId of the secret.')
  .optional();

const authentication = z
  .enum(['Basic', 'Post'])
  .default('Basic')
  .describe(
    'How the client shows its secret: in the Authorization header, or in the form (RFC 6749 section 2.3.1).',
  );

/** RFC 6749 section 3.3: what a scope is made of. */
const scope = matching(
  256,
  String.raw`^[!#-\[\]-~]+$`,
  'is no scope: printable ASCII without spaces, quotes and backslashes, such as repo:read',
);

const scopes = (what: string) => listOf(scope, 32, 'repo:read').describe(what).optional();

const ownParameters =
  '^(grant_type|client_id|client_secret|refresh_token|assertion|scope|client_assertion.*)$';
const parameterForm = '^[A-Za-z0-9._-]+$';

const parameters = constrain(z.record(z.string(), text(512)), {
  cel: `self.size() > 0 && self.size() <= 8 && self.all(key, key.size() <= 64 && key.matches(r'${parameterForm}') && !key.matches(r'${ownParameters}'))`,
  holds: (value) => {
    const names = Object.keys(value);
    return (
      names.length > 0 &&
      names.length <= 8 &&
      names.every(
        (name) =>
          name.length <= 64 && new RegExp(parameterForm).test(name) && !new RegExp(ownParameters).test(name),
      )
    );
  },
  message:
    'is empty, has more than 8 parameters, one whose name is no word of at most 64 characters, or one that is written from the other fields (grant_type, client_id, client_secret, refresh_token, assertion, scope, client_assertion*): write such as { audience: https://api.example.com }',
}).meta({ maxProperties: 8 });

const grants = {
  clientCredentials: z
    .strictObject({ clientId, authentication })
    .describe('RFC 6749 section 4.4, of the part clientSecret or the only value.')
    .optional(),
  refreshToken: z
    .strictObject({
      clientId,
      authentication,
      rotating: z
        .boolean()
        .describe(
          'Each use gives another refresh token, which is written back: needs a KV engine of version 2. Absent means false.',
        )
        .optional(),
    })
    .describe(
      'RFC 6749 section 6, of the part refreshToken or the only value, and of clientSecret if there is one.',
    )
    .optional(),
  jwtBearer: z
    .strictObject({
      algorithm: z
        .enum(['RS256', 'ES256', 'PS256', 'EdDSA'])
        .default('RS256')
        .describe('How the assertion is signed; it must fit the key.'),
      issuer: words('issuer', 'outrider-agents').describe('Claim iss.'),
      subject: words('subject', 'bot@acme.example').describe('Claim sub.').optional(),
      audience: words('audience', 'https://idp.acme.example/token')
        .describe('Claim aud; absent means the URL of the token endpoint.')
        .optional(),
      keyId: words('key id', '2026-11').describe('Header kid.').optional(),
    })
    .describe('RFC 7523 section 2.1, of the part privateKey (PEM) or the only value.')
    .optional(),
};

const oauth2 = exactlyOneOf(
  z.strictObject({
    tokenEndpoint,
    ...grants,
    scopes: scopes('Scopes that are asked for.'),
    parameters: parameters
      .describe('More parameters of the token request, such as audience and resource.')
      .optional(),
    fields: partNames('clientId', 'clientSecret', 'refreshToken', 'privateKey'),
  }),
  ['clientCredentials', 'refreshToken', 'jwtBearer'],
)
  .describe('An access token of OAuth 2.0.')
  .optional();

const permissionForm = '^[a-z_]+$';

const permissions = constrain(z.record(z.string(), z.enum(['read', 'write', 'admin'])), {
  cel: `self.size() > 0 && self.size() <= 32 && self.all(key, key.size() <= 64 && key.matches(r'${permissionForm}'))`,
  holds: (value) => {
    const names = Object.keys(value);
    return (
      names.length > 0 &&
      names.length <= 32 &&
      names.every((name) => name.length <= 64 && new RegExp(permissionForm).test(name))
    );
  },
  message:
    'is empty, has more than 32 permissions, or one whose name is not of lower-case letters and underscores: write such as { contents: write, pull_requests: write }',
}).meta({ maxProperties: 32 });

const githubApp = z
  .strictObject({
    appId: matching(
      64,
      '^[A-Za-z0-9._-]+$',
      'is no client id or number of a GitHub App: write it as a string, such as "123456"',
    ).describe('Client id or number of the app, as a string.'),
    installationId: matching(
      20,
      '^[0-9]+$',
      'is no id of an installation: write its digits as a string, such as "12345678"',
    ).describe('Id of the installation, as a string.'),
    repositories: listOf(
      matching(
        100,
        '^[A-Za-z0-9._-]+$',
        'is no name of a repository: write it without its owner, such as docs',
      ),
      64,
      'docs',
    )
      .describe(
        'The only repositories that the token reaches, without their owner; absent means all of the installation.',
      )
      .optional(),
    permissions: permissions
      .describe('The only permissions that the token has; absent means all of the installation.')
      .optional(),
    endpoint: destinationEndpoint('What its API lies under, such as /api/v3.', '/api/v3')
      .describe('GitHub Enterprise Server; absent means api.github.com.')
      .optional(),
    fields: partNames('privateKey'),
  })
  .describe('A token of an installation of a GitHub App, of the part privateKey (PEM) or the only value.')
  .optional();

const googleServiceAccount = exactlyOneOf(
  z.strictObject({
    scopes: scopes('Scopes of an access token, such as https://www.googleapis.com/auth/calendar.events.'),
    audience: words('audience', 'https://service-abc.a.run.app')
      .describe('Audience of an ID token, instead of scopes.')
      .optional(),
    subject: words('subject', 'calendar@acme.example')
      .describe('User that is acted for, by domain-wide delegation.')
      .optional(),
    tokenEndpoint: destinationEndpoint('Path of the endpoint there.', '/token')
      .describe('Absent means https://oauth2.googleapis.com/token.')
      .optional(),
  }),
  ['scopes', 'audience'],
)
  .describe("A token of a Google service account; the secret is its key file's JSON.")
  .optional();

export const tokens = { oauth2, githubApp, googleServiceAccount };
