// Every way to put a credential on a request, each with a secret of its own and with an upstream's own check of it: by
// libraries that are none of ours.

import { createHmac, generateKeyPairSync, randomBytes } from 'node:crypto';
import type { IncomingMessage, ServerResponse } from 'node:http';
import OAuth from 'oauth-1.0a';
import type { RulesetInject } from '../../../policy/ruleset-credential.ts';
import { createGithubTokens } from '../../support/github-tokens.ts';
import { createGoogleTokens } from '../../support/google-tokens.ts';
import { createOAuthProvider } from '../../support/oauth-provider.ts';
import { verifyAws } from '../../support/s3-signature.ts';
import type { AnswerTokens } from '../../support/token-endpoints.ts';

/** What reached the upstream. */
export interface Arrived {
  readonly method: string;
  readonly url: string;
  readonly rawHeaders: readonly string[];
  readonly headers: NodeJS.Dict<string | string[]>;
  readonly body: string;
}

export interface Scheme {
  /** One part called `value` is stored as one value, several as fields. */
  readonly parts: Readonly<Record<string, string>>;
  readonly inject: RulesetInject;
  readonly method?: 'GET' | 'POST';
  /** After `/NAME`. */
  readonly rest?: string;
  readonly headers?: Readonly<Record<string, string>>;
  readonly body?: string;
  /** Throws, or answers false, when the real service would refuse. */
  readonly accepts: (arrived: Arrived) => boolean;
}

export interface Schemes {
  readonly schemes: Readonly<Record<string, Scheme>>;
  /** What nobody but sidecar and upstream may ever see, tokens that were minted so far among it. */
  secrets(): string[];
  /** Answers as the upstream of all schemes and as their token endpoints. @returns the scheme, or what did not fit. */
  answer(message: IncomingMessage, response: ServerResponse, body: string): Promise<string>;
}

const form = { 'content-type': 'application/x-www-form-urlencoded' };
const json = { 'content-type': 'application/json' };

