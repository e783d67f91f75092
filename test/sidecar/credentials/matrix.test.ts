// Every source with every injection that makes sense of it: a real source, the whole way through the proxy, and an upstream
// that checks what arrives with a library that is none of ours.

import assert from 'node:assert/strict';
import { createHmac, generateKeyPairSync } from 'node:crypto';
import { mkdirSync } from 'node:fs';
import type { IncomingMessage, ServerResponse } from 'node:http';
import { join } from 'node:path';
import { after, before, describe, test } from 'node:test';
import OAuth from 'oauth-1.0a';
import { ProxyAgent, request } from 'undici';
import { secretDirectory } from '../../../policy/contract.ts';
import type {
  RulesetCredential,
  RulesetInject,
  RulesetSource,
  RulesetStore,
} from '../../../policy/ruleset-credential.ts';
import { createAwsProvider } from '../../../sidecar/credentials/aws.ts';
import { createCredentials } from '../../../sidecar/credentials/credentials.ts';
import { createFileProvider } from '../../../sidecar/credentials/file.ts';
import { enableDatabase, startPostgres, type Postgres } from '../../cluster/vault-postgres.ts';
import { startVault, type Vault } from '../../cluster/vault.ts';
import { createGithubTokens } from '../../support/github-tokens.ts';
import { createGoogleTokens, type GoogleTokens } from '../../support/google-tokens.ts';
import { createOAuthProvider } from '../../support/oauth-provider.ts';
import { verifyAws } from '../../support/s3-signature.ts';
import type { AnswerTokens } from '../../support/token-endpoints.ts';
import { startFixture, type Fixture } from '../proxy/fixture.ts';
import { createTestCa, originName, startOrigin, type Origin, type TestCa } from '../proxy/origin.ts';
import { startAwsScene, type AwsScene } from './aws-scene.ts';
import { createTenant, type VaultTenant } from './vault-tenant.ts';
import { createVolume } from './volume.ts';

/** What reached the upstream. */
interface Arrived {
  readonly method: string;
  readonly url: string;
  readonly rawHeaders: readonly string[];
  readonly headers: NodeJS.Dict<string | string[]>;
  readonly body: string;
}

interface Scheme {
  /** One part called `value` is stored as one value, several as fields. */
  readonly parts: Readonly<Record<string, string>>;
  readonly inject: RulesetInject;
  readonly method?: 'GET' | 'POST';
  /** After `/NAME`. */
  readonly rest?: string;
  readonly headers?: Readonly<Record<string, string>>;
  readonly body?: string;
  /** Throws, or answers false, when the real service would refuse. */
  readonly accepts: (arrived: Arrived) => boolean | Promise<boolean>;
}

const rsa = generateKeyPairSync('rsa', {
  modulusLength: 2048,
  publicKeyEncoding: { type: 'spki', format: 'pem' },
  privateKeyEncoding: { type: 'pkcs8', format: 'pem' },
});
const aws = { accessKeyId: 'AKIAIOSFODNN7EXAMPLE', secretAccessKey: 'wJalrXUtnFEMI/K7MDENG' };
const client = { id: 'robot', secret: 's3cret:with/odd+signs', authentication: 'Basic' as const };
const oauth = createOAuthProvider({ clients: [client] });
const github = createGithubTokens({
  appId: '1234',
  publicKey: rsa.publicKey,
  installations: { 42: { repositories: ['docs'], permissions: { contents: 'write' } } },
});
const googleKey = {
  type: 'service_account',
  private_key_id: 'k1',
  private_key: rsa.privateKey,
  client_email: 'reader@acme.iam.gserviceaccount.com',
  token_uri: 'https://oauth2.googleapis.com/token',
};
let google: GoogleTokens;
const form = { 'content-type': 'application/x-www-form-urlencoded' };
const json = { 'content-type': 'application/json' };
const bearerOf = ({ headers }: Arrived): string =>
  (headers['authorization'] as string).replace('Bearer ', '');
const placeholderOf = (name: string): string => `outrider-placeholder.research.${name}`;

