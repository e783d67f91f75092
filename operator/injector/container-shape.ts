// What no container of an agent may be or have: the Pod Security Standard "restricted", but for runAsNonRoot (root without
// SETUID and SETGID cannot become the sidecar), and what would show it the sidecar's secrets. What is merely unset the
// webhook fills in. https://kubernetes.io/docs/concepts/security/pod-security-standards/

import { sidecarPorts } from '../../policy/contract.ts';
import { awsIdentityProblems } from './aws-identity.ts';
import type { SidecarIdentity } from './identity.ts';
import type { Container, Pod } from './pod.ts';
import type { Problem } from './problem.ts';
import { agentMount, reservedName } from './volumes.ts';

type SecurityContext = NonNullable<Container['securityContext']>;

export const seLinuxTypes: ReadonlySet<string> = new Set([
  'container_t',
  'container_init_t',
  'container_kvm_t',
  'container_engine_t',
]);

const ourPorts: ReadonlySet<number> = new Set(Object.values(sidecarPorts));

export const seLinuxMessage = `must have no user, no role, and no type but ${[...seLinuxTypes].join(', ')}`;

const contextRules: readonly {
  readonly field: string;
  readonly refuses: (context: SecurityContext) => boolean;
  readonly message: string;
}[] = [
  {
    field: 'privileged',
    refuses: ({ privileged }) => privileged === true,
    message: 'must be false: it opens the node, and so the sidecar',
  },
  {
    field: 'allowPrivilegeEscalation',
    refuses: ({ allowPrivilegeEscalation }) => allowPrivilegeEscalation === true,
    message: 'must be false: a setuid program could become the sidecar',
  },
  {
    field: 'capabilities.add',
    refuses: ({ capabilities }) =>
      capabilities?.add?.some((capability) => capability !== 'NET_BIND_SERVICE') === true,
    message:
      'must be empty, or NET_BIND_SERVICE alone: others reach the network, or the sidecar, past what is decided',
  },
  {
    field: 'seccompProfile.type',
    refuses: ({ seccompProfile }) => seccompProfile?.type === 'Unconfined',
    message: 'must be RuntimeDefault or Localhost',
  },
  {
    field: 'procMount',
    refuses: ({ procMount }) => procMount !== undefined && procMount !== 'Default',
    message: 'must be Default: the rest of /proc changes the network that the sidecar stands in',
  },
  {
    field: 'appArmorProfile.type',
    refuses: ({ appArmorProfile }) => appArmorProfile?.type === 'Unconfined',
    message: 'must be RuntimeDefault or Localhost',
  },
  {
    field: 'seLinuxOptions',
    refuses: ({ seLinuxOptions }) => !isConfined(seLinuxOptions),
    message: seLinuxMessage,
  },
  {
    field: 'windowsOptions',
    refuses: ({ windowsOptions }) => windowsOptions !== undefined,
    message: 'must be removed: there is no sidecar for Windows nodes',
  },
];

export function isConfined(options: SecurityContext['seLinuxOptions']): boolean {
  const { user = '', role = '', type = '' } = options ?? {};
  return user === '' && role === '' && (type === '' || seLinuxTypes.has(type));
}

export function containerProblems(
  field: string,
  container: Container,
  { pod, identity }: { readonly pod: Pod; readonly identity: SidecarIdentity },
): readonly Problem[] {
  const context = container.securityContext ?? {};
  return [
    ...(reservedName.test(container.name)
      ? [{ field, message: 'must have another name: outrider and outrider-* are the webhook’s' }]
      : []),
    ...contextRules
      .filter(({ refuses }) => refuses(context))
      .map((rule) => ({ field: `${field}.securityContext.${rule.field}`, message: rule.message })),
    ...mountProblems(field, container),
    ...portProblems(field, container),
    ...hostProblems(field, container),
    ...idProblems(`${field}.securityContext`, context, identity),
    ...awsIdentityProblems(field, container, pod.spec.volumes ?? []),
  ];
}

function mountProblems(
  field: string,
  { volumeMounts = [], volumeDevices = [], env = [] }: Container,
): Problem[] {
  const ours =
    'must be removed: the sidecar’s volumes are its own, and the webhook mounts what an agent may read';
  return [
    ...volumeMounts
      .filter((mount) => reservedName.test(mount.name) && !isAgentMount(mount))
      .map(({ name }) => ({ field: `${field}.volumeMounts[${name}]`, message: ours })),
    ...volumeMounts
      .filter(({ mountPropagation }) => mountPropagation === 'Bidirectional')
      .map(({ name }) => ({
        field: `${field}.volumeMounts[${name}].mountPropagation`,
        message: 'must be None or HostToContainer: a mount of the agent’s must not reach the node',
      })),
    // https://kubernetes.io/docs/tasks/inject-data-application/define-environment-variable-via-file/
    ...env
      .filter(({ valueFrom }) => reservedName.test(valueFrom?.fileKeyRef?.volumeName ?? ''))
      .map(({ name }) => ({ field: `${field}.env[${name}].valueFrom.fileKeyRef`, message: ours })),
    ...volumeDevices.map(({ name }) => ({
      field: `${field}.volumeDevices[${name}]`,
      message: reservedName.test(name)
        ? ours
        : 'must be removed: a raw device of the node’s shows what lies on it; use a volume with a file system',
    })),
  ];
}

function isAgentMount(mount: Readonly<Record<string, unknown>>): boolean {
  const keys = Object.keys(mount);
  return (
    keys.length === Object.keys(agentMount).length && keys.every((key) => mount[key] === agentMount[key])
  );
}

function portProblems(field: string, { ports = [] }: Container): Problem[] {
  return [
    ...ports
      .filter(({ hostPort = 0 }) => hostPort !== 0)
      .map(({ containerPort }) => ({
        field: `${field}.ports[${containerPort}].hostPort`,
        message: 'must be removed: an agent takes no ports of the node; use a Service',
      })),
    ...ports
      .filter(({ containerPort }) => ourPorts.has(containerPort))
      .map(({ containerPort }) => ({
        field: `${field}.ports[${containerPort}]`,
        message: 'must be another port: the sidecar listens there',
      })),
  ];
}

/** The kubelet calls them from the node, where nothing is decided. */
function hostProblems(field: string, container: Container): Problem[] {
  const { livenessProbe, readinessProbe, startupProbe, lifecycle } = container;
  const handlers = {
    livenessProbe,
    readinessProbe,
    startupProbe,
    'lifecycle.postStart': lifecycle?.postStart,
    'lifecycle.preStop': lifecycle?.preStop,
  };
  return Object.entries(handlers).flatMap(([name, handler]) =>
    (['httpGet', 'tcpSocket'] as const)
      .filter((way) => (handler?.[way]?.host ?? '') !== '')
      .map((way) => ({
        field: `${field}.${name}.${way}.host`,
        message:
          'must be removed: the kubelet would call that host from the node, past the sidecar; without it, it calls the pod',
      })),
  );
}

export function idProblems(
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

export function drawn(id: number): string {
  return `${id}: it was drawn for the sidecar`;
}
