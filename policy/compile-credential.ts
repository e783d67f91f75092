// From an AgentCredential and its AgentSecretStore to what the sidecar gets of them.

import { isTooWide } from './ceiling.ts';
import { compileInject } from './compile-inject.ts';
import { compileMatch } from './read-policy.ts';
import type { AgentCredential, AgentSecretStore } from './resources/kinds.ts';
import { durationMs } from './resources/names.ts';
import type {
  AwsAuth,
  RulesetCredential,
  RulesetSource,
  RulesetStore,
  SecretFields,
  SecretVolume,
  VaultAuth,
} from './ruleset-credential.ts';

export function compileCredential({ spec }: AgentCredential): RulesetCredential {
  return {
    source: compileSource(spec.source),
    allow: spec.allow
      .filter(({ hosts }) => !isTooWide(hosts))
      .map((entry) => ({
        ...compileMatch(entry),
        ...(entry.inject === undefined ? {} : { inject: compileInject(entry.inject) }),
      })),
    inject: compileInject(spec.inject),
    ...(spec.placeholderFile === undefined ? {} : { placeholderFile: true }),
    refreshIntervalMs: durationMs(spec.refreshInterval) ?? 300_000,
  };
}

type SourceSpec = AgentCredential['spec']['source'];

function compileSource({ vault, awsSecretsManager: aws, file }: SourceSpec): RulesetSource {
  if (vault !== undefined) {
    const { store, role, kv, dynamic } = vault;
    return {
      kind: 'vault',
      store,
      role,
      ...(kv === undefined
        ? {}
        : { kv: { mount: kv.mount, path: kv.path, version: kv.version, ...secretFields(kv) } }),
      ...(dynamic === undefined ? {} : { dynamic: { path: dynamic.path, ...secretFields(dynamic) } }),
    };
  }
  if (aws !== undefined) {
    const { store, secretId, versionStage, versionId, binary, roleArn } = aws;
    return {
      kind: 'awsSecretsManager',
      store,
      secretId,
      ...secretFields(aws),
      ...(versionStage === undefined ? {} : { versionStage }),
      ...(versionId === undefined ? {} : { versionId }),
      ...(binary === undefined ? {} : { binary }),
      ...(roleArn === undefined ? {} : { roleArn }),
    };
  }
  const { path = '', volume } = file ?? {};
  return {
    kind: 'file',
    path,
    ...secretFields(file ?? {}),
    ...(volume === undefined ? {} : { volume: compileVolume(volume) }),
  };
}

function secretFields({
  field,
  fields,
}: {
  readonly field?: string | undefined;
  readonly fields?: readonly string[] | undefined;
}): SecretFields {
  return { ...(field === undefined ? {} : { field }), ...(fields === undefined ? {} : { fields }) };
}

function compileVolume({
  secret,
  csi,
}: NonNullable<NonNullable<SourceSpec['file']>['volume']>): SecretVolume {
  return secret === undefined ? { csi: csi?.secretProviderClass ?? '' } : { secret };
}

export function compileStore({ spec }: AgentSecretStore): RulesetStore {
  const { vault, awsSecretsManager: aws } = spec;
  if (aws !== undefined) {
    const { region, endpoint, stsEndpoint, caBundle, fips, roleArn } = aws;
    return {
      kind: 'awsSecretsManager',
      region,
      ...(endpoint === undefined ? {} : { endpoint: withoutSlash(endpoint) }),
      ...(stsEndpoint === undefined ? {} : { stsEndpoint: withoutSlash(stsEndpoint) }),
      ...(caBundle === undefined ? {} : { caBundle }),
      ...(fips === true ? { fips } : {}),
      ...(roleArn === undefined ? {} : { roleArn }),
      auth: compileAwsAuth(aws.auth),
    };
  }
  return {
    kind: 'vault',
    address: withoutSlash(vault?.address ?? ''),
    ...(vault?.caBundle === undefined ? {} : { caBundle: vault.caBundle }),
    ...(vault?.namespace === undefined ? {} : { namespace: vault.namespace }),
    auth: compileVaultAuth(vault?.auth ?? {}),
  };
}

function withoutSlash(address: string): string {
  return address.replace(/\/$/, '');
}

type VaultAuthSpec = NonNullable<AgentSecretStore['spec']['vault']>['auth'];

function compileVaultAuth({ kubernetes, jwt, appRole }: VaultAuthSpec): VaultAuth {
  if (jwt !== undefined) return { kind: 'jwt', mount: jwt.mount };
  if (appRole === undefined) return { kind: 'kubernetes', mount: kubernetes?.mount ?? 'kubernetes' };
  const { secret, key, wrapped } = appRole.secretId;
  return {
    kind: 'appRole',
    mount: appRole.mount,
    secretId: { secret, key, ...(wrapped === true ? { wrapped } : {}) },
  };
}

type AwsAuthSpec = NonNullable<AgentSecretStore['spec']['awsSecretsManager']>['auth'];

function compileAwsAuth(auth: AwsAuthSpec): AwsAuth {
  if (auth?.staticKeys !== undefined) return { kind: 'staticKeys', secret: auth.staticKeys.secret };
  return { kind: auth?.podIdentity === undefined ? 'webIdentity' : 'podIdentity' };
}
