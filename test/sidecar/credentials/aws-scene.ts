// AWS for one test file: moto behind the front, a user with static keys, and on request a cluster whose tokens STS
// verifies.

import assert from 'node:assert/strict';
import { mkdirSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { inspect } from 'node:util';
import type { JSONWebKeySet } from 'jose';
import { podIdentityTokenFile, secretDirectory, storeTokenFile } from '../../../policy/contract.ts';
import type { AwsSecretsManagerSource, AwsStore } from '../../../policy/ruleset-credential.ts';
import { createAwsProvider, type AwsOptions } from '../../../sidecar/credentials/aws/aws.ts';
import type { Provider } from '../../../sidecar/credentials/provider.ts';
import { startControlPlane, type ControlPlane } from '../../cluster/control-plane.ts';
import { startAwsFront, type AwsFront } from '../../support/aws-front.ts';
import { startMoto, type Moto } from '../../support/moto.ts';
import type { TrustPolicy } from '../../support/sts.ts';

export const region = 'eu-central-1';
export const audience = 'outrider.dev/corp-aws';
export const canary = 'canary-7c21';
export const user = 'arn:aws:iam::123456789012:user/test';
export const source: AwsSecretsManagerSource = {
  kind: 'awsSecretsManager',
  store: 'corp-aws',
  secretId: 'agents/stripe',
};

export type AwsProvider = Provider<'awsSecretsManager'>;

export interface AwsScene {
  readonly moto: Moto;
  readonly front: AwsFront;
  readonly cluster: ControlPlane | null;
  readonly tokens: string;
  readonly secrets: string;
  /** With static keys of `user`. */
  readonly store: AwsStore;
  /** Puts the text where the kubelet would put the token for a store. */
  writeToken(store: string, token: string): void;
  writePodIdentityToken(store: string, token: string): void;
  writeKeys(secret: string, keys: Readonly<Record<string, string>>): void;
  tokenOf(namespace: string, account: string, forAudience?: string): Promise<string>;
  /** Of a provider of its own, forgotten afterwards. */
  withProvider<Result>(
    work: (provider: AwsProvider) => Promise<Result>,
    options?: Partial<AwsOptions>,
  ): Promise<Result>;
  stop(): Promise<void>;
}

export interface SceneOptions {
  readonly cluster?: boolean;
  /** Whose tokens STS verifies, in place of a cluster's. */
  readonly issuer?: { readonly url: string; readonly keys: JSONWebKeySet };
  readonly roles?: Readonly<Record<string, TrustPolicy>>;
}

export async function startAwsScene({
  cluster: wanted = false,
  issuer,
  roles = {},
}: SceneOptions = {}): Promise<AwsScene> {
  const [moto, cluster] = await Promise.all([startMoto(), wanted ? startControlPlane() : null]);
  const discovery = cluster === null ? null : await rawJson(cluster, '/.well-known/openid-configuration');
  const certificate = await moto.authority.issue({
    name: 'front',
    subject: '/CN=aws',
    alternativeNames: ['IP:127.0.0.1'],
    usages: ['serverAuth'],
  });
  const front = await startAwsFront({
    moto,
    certificate,
    region,
    issuer: issuer?.url ?? String(discovery?.['issuer']),
    keys:
      cluster === null
        ? (issuer?.keys ?? { keys: [] })
        : ((await rawJson(cluster, '/openid/v1/jwks')) as unknown as JSONWebKeySet),
    clientIds: [audience],
    roles,
  });
  const [tokens, secrets] = [join(moto.folder, 'tokens'), join(moto.folder, 'secrets')];
  for (const folder of [tokens, secrets]) mkdirSync(folder);
  const scene: AwsScene = {
    moto,
    front,
    cluster,
    tokens,
    secrets,
    store: {
      kind: 'awsSecretsManager',
      region,
      endpoint: front.endpoint,
      stsEndpoint: front.stsEndpoint,
      caBundle: moto.authority.certPem,
      auth: { kind: 'staticKeys', secret: 'aws-keys' },
    },
    writeToken: (store, token) => writeFileSync(join(tokens, storeTokenFile(store)), token),
    writePodIdentityToken: (store, token) => writeFileSync(join(tokens, podIdentityTokenFile(store)), token),
    writeKeys(secret, keys) {
      const folder = join(secrets, secretDirectory({ secret }));
      mkdirSync(folder, { recursive: true });
      for (const [file, text] of Object.entries(keys)) writeFileSync(join(folder, file), text);
    },
    tokenOf: async (namespace, account, forAudience = audience) => {
      if (cluster === null) throw new Error('this scene has no cluster');
      return cluster.kubectl(['create', 'token', account, '-n', namespace, `--audience=${forAudience}`]);
    },
    async withProvider(work, options = {}) {
      const provider = createAwsProvider({
        tokensDirectory: tokens,
        secretsDirectory: secrets,
        level: 'cooperative',
        ...options,
      });
      try {
        return await work(provider);
      } finally {
        await provider.forget();
      }
    },
    async stop() {
      await front.stop();
      await moto.stop();
      await cluster?.stop();
    },
  };
  const keys = front.sts.ring.add(user);
  front.readers.add(user);
  scene.writeKeys('aws-keys', {
    'access-key-id': keys.accessKeyId,
    'secret-access-key': `${keys.secretAccessKey}\n`,
  });
  return scene;
}

async function rawJson(cluster: ControlPlane, path: string): Promise<Readonly<Record<string, unknown>>> {
  return JSON.parse(await cluster.kubectl(['get', '--raw', path])) as Record<string, unknown>;
}

/** What is read, by part. */
export async function partsOf(
  provider: AwsProvider,
  from: AwsSecretsManagerSource,
  store: AwsStore,
): Promise<Record<string, string>> {
  const { material, lease } = await provider.read(from, { [from.store]: store });
  assert.equal(lease, null);
  return Object.fromEntries([...material].map(([name, secret]) => [name, secret.open()]));
}

export async function valueOf(
  provider: AwsProvider,
  from: AwsSecretsManagerSource,
  store: AwsStore,
): Promise<string | undefined> {
  return (await partsOf(provider, from, store))['value'];
}

/** S-13: nothing of what was asked for, shown to AWS or said by it may be in what is thrown. */
export async function assertFails(
  reading: Promise<unknown>,
  code: string,
  field: string,
  message?: RegExp,
): Promise<void> {
  await assert.rejects(reading, (error) => {
    const { code: thrown, field: concerned } = error as { code?: string; field?: string };
    assert.deepEqual({ code: thrown, field: concerned }, { code, field });
    const shown = inspect(error, { depth: null, showHidden: true, getters: true });
    assert.doesNotMatch(shown, /canary|eyJ|A[SK]IA[0-9A-F]|session-token-|\$metadata|\$response/);
    if (message !== undefined) assert.match((error as Error).message, message);
    return true;
  });
}
