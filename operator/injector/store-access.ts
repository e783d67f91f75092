// What a sidecar needs in its pod to log in to a store, or to read a file.

import {
  podIdentityAudience,
  podIdentityTokenFile,
  staticKeyFiles,
  storeTokenFile,
} from '../../policy/contract.ts';
import type { AgentCredential, AgentSecretStore } from '../../policy/resources/kinds.ts';
import type { SecretNeed } from './secret-volumes.ts';
import type { StoreToken } from './volumes.ts';

/** Null where the store is logged in to with something else than a token. */
export function tokenFor({ metadata, spec }: AgentSecretStore): StoreToken | null {
  const store = metadata.name;
  const { vault, awsSecretsManager } = spec;
  if (vault?.auth.appRole !== undefined || awsSecretsManager?.auth?.staticKeys !== undefined) return null;
  if (awsSecretsManager?.auth?.podIdentity !== undefined) {
    const file = podIdentityTokenFile(store);
    return { store, audience: podIdentityAudience, file, onlyCaptured: true };
  }
  return { store, audience: spec.audience, file: storeTokenFile(store) };
}

/** @param stores those that are open to the pod's namespace. */
export function secretsFor(
  { spec }: AgentCredential,
  stores: readonly AgentSecretStore[],
): readonly SecretNeed[] {
  const { vault, awsSecretsManager, file } = spec.source;
  const storeOf = (name: string) => stores.find(({ metadata }) => metadata.name === name)?.spec;
  if (vault !== undefined) {
    const secretId = storeOf(vault.store)?.vault?.auth.appRole?.secretId;
    return secretId === undefined ? [] : [{ volume: { secret: secretId.secret }, keys: [secretId.key] }];
  }
  if (awsSecretsManager !== undefined) {
    const staticKeys = storeOf(awsSecretsManager.store)?.awsSecretsManager?.auth?.staticKeys;
    if (staticKeys === undefined) return [];
    return [{ volume: { secret: staticKeys.secret }, keys: Object.values(staticKeyFiles) }];
  }
  if (file?.volume?.secret !== undefined) return [{ volume: { secret: file.volume.secret }, keys: null }];
  const csi = file?.volume?.csi?.secretProviderClass;
  return csi === undefined ? [] : [{ volume: { csi }, keys: null }];
}
