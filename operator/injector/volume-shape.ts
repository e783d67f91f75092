// Kinds of volumes that an agent's pod may have: those of the Pod Security Standard "restricted". Of the others the node
// itself would connect to where the pod's author says, past the sidecar, or show its own disk.

import { audiencePrefix } from '../../policy/contract.ts';
import type { Volume } from './pod.ts';
import type { Problem } from './problem.ts';
import { reservedName } from './volumes.ts';

export const volumeKinds: ReadonlySet<string> = new Set([
  'configMap',
  'csi',
  'downwardAPI',
  'emptyDir',
  'ephemeral',
  'image',
  'persistentVolumeClaim',
  'projected',
  'secret',
]);

export function volumeProblems(volume: Volume): readonly Problem[] {
  const field = `spec.volumes[${volume.name}]`;
  if (volume.hostPath !== undefined) {
    const message = 'must be replaced by another kind of volume: the node’s disk holds the sidecar’s tokens';
    return [{ field: `${field}.hostPath`, message }];
  }
  const others = Object.keys(volume).filter((key) => key !== 'name' && !volumeKinds.has(key));
  return [
    ...others.map((kind) => ({
      field: `${field}.${kind}`,
      message:
        'must be replaced by another kind of volume, such as persistentVolumeClaim: the node itself would connect to where this one points, past the sidecar',
    })),
    ...(reservedName.test(volume.name) ? [] : audienceProblems(field, volume)),
  ];
}

function audienceProblems(field: string, { projected }: Volume): readonly Problem[] {
  return (projected?.sources ?? [])
    .filter(({ serviceAccountToken }) => serviceAccountToken?.audience?.startsWith(audiencePrefix))
    .map(({ serviceAccountToken }) => ({
      field: `${field}.projected`,
      message: `must not ask for the audience ${serviceAccountToken?.audience}: audiences under ${audiencePrefix} are the sidecar’s`,
    }));
}
