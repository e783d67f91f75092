// The volumes of an injected pod and who mounts which. Only the trust volume is shared, and agents cannot write it.

import { operatorAudience, operatorTokenFile, podPaths, storeTokenFile } from '../../policy/contract.ts';
import type { SidecarSettings } from './settings.ts';
import type { Volume, VolumeMount } from './pod.ts';

/** Names of containers and volumes that only the webhook may write. */
export const reservedName = /^outrider(?:-|$)/;

/** A store that the pod's namespace may use. */
export interface StoreToken {
  readonly store: string;
  readonly audience: string;
}

/** A kubelet renews a token at four fifths of its life, so a stolen one is of use for an hour at most. */
const tokenSeconds = 3600;

export function podVolumes(settings: SidecarSettings, stores: readonly StoreToken[]): readonly Volume[] {
  const token = (audience: string, path: string) => ({
    serviceAccountToken: { audience, expirationSeconds: tokenSeconds, path },
  });
  return [
    // A PEM bundle of the public roots and a JKS of the same are 0.5 MB together, and are replaced by renaming.
    { name: 'outrider-trust', emptyDir: { medium: 'Memory', sizeLimit: '4Mi' } },
    { name: 'outrider-keys', emptyDir: { medium: 'Memory', sizeLimit: '1Mi' } },
    { name: 'outrider-state', emptyDir: { sizeLimit: settings.stateSize } },
    {
      name: 'outrider-tokens',
      projected: {
        // 0444: with containers of different uids and no fsGroup the sidecar could read nothing narrower. That no
        // other container mounts the volume is what keeps the tokens from the agent.
        defaultMode: 0o444,
        sources: [
          token(operatorAudience, operatorTokenFile),
          ...stores.map(({ store, audience }) => token(audience, storeTokenFile(store))),
        ],
      },
    },
  ];
}

export const sidecarMounts: readonly VolumeMount[] = [
  { name: 'outrider-trust', mountPath: podPaths.trust },
  { name: 'outrider-keys', mountPath: podPaths.keys },
  { name: 'outrider-state', mountPath: podPaths.state },
  { name: 'outrider-tokens', mountPath: podPaths.tokens, readOnly: true },
];

export const agentMount: VolumeMount = {
  name: 'outrider-trust',
  mountPath: podPaths.trust,
  readOnly: true,
};
