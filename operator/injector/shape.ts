// Shapes of a pod that would show the sidecar's secrets to the agent, or a way to the network past it, and names and paths
// that are ours. Admission policies say the same of the pod that comes out at the end; these say it first.

import { captureName } from './capture-container.ts';
import { containerProblems, drawn, idProblems, isConfined, seLinuxMessage } from './container-shape.ts';
import { sidecarName } from './containers.ts';
import type { SidecarIdentity } from './identity.ts';
import { containersOf, type Pod } from './pod.ts';
import type { Problem } from './problem.ts';
import { volumeProblems } from './volume-shape.ts';

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
    field: 'spec.hostAliases',
    refuses: ({ spec }) => (spec.hostAliases ?? []).length > 0,
    message:
      'must be removed: it sends names elsewhere than the sidecar does; a name inside the cluster is an AgentDestination',
  },
  {
    field: 'spec.securityContext.seccompProfile.type',
    refuses: ({ spec }) => spec.securityContext?.seccompProfile?.type === 'Unconfined',
    message: 'must be RuntimeDefault or Localhost',
  },
  {
    field: 'spec.securityContext.appArmorProfile.type',
    refuses: ({ spec }) => spec.securityContext?.appArmorProfile?.type === 'Unconfined',
    message: 'must be RuntimeDefault or Localhost',
  },
  {
    field: 'spec.securityContext.seLinuxOptions',
    refuses: ({ spec }) => !isConfined(spec.securityContext?.seLinuxOptions),
    message: seLinuxMessage,
  },
  {
    field: 'spec.securityContext.windowsOptions',
    refuses: ({ spec }) => spec.securityContext?.windowsOptions !== undefined,
    message: 'must be removed: there is no sidecar for Windows nodes',
  },
  {
    field: 'spec.nodeSelector[kubernetes.io/os]',
    refuses: ({ spec }) => (spec.nodeSelector?.['kubernetes.io/os'] ?? 'linux') !== 'linux',
    message: 'must be linux: there is no sidecar for other nodes',
  },
  {
    field: 'spec.os.name',
    refuses: ({ spec }) => (spec.os?.name ?? 'linux') !== 'linux',
    message: 'must be linux: there is no sidecar for other nodes',
  },
  {
    field: 'metadata.annotations[kubernetes.io/config.mirror]',
    refuses: ({ metadata }) => metadata.annotations?.['kubernetes.io/config.mirror'] !== undefined,
    message: 'must be absent: a static pod has no ServiceAccount and cannot be injected; use a Deployment',
  },
];

/** Those that a namespace of the pod's own has: https://kubernetes.io/docs/concepts/security/pod-security-standards/ */
export const safeSysctls: ReadonlySet<string> = new Set([
  'kernel.shm_rmid_forced',
  'net.ipv4.ip_local_port_range',
  'net.ipv4.ip_unprivileged_port_start',
  'net.ipv4.tcp_syncookies',
  'net.ipv4.ping_group_range',
  'net.ipv4.ip_local_reserved_ports',
  'net.ipv4.tcp_keepalive_time',
  'net.ipv4.tcp_fin_timeout',
  'net.ipv4.tcp_keepalive_intvl',
  'net.ipv4.tcp_keepalive_probes',
  'net.ipv4.tcp_rmem',
  'net.ipv4.tcp_wmem',
]);

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
    ...(securityContext?.sysctls ?? [])
      .filter(({ name }) => !safeSysctls.has(name))
      .map(({ name }) => ({
        field: `spec.securityContext.sysctls[${name}]`,
        message: 'must be removed: only those that the Pod Security Standards call safe are allowed',
      })),
    ...appArmorAnnotations(pod),
    ...volumes.flatMap(volumeProblems),
    ...others.flatMap(({ field, container }) => containerProblems(field, container, { pod, identity })),
  ];
}

/** How AppArmor was asked for before Kubernetes 1.30; the kubelet still heeds them. */
function appArmorAnnotations({ metadata }: Pod): Problem[] {
  return Object.entries(metadata.annotations ?? {})
    .filter(
      ([key, value]) =>
        key.startsWith('container.apparmor.security.beta.kubernetes.io/') && value === 'unconfined',
    )
    .map(([key]) => ({
      field: `metadata.annotations[${key}]`,
      message: 'must be runtime/default or localhost/…',
    }));
}