const schemes: Readonly<Record<string, Scheme>> = {
  bearer: {
    parts: { value: 'a-token' },
    inject: { kind: 'bearer' },
    accepts: ({ headers }) => headers['authorization'] === 'Bearer a-token',
  },
  basic: {
    parts: { username: 'ada', password: 'pa:ss word' },
    inject: { kind: 'basic' },
    accepts: ({ headers }) => headers['authorization'] === `Basic ${btoa('ada:pa:ss word')}`,
  },
  header: {
    parts: { value: 'a-key' },
    inject: { kind: 'header', name: 'x-api-key', prefix: 'Key ' },
    accepts: ({ headers }) => headers['x-api-key'] === 'Key a-key',
  },
  query: {
    parts: { value: 'a+key&more' },
    inject: { kind: 'query', name: 'key' },
    rest: '?a=1',
    accepts: ({ url }) => new URL(url, 'https://x').searchParams.get('key') === 'a+key&more',
  },
  path: {
    parts: { value: '123:ABC-def' },
    inject: { kind: 'path', prefix: '/path/bot' },
    rest: `/bot${placeholderOf('path')}/getMe`,
    accepts: ({ url }) => url === '/path/bot123:ABC-def/getMe',
  },
  body: {
    parts: { value: 'in "quotes"' },
    inject: { kind: 'body', pointer: '/auth/token' },
    method: 'POST',
    headers: json,
    body: `{"auth":{"token":"${placeholderOf('body')}"},"n":1}`,
    accepts: ({ body }) => body === '{"auth":{"token":"in \\"quotes\\""},"n":1}',
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
    parts: { consumerKey: 'ck', consumerSecret: 'cs', token: 'tk', tokenSecret: 'ts' },
    inject: { kind: 'oauth1', signatureMethod: 'HmacSha1' },
    method: 'POST',
    headers: form,
    body: 'status=Hello%20%26%20more&b=2',
    accepts: (arrived) => acceptsOAuth1(arrived),
  },
  hmac: {
    parts: { key: Buffer.from('key of the exchange').toString('base64'), passphrase: 'pp' },
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
      const expected = createHmac('sha256', 'key of the exchange').update(canonical).digest('base64');
      return headers['cb-access-sign'] === expected && headers['cb-access-passphrase'] === 'pp';
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

const sources = ['vault kv v1', 'vault kv v2', 'aws', 'file'] as const;
type SourceName = (typeof sources)[number];

let vault: Vault & { stop(): Promise<void> };
let tenant: VaultTenant;
let scene: AwsScene;
let postgres: Postgres;
let ca: TestCa;
let origin: Origin;
/** What the upstream thought of the last request. */
let judged = '';

before(async () => {
  [vault, scene, ca, postgres] = await Promise.all([
    startVault(),
    startAwsScene(),
    createTestCa(),
    startPostgres(),
  ]);
  tenant = await createTenant(vault);
  google = await createGoogleTokens([
    { email: googleKey.client_email, keyId: 'k1', publicKey: rsa.publicKey },
  ]);
  await vault.request('POST', 'sys/mounts/kv1', { type: 'kv', options: { version: '1' } });
  await tenant.allow(
    'matrix',
    ['secret/data/*', 'kv1/*', 'database/creds/*']
      .map((path) => `path "${path}" { capabilities = ["read"] }`)
      .join('\n'),
  );
  await enableDatabase(vault, postgres);
  await vault.request('POST', 'database/roles/reader', {
    db_name: 'postgres',
    creation_statements: [`CREATE ROLE "{{name}}" WITH LOGIN PASSWORD '{{password}}';`],
    default_ttl: '1m',
  });
  origin = await startOrigin(ca, {
    answer: (message, response, body) => void judge(message, response, body),
  });
});
after(async () => {
  await origin?.close();
  ca?.close();
  await scene?.stop();
  tenant?.remove();
  await vault?.stop();
  await postgres?.stop();
});

const tokenEndpoints: Readonly<Record<string, AnswerTokens>> = {
  '/oauth2-token': (call) => oauth.answer({ ...call, path: '/token' }),
  '/app/installations/42/access_tokens': (call) => github.answer(call),
  '/token': (call) => google.answer(call),
};

async function judge(message: IncomingMessage, response: ServerResponse, body: string): Promise<void> {
  const { method = '', url = '', rawHeaders, headers } = message;
  const answer = tokenEndpoints[url];
  if (answer !== undefined) {
    const reply = await answer({ method, path: url, headers, body });
    response.writeHead(reply.status, json).end(JSON.stringify(reply.body));
    return;
  }
  const name = /^\/([^/?]+)/.exec(url)?.[1] ?? '';
  let problem = 'does not fit';
  let accepted = false;
  try {
    accepted = (await schemes[name]?.accepts({ method, url, rawHeaders, headers, body })) ?? false;
  } catch (error) {
    problem = String(error);
  }
  judged = accepted ? name : `${problem}: ${method} ${url} ${JSON.stringify(headers)} ${body}`;
  response.writeHead(accepted ? 200 : 401).end();
}

function acceptsOAuth1({ method, url, headers, body }: Arrived): boolean {
  const shown = new Map(
    [...(headers['authorization'] as string).matchAll(/(oauth_\w+)="([^"]*)"/g)].map(([, name, value]) => [
      name,
      decodeURIComponent(value ?? ''),
    ]),
  );
  const library = new OAuth({
    consumer: { key: 'ck', secret: 'cs' },
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
  const expected = library.getSignature(asked, 'ts', data as unknown as OAuth.Data);
  return shown.get('oauth_signature') === expected && shown.get('oauth_version') === '1.0';
}

/** Stores the parts there, as a person would. */
async function store(source: SourceName, name: string, parts: Scheme['parts']): Promise<RulesetSource> {
  const isOne = Object.keys(parts).length === 1;
  const wanted = isOne ? { field: 'value' } : { fields: Object.keys(parts) };
  const path = `matrix/${name}`;
  if (source === 'aws') {
    const input = { Name: path, SecretString: isOne ? parts['value'] : JSON.stringify(parts) };
    await scene.moto.request('CreateSecret', input);
    return { kind: 'awsSecretsManager', store: 'aws', secretId: path, ...(isOne ? {} : wanted) };
  }
  if (source === 'file') {
    const volume = { secret: `matrix-${name.toLowerCase()}` };
    const directory = join(tenant.secretsDirectory, secretDirectory(volume));
    mkdirSync(directory, { recursive: true });
    createVolume(directory, { secret: isOne ? (parts['value'] ?? '') : JSON.stringify(parts) });
    return { kind: 'file', volume, path: 'secret', ...(isOne ? {} : wanted) };
  }
  const version = source === 'vault kv v1' ? 1 : 2;
  const mount = version === 1 ? 'kv1' : 'secret';
  const body = version === 1 ? parts : { data: parts };
  await vault.request('POST', version === 1 ? `kv1/${path}` : `secret/data/${path}`, body);
  return { kind: 'vault', store: 'corp', role: 'matrix', kv: { mount, path, version, ...wanted } };
}

async function startMatrix(credentials: Readonly<Record<string, RulesetCredential>>): Promise<Fixture> {
  const stores: Readonly<Record<string, RulesetStore>> = { corp: tenant.store, aws: scene.store };
  return startFixture({
    ca,
    origin,
    ruleset: {
      stores,
      credentials,
      guards: [],
      grants: Object.keys(credentials).map((name) => ({
        policy: 'matrix',
        name: name.toLowerCase(),
        action: 'Allow' as const,
        destination: 'origin',
        paths: [`/${name}`, `/${name}/**`],
        credential: name,
      })),
    },
    credentials: ({ snapshots, egress }) =>
      createCredentials({
        snapshots,
        dial: egress.dial,
        providers: {
          vault: tenant.provider(),
          awsSecretsManager: createAwsProvider({
            tokensDirectory: scene.tokens,
            secretsDirectory: scene.secrets,
            level: 'cooperative',
          }),
          file: createFileProvider({ directory: tenant.secretsDirectory }),
        },
      }),
  });
}

async function call(fixture: Fixture, name: string, scheme: Scheme): Promise<string> {
  const dispatcher = new ProxyAgent({
    uri: `http://127.0.0.1:${fixture.port}`,
    requestTls: { ca: fixture.caPem },
  });
  try {
    const { method = 'GET', rest = '', headers = {}, body } = scheme;
    const answer = await request(`https://${originName}:${origin.port}/${name}${rest}`, {
      method,
      headers,
      dispatcher,
      ...(body === undefined ? {} : { body }),
    });
    return `${answer.statusCode} ${await answer.body.text()}`;
  } finally {
    await dispatcher.close();
  }
}

for (const source of sources) {
  describe(`a secret from ${source}`, () => {
    let fixture: Fixture;
    before(async () => {
      const entries = Object.entries(schemes).map(async ([name, { parts, inject }]) => {
        const credential: RulesetCredential = {
          source: await store(source, name, parts),
          allow: [{ destination: 'origin' }],
          inject,
          refreshIntervalMs: 300_000,
        };
        return [name, credential] as const;
      });
      fixture = await startMatrix(Object.fromEntries(await Promise.all(entries)));
    });
    after(() => fixture?.close());

    for (const [name, scheme] of Object.entries(schemes)) {
      test(`as ${name}`, async () => {
        judged = '';
        const answer = await call(fixture, name, scheme);
        assert.deepEqual([answer, judged], ['200 ', name]);
      });
    }
  });
}

describe('a secret that Vault makes for this pod', () => {
  test('as basic, and its user is one of the database', async () => {
    const fixture = await startMatrix({
      bearer: {
        source: {
          kind: 'vault',
          store: 'corp',
          role: 'matrix',
          dynamic: { path: 'database/creds/reader', fields: ['username', 'password'] },
        },
        allow: [{ destination: 'origin' }],
        inject: { kind: 'basic' },
        refreshIntervalMs: 300_000,
      },
    });
    try {
      await call(fixture, 'bearer', { ...(schemes['bearer'] as Scheme) });
      const { authorization = '' } = origin.received.at(-1)?.headers ?? {};
      const login = Buffer.from(authorization.replace('Basic ', ''), 'base64').toString();
      assert.match(login, /^v-[\w-]+:.{12,}$/);
    } finally {
      await fixture.close();
    }
  });
});
