// Every source with every injection that makes sense of it: a real source, the whole way through the proxy, and an upstream
// that checks what arrives as the real service does.

import assert from 'node:assert/strict';
import { mkdirSync } from 'node:fs';
import { join } from 'node:path';
import { after, before, describe, test } from 'node:test';
import { ProxyAgent, request } from 'undici';
import { secretDirectory } from '../../../policy/contract.ts';
import type { RulesetCredential, RulesetSource, RulesetStore } from '../../../policy/ruleset-credential.ts';
import { createAwsProvider } from '../../../sidecar/credentials/aws/aws.ts';
import { createCredentials } from '../../../sidecar/credentials/credentials.ts';
import { createFileProvider } from '../../../sidecar/credentials/file.ts';
import { enableDatabase, startPostgres, type Postgres } from '../../cluster/vault-postgres.ts';
import { startVault, type Vault } from '../../cluster/vault.ts';
import { startFixture, type Fixture } from '../proxy/fixture.ts';
import { createTestCa, originName, startOrigin, type Origin, type TestCa } from '../proxy/origin.ts';
import { startAwsScene, type AwsScene } from './aws-scene.ts';
import { createSchemes, type Scheme } from './schemes.ts';
import { createTenant, type VaultTenant } from './vault-tenant.ts';
import { createVolume } from './volume.ts';

const upstream = await createSchemes();
const { schemes } = upstream;
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
    answer: (message, response, body) => {
      void judge(message, response, body);
    },
  });
});
async function judge(...asked: Parameters<typeof upstream.answer>): Promise<void> {
  judged = await upstream.answer(...asked);
}
after(async () => {
  await origin?.close();
  ca?.close();
  await scene?.stop();
  tenant?.remove();
  await vault?.stop();
  await postgres?.stop();
});

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
    const answered = await request(`https://${originName}:${origin.port}/${name}${rest}`, {
      method,
      headers,
      dispatcher,
      ...(body === undefined ? {} : { body }),
    });
    return `${answered.statusCode} ${await answered.body.text()}`;
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
        const answered = await call(fixture, name, scheme);
        assert.deepEqual([answered, judged], ['200 ', name]);
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
