// Injections that mint a token, and the placeholder file of the one whose SDKs insist on a file.

import { bad, credential, many, manyNamed, type Examples } from '../examples.ts';

const google = { url: 'https://oauth2.googleapis.com/token' };
const client = { tokenEndpoint: google, clientCredentials: { clientId: 'agents' } };
const oauth2 = (fields: object, name?: string) =>
  credential({ inject: { oauth2: { ...client, ...fields } } }, name);
const github = (fields: object, name?: string) =>
  credential({ inject: { githubApp: { appId: '123456', installationId: '12345678', ...fields } } }, name);
const account = (fields: object, name?: string) =>
  credential({ inject: { googleServiceAccount: fields } }, name);
const scopes = ['https://www.googleapis.com/auth/calendar.events'];
const endpointAt = 'spec.inject.oauth2.tokenEndpoint';
const oauth2At = 'spec.inject.oauth2';
const githubAt = 'spec.inject.githubApp';
const accountAt = 'spec.inject.googleServiceAccount';
const url = (text: string) => oauth2({ tokenEndpoint: { url: text } });
const noUrl = /another than the shipped ones is written as destination and path/;

export const tokens: Examples = {
  bad: {
    'OAuth without an endpoint': bad(oauth2({ tokenEndpoint: undefined }), endpointAt, /[Rr]equired/),
    'OAuth of two endpoints': bad(
      oauth2({ tokenEndpoint: { ...google, destination: 'idp', path: '/token' } }),
      endpointAt,
      /exactly one of url, destination/,
    ),
    'OAuth of a destination without a path': bad(
      oauth2({ tokenEndpoint: { destination: 'idp' } }),
      endpointAt,
      /write both, or url alone/,
    ),
    'OAuth of a URL and a path': bad(
      oauth2({ tokenEndpoint: { ...google, path: '/token' } }),
      endpointAt,
      /write both, or url alone/,
    ),
    'OAuth over plain HTTP (T-07)': bad(url('http://idp.example/token'), `${endpointAt}.url`, noUrl),
    'OAuth with a query': bad(url('https://idp.example/token?a=b'), `${endpointAt}.url`, noUrl),
    'OAuth with a fragment': bad(url('https://idp.example/token#a'), `${endpointAt}.url`, noUrl),
    'OAuth with a user': bad(url('https://u:p@idp.example/token'), `${endpointAt}.url`, noUrl),
    'OAuth at a path that climbs (H-20)': bad(
      url('https://idp.example/a/../token'),
      `${endpointAt}.url`,
      /dot segment/,
    ),
    'OAuth without a grant': bad(
      oauth2({ clientCredentials: undefined }),
      oauth2At,
      /exactly one of clientCredentials, refreshToken, jwtBearer/,
    ),
    'OAuth of two grants': bad(
      oauth2({ refreshToken: {} }),
      oauth2At,
      /exactly one of clientCredentials, refreshToken, jwtBearer/,
    ),
    'OAuth by password': bad(oauth2({ password: {} }), `${oauth2At}.password`, /unknown field|not a field/),
    'OAuth with the secret in the resource (K-07)': bad(
      oauth2({ clientCredentials: { clientSecret: 's' } }),
      `${oauth2At}.clientCredentials.clientSecret`,
      /unknown field|not a field/,
    ),
    'OAuth with an empty client id': bad(
      oauth2({ clientCredentials: { clientId: '' } }),
      `${oauth2At}.clientCredentials.clientId`,
      /leave the field out/,
    ),
    'OAuth with a client id of two lines (H-40)': bad(
      oauth2({ clientCredentials: { clientId: 'a\nb' } }),
      `${oauth2At}.clientCredentials.clientId`,
      /printable ASCII/,
    ),
    'OAuth with an unknown authentication': bad(
      oauth2({ clientCredentials: { authentication: 'None' } }),
      `${oauth2At}.clientCredentials.authentication`,
      /Basic.*Post/,
    ),
    'OAuth with two scopes in one': bad(
      oauth2({ scopes: ['read write'] }),
      `${oauth2At}.scopes[0]`,
      /without spaces/,
    ),
    'OAuth with no scopes': bad(oauth2({ scopes: [] }), `${oauth2At}.scopes`, /such as repo:read/),
    'OAuth with too many scopes': bad(oauth2({ scopes: many(33, String) }), `${oauth2At}.scopes`, /32/),
    ...Object.fromEntries(
      [
        'grant_type',
        'client_id',
        'client_secret',
        'refresh_token',
        'assertion',
        'scope',
        'client_assertion',
        'client_assertion_type',
      ].map((name) => [
        `the parameter ${name} by hand`,
        bad(
          oauth2({ parameters: { [name]: 'x' } }),
          `${oauth2At}.parameters`,
          /written from the other fields/,
        ),
      ]),
    ),
    'a parameter that is no word': bad(
      oauth2({ parameters: { 'a b': 'x' } }),
      `${oauth2At}.parameters`,
      /such as \{ audience/,
    ),
    'too many parameters': bad(
      oauth2({ parameters: manyNamed(9, (at) => [`p${at}`, 'x']) }),
      `${oauth2At}.parameters`,
      /more than 8|at most 8/,
    ),
    'an assertion of an unknown algorithm': bad(
      oauth2({ clientCredentials: undefined, jwtBearer: { issuer: 'a', algorithm: 'none' } }),
      `${oauth2At}.jwtBearer.algorithm`,
      /RS256.*ES256.*PS256.*EdDSA/,
    ),
    'an assertion by nobody': bad(
      oauth2({ clientCredentials: undefined, jwtBearer: {} }),
      `${oauth2At}.jwtBearer.issuer`,
      /[Rr]equired/,
    ),
    'a GitHub App by number': bad(github({ appId: 123456 }), `${githubAt}.appId`, /must be of type string/),
    'a GitHub App with a slash': bad(github({ appId: 'a/b' }), `${githubAt}.appId`, /write it as a string/),
    'an installation that is no number': bad(
      github({ installationId: 'acme' }),
      `${githubAt}.installationId`,
      /digits as a string/,
    ),
    'an installation that climbs (H-20)': bad(
      github({ installationId: '1/../2' }),
      `${githubAt}.installationId`,
      /digits as a string/,
    ),
    'a repository with its owner': bad(
      github({ repositories: ['acme/docs'] }),
      `${githubAt}.repositories[0]`,
      /without its owner/,
    ),
    'a permission that does not exist': bad(
      github({ permissions: { contents: 'all' } }),
      `${githubAt}.permissions[contents]`,
      /read.*write.*admin/,
    ),
    'a permission in camel case': bad(
      github({ permissions: { pullRequests: 'write' } }),
      `${githubAt}.permissions`,
      /pull_requests: write/,
    ),
    'no permissions': bad(github({ permissions: {} }), `${githubAt}.permissions`, /is empty/),
    'GitHub Enterprise at a URL': bad(
      github({ endpoint: { url: 'https://ghe.example/api/v3' } }),
      `${githubAt}.endpoint.url`,
      /unknown field|not a field/,
    ),
    'GitHub Enterprise without a path': bad(
      github({ endpoint: { destination: 'ghe' } }),
      `${githubAt}.endpoint.path`,
      /[Rr]equired/,
    ),
    'a service account of nothing': bad(account({}), accountAt, /exactly one of scopes, audience/),
    'a service account of scopes and an audience': bad(
      account({ scopes, audience: 'https://a.example' }),
      accountAt,
      /exactly one of scopes, audience/,
    ),
    "a service account at a tenant's URL": bad(
      account({ scopes, tokenEndpoint: { url: 'https://evil.example/token' } }),
      `${accountAt}.tokenEndpoint.url`,
      /unknown field|not a field/,
    ),
    'a placeholder file for a bearer token': bad(
      credential({ placeholderFile: { env: 'GOOGLE_APPLICATION_CREDENTIALS' } }),
      'spec',
      /placeholderFile without inject.googleServiceAccount/,
    ),
    'a placeholder file in PATH': bad(
      credential({ inject: { googleServiceAccount: { scopes } }, placeholderFile: { env: 'PATH' } }),
      'spec.placeholderFile.env',
      /cannot be a placeholder/,
    ),
    'a placeholder file in the variable of another placeholder': bad(
      credential({
        inject: { googleServiceAccount: { scopes } },
        placeholderFile: { env: 'KEY' },
        placeholderEnv: ['OTHER', 'KEY'],
      }),
      'spec',
      /name it once/,
    ),
  },
  good: {
    'OAuth client credentials': oauth2({}, 'client'),
    'OAuth client credentials with everything': oauth2(
      {
        tokenEndpoint: { destination: 'idp', path: '/realms/acme/token' },
        clientCredentials: { clientId: 'agents', authentication: 'Post' },
        scopes: ['repo:read', 'https://example.com/.default'],
        parameters: { audience: 'https://api.example.com', resource: '' },
        fields: { clientSecret: 'secret' },
      },
      'client-whole',
    ),
    'an OAuth refresh token': oauth2({ clientCredentials: undefined, refreshToken: {} }, 'refresh'),
    'a rotating OAuth refresh token': oauth2(
      { clientCredentials: undefined, refreshToken: { clientId: 'a', rotating: true } },
      'rotating',
    ),
    'an OAuth assertion': oauth2(
      {
        clientCredentials: undefined,
        jwtBearer: { issuer: 'agents', subject: 'bot', audience: 'a', keyId: 'k' },
      },
      'assertion',
    ),
    'a GitHub App': github({}, 'app'),
    'a GitHub App with everything': github(
      {
        appId: 'Iv23liABCDEFGHIJKLMN',
        repositories: ['docs', '.github'],
        permissions: { contents: 'write', pull_requests: 'write', administration: 'admin' },
        endpoint: { destination: 'ghe', path: '/api/v3' },
        fields: { privateKey: 'private-key.pem' },
      },
      'app-whole',
    ),
    'a Google service account': account({ scopes }, 'account'),
    'a Google service account with everything': credential(
      {
        inject: {
          googleServiceAccount: {
            audience: 'https://service-abc.a.run.app',
            subject: 'calendar@acme.example',
            tokenEndpoint: { destination: 'google', path: '/token' },
          },
        },
        placeholderFile: { env: 'GOOGLE_APPLICATION_CREDENTIALS' },
        placeholderEnv: ['GOOGLE_KEY'],
      },
      'account-whole',
    ),
  },
};
