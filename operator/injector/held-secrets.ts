// A Secret that the sidecar holds for the agent must not reach the agent by another way of the same pod. What other
// Secrets a pod uses is its author's matter.

import type { SecretVolume } from '../../policy/ruleset-credential.ts';
import type { EnvVar, Pod, Volume } from './pod.ts';
import { containersOf } from './pod.ts';
import type { Problem } from './problem.ts';
import { secretsStoreDriver, type SecretNeed } from './secret-volumes.ts';
import { reservedName } from './volumes.ts';

/** @param envOf what a container will have, once placeholders took the place of references. */
export function heldSecretProblems(
  pod: Pod,
  needs: readonly SecretNeed[],
  envOf: (container: string) => readonly EnvVar[],
): readonly Problem[] {
  const held = needs.map(({ volume }) => volume);
  const isHeld = (name: string | undefined): boolean =>
    held.some((volume) => 'secret' in volume && volume.secret === name);
  if (held.length === 0) return [];
  const others = containersOf(pod).filter(({ container }) => !reservedName.test(container.name));
  return [
    ...(pod.spec.volumes ?? [])
      .filter(({ name }) => !reservedName.test(name))
      .filter((volume) => held.some((each) => isFrom(volume, each)))
      .map(({ name }) => ({ field: `spec.volumes[${name}]`, message })),
    ...others.flatMap(({ field, container }) => [
      ...(container.envFrom ?? [])
        .filter(({ secretRef }) => isHeld(secretRef?.name))
        .map(({ secretRef }) => ({ field: `${field}.envFrom[${secretRef?.name}]`, message })),
      ...envOf(container.name)
        .filter(({ valueFrom }) => isHeld(valueFrom?.secretKeyRef?.name))
        .map(({ name }) => ({ field: `${field}.env[${name}]`, message })),
    ]),
  ];
}

const message =
  'must be removed: an AgentCredential or AgentSecretStore reads this secret for the agent, which must not hold it itself; keep what the agent does need in another one';

function isFrom({ secret, csi, projected }: Volume, held: SecretVolume): boolean {
  if ('csi' in held) {
    return csi?.driver === secretsStoreDriver && csi.volumeAttributes?.['secretProviderClass'] === held.csi;
  }
  const projections = (projected?.sources ?? []).map((source) => source.secret?.name);
  return [secret?.secretName, csi?.nodePublishSecretRef?.name, ...projections].includes(held.secret);
}
