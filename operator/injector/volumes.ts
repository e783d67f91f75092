// The volumes of an injected pod and who mounts which. Only the trust volume is shared, and agents cannot write it.

import type { CaptureLevel } from '../../policy/capture-plan.ts';
import { operatorAudience, operatorTokenFile, podPaths } from '../../policy/contract.ts';
import type { InjectorSettings } from './settings.ts';
import type { Volume, VolumeMount } from './pod.ts';
import type { MountedVolume } from './secret-volumes.ts';

/** Names of containers and volumes that only the webhook may write. */
export const reservedName = /^outrider(?:-|$)/;

/** Of a store that the pod's namespace may use and that is logged in to with a token. */
export interface StoreToken {
  readonly store: string;
  readonly audience: string;
  /** The file under `podPaths.tokens`. */
  readonly file: string;
  /** Any pod of the ServiceAccount could ask for this audience, so only captured agents' sidecars have it. */
  readonly onlyCaptured?: true;
}

/** Those that pods of a level get. */
export function tokensFor(level: CaptureLevel, tokens: readonly StoreToken[]): readonly StoreToken[] {
  return tokens.filter(({ onlyCaptured }) => onlyCaptured !== true || level === 'captured');
}

/** A kubelet renews a token at four fifths of its life, so a stolen one is of use for an hour at most. */
const tokenSeconds = 3600;

export function podVolumes(
  settings: InjectorSettings,
  level: CaptureLevel,
  stores: readonly StoreToken[],
  secrets: readonly MountedVolume[],
): readonly Volume[] {
  const token = (audience: string, path: string) => ({
    serviceAccountToken: { audience, expirationSeconds: tokenSeconds, path },
  });
  return [
    // A PEM bundle of the public roots and a JKS of the same are 0.5 MB together, and are replaced by renaming.
    { name: 'outrider-trust', emptyDir: { medium: 'Memory', sizeLimit: '4Mi' } },
    { name: 'outrider-keys', emptyDir: { medium: 'Memory', sizeLimit: '1Mi' } },
    { name: 'outrider-state', emptyDir: { sizeLimit: settings.sidecar.stateSize } },
    {
      name: 'outrider-tokens',
      projected: {
        // 0444: with containers of different uids and no fsGroup the sidecar could read nothing narrower. That no
        // other container mounts the volume is what keeps the tokens from the agent.
        defaultMode: 0o444,
        sources: [
          token(operatorAudience, operatorTokenFile),
          ...tokensFor(level, stores).map(({ audience, file }) => token(audience, file)),
        ],
      },
    },
    ...secrets.map(({ volume }) => volume),
  ];
}

const ownMounts: readonly VolumeMount[] = [
  { name: 'outrider-trust', mountPath: podPaths.trust },
  { name: 'outrider-keys', mountPath: podPaths.keys },
  { name: 'outrider-state', mountPath: podPaths.state },
  { name: 'outrider-tokens', mountPath: podPaths.tokens, readOnly: true },
];

export function sidecarMounts(secrets: readonly MountedVolume[]): VolumeMount[] {
  return [...ownMounts, ...secrets.map(({ mount }) => mount)].map((mount) => ({ ...mount }));
}

export const agentMount: VolumeMount = {
  name: 'outrider-trust',
  mountPath: podPaths.trust,
  readOnly: true,
};
