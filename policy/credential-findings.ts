// Whether a credential can be used: its source fits the store that it names, and what mints a token does so at a place
// that is shipped or the platform's. What is not so is left out of rulesets, and status says why.

import type { CaptureLevel } from './capture-plan.ts';
import { compileInject, tokenEndpointOf } from './compile-inject.ts';
import type { Finding } from './parse.ts';
import type { AgentCredential, AgentDestination, AgentSecretStore } from './resources/kinds.ts';
import { isShippedTokenEndpoint } from './token-endpoints.ts';

/** What a namespace may name, and how its pods are captured. */
export interface Open {
  readonly stores: readonly AgentSecretStore[];
  readonly destinations: readonly AgentDestination[];
  readonly level: CaptureLevel;
}

export function isUsable(credential: AgentCredential, open: Open): boolean {
  const findings = findUnusable(credential, open);
  return !findings.some(({ blocking }) => blocking);
}

export function findUnusable({ spec }: AgentCredential, open: Open): readonly Finding[] {
  const { vault, awsSecretsManager } = spec.source;
  return [
    ...(vault === undefined ? [] : findStoreProblems('vault', vault.store, open)),
    ...(awsSecretsManager === undefined
      ? []
      : [
          ...findStoreProblems('awsSecretsManager', awsSecretsManager.store, open),
          ...findAwsProblems(awsSecretsManager, open),
        ]),
    ...findRotatingProblems(spec),
    ...findEndpointProblems(spec, open),
  ];
}

type StoreKind = 'vault' | 'awsSecretsManager';
const storeTitles: Readonly<Record<StoreKind, string>> = {
  vault: 'a Vault',
  awsSecretsManager: 'an AWS account',
};

function findStoreProblems(kind: StoreKind, name: string, { stores }: Open): Finding[] {
  const field = `spec.source.${kind}.store`;
  const fitting = stores.filter(({ spec }) => spec[kind] !== undefined).map(({ metadata }) => metadata.name);
  if (fitting.includes(name)) return [];
  const isOther = stores.some(({ metadata }) => metadata.name === name);
  return [
    isOther
      ? blocking(
          'StoreKindWrong',
          field,
          `names an AgentSecretStore that is not ${storeTitles[kind]}; of those ${available(fitting)}`,
        )
      : blocking(
          'StoreNotFound',
          field,
          `names no AgentSecretStore that is open to this namespace; ${available(fitting)}`,
        ),
  ];
}

type AwsSpec = NonNullable<AgentCredential['spec']['source']['awsSecretsManager']>;

function findAwsProblems({ store: name, roleArn }: AwsSpec, { stores, level }: Open): Finding[] {
  const store = stores.find(({ metadata }) => metadata.name === name)?.spec.awsSecretsManager;
  if (store === undefined) return [];
  const { auth } = store;
  if (auth?.podIdentity !== undefined) {
    if (level === 'captured') return [];
    return [
      blocking(
        'CaptureRequired',
        'spec.source.awsSecretsManager.store',
        'names a store that logs in by EKS Pod Identity, which any container of a pod can use that is not captured, and the level of this namespace is cooperative: name a store with auth: { webIdentity: {} }, or let the platform capture it (label outrider.dev/capture=captured)',
      ),
    ];
  }
  if (auth?.staticKeys !== undefined || roleArn !== undefined || store.roleArn !== undefined) return [];
  return [
    blocking(
      'RoleMissing',
      'spec.source.awsSecretsManager.roleArn',
      "is required where the store has no roleArn of its own, since a web identity token is exchanged for a role's keys; write such as arn:aws:iam::123456789012:role/agents",
    ),
  ];
}

/** Two agents that redeem one refresh token lose it: only a store that compares and sets gives it one owner. */
function findRotatingProblems({ source, inject }: AgentCredential['spec']): Finding[] {
  if (inject.oauth2?.refreshToken?.rotating !== true || source.vault?.kv?.version === 2) return [];
  return [
    blocking(
      'NeedsCompareAndSet',
      'spec.inject.oauth2.refreshToken.rotating',
      'needs a source that new refresh tokens can be written back to without overwriting another: write source.vault.kv with version: 2, or leave rotating out where the provider keeps refresh tokens',
    ),
  ];
}

function findEndpointProblems({ inject }: AgentCredential['spec'], { destinations }: Open): Finding[] {
  const compiled = compileInject(inject);
  const endpoint = tokenEndpointOf(compiled);
  if (endpoint === null) return [];
  const at = `spec.inject.${compiled.kind}.${compiled.kind === 'githubApp' ? 'endpoint' : 'tokenEndpoint'}`;
  if ('url' in endpoint) {
    if (isShippedTokenEndpoint(endpoint.url)) return [];
    return [
      blocking(
        'TokenEndpointUnknown',
        `${at}.url`,
        'is none of the shipped token endpoints (docs/credentials/token-endpoints.md): secrets go to no other place that a namespace names; ask the platform for an AgentDestination, and write destination and path',
      ),
    ];
  }
  const named = destinations.find(({ metadata }) => metadata.name === endpoint.destination);
  if (named === undefined) {
    return [
      blocking(
        'DestinationNotFound',
        `${at}.destination`,
        `names no AgentDestination that is open to this namespace; ${available(destinations.map(({ metadata }) => metadata.name))}`,
      ),
    ];
  }
  if ((named.spec.service ?? named.spec.host)?.scheme === 'https') return [];
  return [
    blocking(
      'DestinationNotHttps',
      `${at}.destination`,
      'names an AgentDestination without TLS, where no secret is sent; its scheme must be https',
    ),
  ];
}

function blocking(reason: string, field: string, message: string): Finding {
  return { reason, field, message, blocking: true };
}

/** Only names that the namespace may use: others are not its business. */
export function available(names: readonly string[]): string {
  if (names.length === 0) return 'there is none';
  const shown = names.toSorted().slice(0, 5).join(', ');
  return `there is ${shown}${names.length > 5 ? ` and ${names.length - 5} more` : ''}`;
}
