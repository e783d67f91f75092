// Shapes of a pod that would show the sidecar's secrets to the agent, and names and paths that are ours. Admission
// policies refuse more; these are refused even where those are not installed.

import { audiencePrefix } from '../../policy/contract.ts';
import { awsIdentityProblems } from './aws-identity.ts';
import { captureName } from './capture-container.ts';
import { sidecarName } from './containers.ts';
import type { SidecarIdentity } from './identity.ts';
import type { Container, Pod } from './pod.ts';
import { containersOf } from './pod.ts';
import type { Problem } from './problem.ts';
import { agentMount, reservedName } from './volumes.ts';

const podRules: readonly {
  readonly field: string;
  readonly refuses: (pod: Pod) => boolean;
  readonly message: string;
}[] = [
  {
    field: 'spec.hostNetwork',
    refuses: ({ spec }) => spec.hostNetwork === true,
    message: 'must be false: on the node’s network the sidecar’s proxy is open to every pod of the node',
  },
  {
    field: 'spec.hostPID',
    refuses: ({ spec }) => spec.hostPID === true,
    message: 'must be false: processes of the node see the files of the sidecar under /proc',
  },
  {
    field: 'spec.hostIPC',
    refuses: ({ spec }) => spec.hostIPC === true,
    message: 'must be false: an agent shares no memory with the node',
  },
  {
    field: 'spec.shareProcessNamespace',
    refuses: ({ spec }) => spec.shareProcessNamespace === true,
    message: 'must be false: the agent would see the files of the sidecar under /proc',
  },
  {
    field: 'spec.os.name',
    refuses: ({ spec }) => spec.os?.name === 'windows',
    message: 'must be linux: there is no sidecar for Windows nodes',
  },
  {
    field: 'metadata.annotations[kubernetes.io/config.mirror]',
    refuses: ({ metadata }) => metadata.annotations?.['kubernetes.io/config.mirror'] !== undefined,
    message: 'must be absent: a static pod has no ServiceAccount and cannot be injected; use a Deployment',
  },
];

/** What must change before the pod can be injected; empty when nothing. */
export function shapeProblems(pod: Pod, identity: SidecarIdentity): readonly Problem[] {
  const { securityContext, volumes = [] } = pod.spec;
  const ours = [captureName, sidecarName].map((name) => `spec.initContainers[${name}]`);
  const others = containersOf(pod).filter(({ field }) => !ours.includes(field));
  return [
    ...podRules.filter(({ refuses }) => refuses(pod)).map(({ field, message }) => ({ field, message })),
    ...idProblems('spec.securityContext', securityContext, identity),
    ...[securityContext?.fsGroup, ...(securityContext?.supplementalGroups ?? [])]
      .filter((group) => group === identity.gid)
      .map(() => ({
        field: 'spec.securityContext',
        message: `must not have the group ${drawn(identity.gid)}`,
      })),
    ...volumes.flatMap((volume) => [
      ...(volume.hostPath === undefined
        ? []
        : [
            {
              field: `spec.volumes[${volume.name}].hostPath`,
              message:
                'must be replaced by another kind of volume: the node’s disk holds the sidecar’s tokens',
            },
          ]),
      ...(reservedName.test(volume.name) ? [] : audienceProblems(volume)),
    ]),
    ...others.flatMap(({ field, container }) => [
      ...containerProblems(field, container, identity),
      ...awsIdentityProblems(field, container, volumes),
    ]),
  ];
}

function containerProblems(
  field: string,
  container: Container,
  identity: SidecarIdentity,
): readonly Problem[] {
  const reserved = reservedName.test(container.name)
    ? [{ field, message: 'must have another name: outrider and outrider-* are the webhook’s' }]
    : [];
  const privileged = container.securityContext?.privileged
    ? [
        {
          field: `${field}.securityContext.privileged`,
          message: 'must be false: it opens the node, and so the sidecar',
        },
      ]
    : [];
  const lists = { volumeMounts: container.volumeMounts ?? [], volumeDevices: container.volumeDevices ?? [] };
  const mounts = Object.entries(lists).flatMap(([list, entries]) =>
    entries
      .filter((entry) => reservedName.test(entry.name) && !isAgentMount(entry))
      .map(({ name }) => ({
        field: `${field}.${list}[${name}]`,
        message:
          'must be removed: the sidecar’s volumes are its own, and the webhook mounts what an agent may read',
      })),
  );
  const ids = idProblems(`${field}.securityContext`, container.securityContext, identity);
  return [...reserved, ...privileged, ...mounts, ...ids];
}

function isAgentMount(mount: Readonly<Record<string, unknown>>): boolean {
  const keys = Object.keys(mount);
  return (
    keys.length === Object.keys(agentMount).length && keys.every((key) => mount[key] === agentMount[key])
  );
}

function idProblems(
  field: string,
  context: { readonly runAsUser?: number | undefined; readonly runAsGroup?: number | undefined } | undefined,
  { uid, gid }: SidecarIdentity,
): readonly Problem[] {
  const pairs = [
    { name: 'runAsUser', id: context?.runAsUser, taken: uid },
    { name: 'runAsGroup', id: context?.runAsGroup, taken: gid },
  ];
  return pairs
    .filter(({ id, taken }) => id === taken)
    .map(({ name, taken }) => ({ field: `${field}.${name}`, message: `must not be ${drawn(taken)}` }));
}

function drawn(id: number): string {
  return `${id}: it was drawn for the sidecar`;
}

function audienceProblems(volume: NonNullable<Pod['spec']['volumes']>[number]): readonly Problem[] {
  return (volume.projected?.sources ?? [])
    .filter(({ serviceAccountToken }) => serviceAccountToken?.audience?.startsWith(audiencePrefix))
    .map(({ serviceAccountToken }) => ({
      field: `spec.volumes[${volume.name}].projected`,
      message: `must not ask for the audience ${serviceAccountToken?.audience}: audiences under ${audiencePrefix} are the sidecar’s`,
    }));
}
