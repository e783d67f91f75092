// Status of an AgentDestination: whether it is well-formed and in use.

import { checkDestination } from '../../policy/check.ts';
import type { Informers, RawResource } from '../kube/informers.ts';
import type { DesiredStatus } from '../kube/status.ts';
import { conditionsOf, splitFindings } from './conditions.ts';
import { isNamed } from './references.ts';

const namingKinds = ['AgentPolicy', 'ClusterAgentPolicy', 'AgentCredential'] as const;

export function createDestinationDecision({ informers }: { readonly informers: Informers }) {
  return (object: RawResource): DesiredStatus =>
    decideDestinationStatus(object, isNamed(informers, namingKinds, 'destination', object.metadata.name));
}

export function decideDestinationStatus(object: RawResource, inUse: boolean): DesiredStatus {
  const working = inUse
    ? { reason: 'Accepted', message: 'policies or AgentCredentials name this destination' }
    : {
        reason: 'NotInUse',
        message: 'accepted; no policy and no AgentCredential names this destination',
      };
  return { conditions: conditionsOf({ ...splitFindings(checkDestination(object)), working }) };
}
