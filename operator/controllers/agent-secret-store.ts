// Status of an AgentSecretStore: whether it is well-formed and in use. Whether the Vault answers is seen by
// sidecars alone, and shown on the credentials that they read from it: the operator never talks to it.

import { checkStore } from '../../policy/check.ts';
import type { Informers, RawResource } from '../kube/informers.ts';
import type { DesiredStatus } from '../kube/status.ts';
import { conditionsOf, splitFindings } from './conditions.ts';
import { isNamed } from './references.ts';

export function createStoreDecision({ informers }: { readonly informers: Informers }) {
  return (object: RawResource): DesiredStatus =>
    decideStoreStatus(object, isNamed(informers, ['AgentCredential'], 'store', object.metadata.name));
}

export function decideStoreStatus(object: RawResource, inUse: boolean): DesiredStatus {
  const working = inUse
    ? {
        reason: 'Accepted',
        message: 'AgentCredentials name this store; their status says whether it answers',
      }
    : { reason: 'NotInUse', message: 'accepted; no AgentCredential names this store' };
  return { conditions: conditionsOf({ ...splitFindings(checkStore(object)), working }) };
}