/** @param namespace of the placeholders that agents show. */
export async function createSchemes(namespace = 'research'): Promise<Schemes> {
  const canary = (name: string): string => `canary-${name}-${randomBytes(12).toString('hex')}`;
  const placeholderOf = (name: string): string => `outrider-placeholder.${namespace}.${name}`;
  const rsa = generateKeyPairSync('rsa', {
    modulusLength: 2048,
    publicKeyEncoding: { type: 'spki', format: 'pem' },
    privateKeyEncoding: { type: 'pkcs8', format: 'pem' },
  });
  const one = Object.fromEntries(
    ['bearer', 'header', 'query', 'path', 'body'].map((name) => [name, canary(name)]),
  ) as Record<'bearer' | 'header' | 'query' | 'path' | 'body', string>;
  const password = `${canary('basic')}:with a space`;
  const aws = { accessKeyId: 'AKIAIOSFODNN7EXAMPLE', secretAccessKey: canary('aws') };
  const oauth1 = { consumerSecret: canary('consumer'), tokenSecret: canary('token') };
  const hmacKey = canary('hmac');
  const passphrase = canary('passphrase');
  const client = {
    id: 'robot',
    secret: `${canary('client')}:with/odd+signs`,
    authentication: 'Basic' as const,
  };
  const oauth = createOAuthProvider({ clients: [client] });
  const github = createGithubTokens({
    appId: '1234',
    publicKey: rsa.publicKey,
    installations: { 42: { repositories: ['docs'], permissions: { contents: 'write' } } },
  });
  const email = 'reader@acme.iam.gserviceaccount.com';
  const google = await createGoogleTokens([{ email, keyId: 'k1', publicKey: rsa.publicKey }]);
  const googleKey = {
    type: 'service_account',
    private_key_id: 'k1',
    private_key: rsa.privateKey,
    client_email: email,
    token_uri: 'https://oauth2.googleapis.com/token',
  };
  const tokenEndpoints: Readonly<Record<string, AnswerTokens>> = {
    '/oauth2-token': (call) => oauth.answer({ ...call, path: '/token' }),
    '/app/installations/42/access_tokens': (call) => github.answer(call),
    '/token': (call) => google.answer(call),
  };

  const schemes: Readonly<Record<string, Scheme>> = {
    bearer: {
      parts: { value: one.bearer },
      inject: { kind: 'bearer' },
      accepts: ({ headers }) => headers['authorization'] === `Bearer ${one.bearer}`,
    },
    basic: {
      parts: { username: 'ada', password },
      inject: { kind: 'basic' },
      accepts: ({ headers }) => headers['authorization'] === `Basic ${btoa(`ada:${password}`)}`,
    },
    header: {
      parts: { value: one.header },
      inject: { kind: 'header', name: 'x-api-key', prefix: 'Key ' },
      accepts: ({ headers }) => headers['x-api-key'] === `Key ${one.header}`,
    },
    query: {
      parts: { value: `${one.query}+&more` },
      inject: { kind: 'query', name: 'key' },
      rest: '?a=1',
      accepts: ({ url }) => new URL(url, 'https://x').searchParams.get('key') === `${one.query}+&more`,
    },
    path: {
      parts: { value: `123:${one.path}` },
      inject: { kind: 'path', prefix: '/path/bot' },
      rest: `/bot${placeholderOf('path')}/getMe`,
      accepts: ({ url }) => url === `/path/bot123:${one.path}/getMe`,
    },
    body: {
      parts: { value: `in "quotes" ${one.body}` },
      inject: { kind: 'body', pointer: '/auth/token' },
      method: 'POST',
      headers: json,
      body: `{"auth":{"token":"${placeholderOf('body')}"},"n":1}`,
      accepts: ({ body }) => body === `{"auth":{"token":"in \\"quotes\\" ${one.body}"},"n":1}`,
    },
    awsSigV4: {
      parts: { ...aws },
      inject: { kind: 'awsSigV4', service: 'execute-api', regions: ['eu-central-1'] },
      method: 'POST',
      headers: json,
      body: '{"a":1}',
      rest: '/a%20b?z=1&a=%C3%BC',
      accepts: ({ body, ...arrived }) =>
        verifyAws({ ...arrived, body: Buffer.from(body, 'latin1') }, aws, 'execute-api').region ===
        'eu-central-1',
    },
    oauth1: {
      parts: { consumerKey: 'ck', token: 'tk', ...oauth1 },
      inject: { kind: 'oauth1', signatureMethod: 'HmacSha1' },
      method: 'POST',
      headers: form,
      body: 'status=Hello%20%26%20more&b=2',
      accepts: (arrived) => acceptsOAuth1(arrived, oauth1),
    },
    hmac: {
      parts: { key: Buffer.from(hmacKey).toString('base64'), passphrase },
      inject: {
        kind: 'hmac',
        algorithm: 'Sha256',
        keyEncoding: 'Base64',
        canonical: '{timestamp}{method}{target}{body}',
        digest: 'Base64',
        timestamp: 'Seconds',
        headers: {
          'cb-access-sign': '{signature}',
          'cb-access-timestamp': '{timestamp}',
          'cb-access-passphrase': '{field.passphrase}',
        },
      },
      method: 'POST',
      headers: json,
      body: '{"side":"buy"}',
      accepts: ({ headers, method, url, body }) => {
        const canonical = `${String(headers['cb-access-timestamp'])}${method}${url}${body}`;
        const expected = createHmac('sha256', hmacKey).update(canonical).digest('base64');
        return headers['cb-access-sign'] === expected && headers['cb-access-passphrase'] === passphrase;
      },
    },
    oauth2: {
      parts: { value: client.secret },
      inject: {
        kind: 'oauth2',
        tokenEndpoint: { destination: 'origin', path: '/oauth2-token' },
        grant: { kind: 'clientCredentials', clientId: client.id, authentication: 'Basic' },
      },
      accepts: (arrived) => oauth.issued.has(bearerOf(arrived)),
    },
    githubApp: {
      parts: { value: rsa.privateKey },
      inject: {
        kind: 'githubApp',
        appId: '1234',
        installationId: '42',
        repositories: ['docs'],
        endpoint: { destination: 'origin', path: '/' },
      },
      accepts: (arrived) => github.issued.has(bearerOf(arrived)),
    },
    googleServiceAccount: {
      parts: { value: JSON.stringify(googleKey) },
      inject: {
        kind: 'googleServiceAccount',
        scopes: ['https://www.googleapis.com/auth/devstorage.read_only'],
        tokenEndpoint: { destination: 'origin', path: '/token' },
      },
      accepts: (arrived) => google.issued.has(bearerOf(arrived)),
    },
  };

  return {
    schemes,
    secrets: () => [
      ...Object.values(one),
      password,
      aws.secretAccessKey,
      ...Object.values(oauth1),
      hmacKey,
      passphrase,
      client.secret,
      // A line of the key, which is the same in PEM and in JSON.
      rsa.privateKey.split('\n')[3] ?? '',
      ...[oauth, github, google].flatMap(({ issued }) => [...issued.keys()]),
    ],
    async answer({ method = '', url = '', rawHeaders, headers }, response, body) {
      const endpoint = tokenEndpoints[url];
      if (endpoint !== undefined) {
        const reply = await endpoint({ method, path: url, headers, body });
        response.writeHead(reply.status, json).end(JSON.stringify(reply.body));
        return url;
      }
      const name = /^\/([^/?]+)/.exec(url)?.[1] ?? '';
      let problem = 'does not fit';
      let isAccepted = false;
      try {
        isAccepted = schemes[name]?.accepts({ method, url, rawHeaders, headers, body }) ?? false;
      } catch (error) {
        problem = String(error);
      }
      response.writeHead(isAccepted ? 200 : 401).end();
      return isAccepted ? name : `${problem}: ${method} ${url} ${JSON.stringify(headers)} ${body}`;
    },
  };
}

function bearerOf({ headers }: Arrived): string {
  return (headers['authorization'] as string).replace('Bearer ', '');
}

function acceptsOAuth1(
  { method, url, headers, body }: Arrived,
  secrets: { readonly consumerSecret: string; readonly tokenSecret: string },
): boolean {
  const shown = new Map(
    [...(headers['authorization'] as string).matchAll(/(oauth_\w+)="([^"]*)"/g)].map(([, name, value]) => [
      name,
      decodeURIComponent(value ?? ''),
    ]),
  );
  const library = new OAuth({
    consumer: { key: 'ck', secret: secrets.consumerSecret },
    signature_method: 'HMAC-SHA1',
    hash_function: (base, key) => createHmac('sha1', key).update(base).digest('base64'),
  });
  // Its own nonce and time are replaced by those that are shown.
  const data = {
    oauth_consumer_key: 'ck',
    oauth_nonce: shown.get('oauth_nonce') ?? '',
    oauth_signature_method: 'HMAC-SHA1',
    oauth_timestamp: Number(shown.get('oauth_timestamp')),
    oauth_version: '1.0',
    oauth_token: 'tk',
  };
  const asked = {
    url: `https://${String(headers['host'])}${url}`,
    method,
    data: Object.fromEntries(new URLSearchParams(body)),
  };
  const expected = library.getSignature(asked, secrets.tokenSecret, data);
  return shown.get('oauth_signature') === expected && shown.get('oauth_version') === '1.0';
}
