// Shapes of an agent's pod that are refused, each a change to one that is admitted: spec.initContainers are outrider-capture,
// outrider and fetch, spec.containers is agent, and of spec.volumes the first five are ours.

import { settings } from '../golden/cases.ts';
import { sidecarIds } from '../support/injected-pod.ts';
import type { Edit } from './edited.ts';

export interface RefusedPod {
  readonly edit: Edit;
  /** What the refusal must say: the field, and what to do about it. */
  readonly says: string;
  /** Whether the oldest API server that Outrider supports does not know the field. */
  readonly isNew?: true;
}

const { uid, gid } = sidecarIds;
const agent = '/spec/containers/0';
const fetcher = '/spec/initContainers/2';
const capture = '/spec/initContainers/0';
const sidecar = '/spec/initContainers/1';

const drawnPod = 'must be another number: this one was drawn for the sidecar; create the pod anew';
const drawn = 'must be another number: this one was drawn for the sidecar';
const token = (audience: string) => ({ serviceAccountToken: { audience, path: 'token' } });
const volume = (source: object) => ({ name: 'mine', ...source });
const variable = (name: string, value: string) => ({ name, value });

/** Nothing is wrong with it but its place. */
const early = {
  name: 'early',
  image: 'registry.example/early:1',
  securityContext: {
    allowPrivilegeEscalation: false,
    capabilities: { drop: ['ALL'] },
    seccompProfile: { type: 'RuntimeDefault' },
  },
};

export const wholePod: Readonly<Record<string, RefusedPod>> = {
  'K-07, K-29: shares its process namespace': {
    edit: { '/spec/shareProcessNamespace': true },
    says: 'spec.shareProcessNamespace must be false: the agent would see the files of the sidecar under /proc',
  },
  'K-08: is on the node’s network': {
    edit: { '/spec/hostNetwork': true },
    says: 'spec.hostNetwork must be false: the node’s network has no sidecar in the way',
  },
  'K-08: sees the node’s processes': {
    edit: { '/spec/hostPID': true },
    says: 'spec.hostPID must be false',
  },
  'K-08: shares the node’s memory': {
    edit: { '/spec/hostIPC': true },
    says: 'spec.hostIPC must be false',
  },
  'K-10: runs as the sidecar’s user': {
    edit: { '/spec/securityContext': { runAsUser: uid } },
    says: `spec.securityContext.runAsUser ${drawnPod}`,
  },
  'K-10: runs as the sidecar’s group': {
    edit: { '/spec/securityContext': { runAsGroup: gid } },
    says: `spec.securityContext.runAsGroup ${drawnPod}`,
  },
  'K-10: gives volumes to the sidecar’s group': {
    edit: { '/spec/securityContext': { fsGroup: gid } },
    says: `spec.securityContext.fsGroup ${drawnPod}`,
  },
  'K-10: has the sidecar’s group besides': {
    edit: { '/spec/securityContext': { supplementalGroups: [1000, gid] } },
    says: 'spec.securityContext.supplementalGroups must not have this group, which was drawn for the sidecar',
  },
  'K-13: is unconfined by seccomp': {
    edit: { '/spec/securityContext': { seccompProfile: { type: 'Unconfined' } } },
    says: 'spec.securityContext.seccompProfile.type must be RuntimeDefault or Localhost',
  },
  'K-13: is unconfined by AppArmor': {
    edit: { '/spec/securityContext': { appArmorProfile: { type: 'Unconfined' } } },
    says: 'spec.securityContext.appArmorProfile.type must be RuntimeDefault or Localhost',
  },
  'K-13: has another SELinux type': {
    edit: { '/spec/securityContext': { seLinuxOptions: { type: 'spc_t' } } },
    says: 'spec.securityContext.seLinuxOptions must have no user, no role, and no type but container_t',
  },
  'K-13: has another SELinux role': {
    edit: { '/spec/securityContext': { seLinuxOptions: { role: 'system_r' } } },
    says: 'spec.securityContext.seLinuxOptions must have no user, no role',
  },
  'K-13: sets a kernel parameter that is not safe': {
    edit: {
      '/spec/securityContext': {
        sysctls: [
          { name: 'net.ipv4.tcp_syncookies', value: '1' },
          { name: 'net.ipv4.conf.all.route_localnet', value: '1' },
        ],
      },
    },
    says: 'spec.securityContext.sysctls[net.ipv4.conf.all.route_localnet] must be removed',
  },
  'K-26: has its own lines in /etc/hosts': {
    edit: { '/spec/hostAliases': [{ ip: '203.0.113.1', hostnames: ['api.example.com'] }] },
    says: 'spec.hostAliases must be removed: it sends names elsewhere than the sidecar does; a name inside the cluster is an AgentDestination',
  },
  'K-32: asks for a Windows node': {
    edit: { '/spec/nodeSelector': { 'kubernetes.io/os': 'windows' } },
    says: 'spec.nodeSelector[kubernetes.io/os] must be linux: there is no sidecar for other nodes',
  },
  'K-32: has options of Windows': {
    edit: { '/spec/securityContext': { windowsOptions: { runAsUserName: 'ContainerUser' } } },
    says: 'spec.securityContext.windowsOptions must be removed',
  },
  'N-06: is in Istio’s ambient mesh': {
    edit: { '/metadata/labels/istio.io~1dataplane-mode': 'ambient' },
    says: 'metadata.labels[istio.io/dataplane-mode] must be none: Istio’s ambient mesh captures the pod’s traffic',
  },
};

export const containers: Readonly<Record<string, RefusedPod>> = {
  'K-18: has a name of ours': {
    edit: { [`${agent}/name`]: 'outrider-helper' },
    says: 'spec.containers[outrider-helper] must have another name: outrider and outrider-* are the webhook’s',
  },
  'K-18: has a name of ours, before the agent’s': {
    edit: { [`${fetcher}/name`]: 'outrider-fetch' },
    says: 'spec.initContainers[outrider-fetch] must have another name',
  },
  'K-10: runs as the sidecar’s user': {
    edit: { [`${agent}/securityContext/runAsUser`]: uid },
    says: `spec.containers[agent].securityContext.runAsUser ${drawn}`,
  },
  'K-10: runs as the sidecar’s group': {
    edit: { [`${agent}/securityContext/runAsGroup`]: gid },
    says: `spec.containers[agent].securityContext.runAsGroup ${drawn}`,
  },
  'K-10: runs as the sidecar’s user, before the agent': {
    edit: { [`${fetcher}/securityContext/runAsUser`]: uid },
    says: `spec.initContainers[fetch].securityContext.runAsUser ${drawn}`,
  },
  'K-11: may gain privileges': {
    edit: { [`${agent}/securityContext/allowPrivilegeEscalation`]: true },
    says: 'spec.containers[agent].securityContext.allowPrivilegeEscalation must be false: a setuid program could become the sidecar',
  },
  'K-11: says nothing of gaining privileges': {
    edit: { [`${fetcher}/securityContext/allowPrivilegeEscalation`]: undefined },
    says: 'spec.initContainers[fetch].securityContext.allowPrivilegeEscalation must be false',
  },
  'K-11: keeps the capabilities that containers have': {
    edit: { [`${agent}/securityContext/capabilities`]: { drop: ['SETUID'] } },
    says: 'spec.containers[agent].securityContext.capabilities.drop must be [ALL]: SETUID alone would be enough',
  },
  'K-11: has no security context': {
    edit: { [`${agent}/securityContext`]: undefined },
    says: 'spec.containers[agent].securityContext.',
  },
  'K-12: is privileged': {
    edit: { [`${agent}/securityContext`]: { privileged: true } },
    says: 'spec.containers[agent].securityContext.privileged must be false: it opens the node, and so the sidecar',
  },
  ...Object.fromEntries(
    ['NET_ADMIN', 'NET_RAW', 'SYS_PTRACE', 'SYS_ADMIN', 'BPF', 'DAC_OVERRIDE', 'SETUID', 'ALL'].map((capability) => [
      `K-12: adds ${capability}`,
      {
        edit: { [`${agent}/securityContext/capabilities/add`]: ['NET_BIND_SERVICE', capability] },
        says: 'spec.containers[agent].securityContext.capabilities.add must be empty, or NET_BIND_SERVICE alone',
      },
    ]),
  ),
  'K-13: is unconfined by seccomp': {
    edit: { [`${agent}/securityContext/seccompProfile`]: { type: 'Unconfined' } },
    says: 'spec.containers[agent].securityContext.seccompProfile.type must be RuntimeDefault or Localhost, here or in spec.securityContext',
  },
  'K-13: has no seccomp profile, nor has the pod': {
    edit: { [`${fetcher}/securityContext/seccompProfile`]: undefined },
    says: 'spec.initContainers[fetch].securityContext.seccompProfile.type must be RuntimeDefault or Localhost',
  },
  'K-13: has the whole of /proc': {
    edit: { [`${agent}/securityContext/procMount`]: 'Unmasked', '/spec/hostUsers': false },
    says: 'spec.containers[agent].securityContext.procMount must be Default',
  },
  'K-13: is unconfined by AppArmor': {
    edit: { [`${agent}/securityContext/appArmorProfile`]: { type: 'Unconfined' } },
    says: 'spec.containers[agent].securityContext.appArmorProfile.type must be RuntimeDefault or Localhost',
  },
  'K-13: is unconfined by AppArmor’s old annotation': {
    edit: { '/metadata/annotations/container.apparmor.security.beta.kubernetes.io~1agent': 'unconfined' },
    says: 'spec.containers[agent].securityContext.appArmorProfile.type must be RuntimeDefault or Localhost',
  },
  'K-13: has another SELinux user': {
    edit: { [`${agent}/securityContext/seLinuxOptions`]: { user: 'system_u' } },
    says: 'spec.containers[agent].securityContext.seLinuxOptions must have no user',
  },
  'K-32: has options of Windows': {
    edit: { [`${agent}/securityContext/windowsOptions`]: { hostProcess: false } },
    says: 'spec.containers[agent].securityContext.windowsOptions must be removed',
  },
  'K-01: reads the sidecar’s tokens': {
    edit: { [`${agent}/volumeMounts/-`]: { name: 'outrider-tokens', mountPath: '/t', readOnly: true } },
    says: 'spec.containers[agent].volumeMounts[outrider-tokens] must be removed: the sidecar’s volumes are its own',
  },
  'K-01: reads the sidecar’s tokens, before the agent': {
    edit: { [`${fetcher}/volumeMounts/-`]: { name: 'outrider-tokens', mountPath: '/t', readOnly: true } },
    says: 'spec.initContainers[fetch].volumeMounts[outrider-tokens] must be removed',
  },
  'K-23: reads the sidecar’s keys': {
    edit: { [`${agent}/volumeMounts/-`]: { name: 'outrider-keys', mountPath: '/k', subPath: 'ca.key' } },
    says: 'spec.containers[agent].volumeMounts[outrider-keys] must be removed',
  },
  'K-28: fills the sidecar’s disk': {
    edit: { [`${agent}/volumeMounts/-`]: { name: 'outrider-state', mountPath: '/s' } },
    says: 'spec.containers[agent].volumeMounts[outrider-state] must be removed',
  },
  'K-02: reads the Secrets that the sidecar reads': {
    edit: {
      [`${agent}/volumeMounts/-`]: { name: 'outrider-secret-synced-c72dc8b4b3f3', mountPath: '/s' },
      '/spec/volumes/-': { name: 'outrider-secret-synced-c72dc8b4b3f3', secret: { secretName: 'synced' } },
    },
    says: 'spec.containers[agent].volumeMounts[outrider-secret-synced-c72dc8b4b3f3] must be removed',
  },
  'K-24: writes what others trust': {
    edit: { [`${agent}/volumeMounts/0/readOnly`]: undefined },
    says: 'spec.containers[agent].volumeMounts[outrider-trust] must be removed',
  },
  'K-24: has what others trust in a second place': {
    edit: { [`${agent}/volumeMounts/-`]: { name: 'outrider-trust', mountPath: '/etc/ssl', readOnly: true } },
    says: 'spec.containers[agent].volumeMounts[outrider-trust] must be removed',
  },
  'K-09: mounts for the node': {
    edit: {
      [`${agent}/securityContext`]: { privileged: true },
      [`${agent}/volumeMounts/-`]: { name: 'mine', mountPath: '/m', mountPropagation: 'Bidirectional' },
      '/spec/volumes/-': volume({ emptyDir: {} }),
    },
    says: 'spec.containers[agent].securityContext.privileged must be false',
  },
  'K-09: has a raw device': {
    edit: {
      [`${agent}/volumeDevices`]: [{ name: 'mine', devicePath: '/dev/x' }],
      '/spec/volumes/-': volume({ persistentVolumeClaim: { claimName: 'disk' } }),
    },
    says: 'spec.containers[agent].volumeDevices[mine] must be removed: a raw device of the node’s shows what lies on it; use a volume with a file system',
  },
  'K-09: takes a port of the node': {
    edit: { [`${agent}/ports`]: [{ containerPort: 8080 }, { containerPort: 8081, hostPort: 8081 }] },
    says: 'spec.containers[agent].ports[8081].hostPort must be removed: an agent does not take ports of the node; use a Service',
  },
  'K-20: declares a port of the sidecar’s': {
    edit: { [`${agent}/ports`]: [{ containerPort: 8080 }, { containerPort: 15020 }] },
    says: 'spec.containers[agent].ports[15020] must be another port: the sidecar listens there',
  },
  ...Object.fromEntries(
    ['keys', 'state', 'trust'].map((name) => [
      `K-01: has a variable from a file among the sidecar’s ${name}`,
      {
        edit: {
          [`${agent}/env/-`]: {
            name: 'X',
            valueFrom: { fileKeyRef: { volumeName: `outrider-${name}`, path: 'x', key: 'X' } },
          },
        },
        says: 'spec.containers[agent].env[X].valueFrom.fileKeyRef must be removed: the sidecar’s volumes are its own',
        isNew: true as const,
      },
    ]),
  ),
  ...Object.fromEntries(
    ['livenessProbe', 'readinessProbe', 'startupProbe'].flatMap((probe) => [
      [
        `K-30: has the kubelet ask elsewhere by its ${probe}`,
        {
          edit: { [`${agent}/${probe}`]: { httpGet: { host: '169.254.169.254', port: 80 } } },
          says: `spec.containers[agent].${probe} must have no httpGet.host and no tcpSocket.host: the kubelet would call that host from the node`,
        },
      ],
      [
        `K-30: has the kubelet dial elsewhere by its ${probe}`,
        {
          edit: { [`${agent}/${probe}`]: { tcpSocket: { host: '10.0.0.1', port: 80 } } },
          says: `spec.containers[agent].${probe} must have no httpGet.host and no tcpSocket.host`,
        },
      ],
    ]),
  ),
  ...Object.fromEntries(
    ['postStart', 'preStop'].map((hook) => [
      `K-30: has the kubelet ask elsewhere by its ${hook}`,
      {
        edit: { [`${agent}/lifecycle/${hook}`]: { httpGet: { host: '169.254.169.254', port: 80 } } },
        says: `spec.containers[agent].lifecycle.${hook} must have no httpGet.host and no tcpSocket.host`,
      },
    ]),
  ),
  'K-05: has a role of AWS': {
    edit: { [`${agent}/env/-`]: variable('AWS_ROLE_ARN', 'arn:aws:iam::1:role/x') },
    says: 'spec.containers[agent].env[AWS_ROLE_ARN] must be removed: it gives the agent an AWS identity of its own; use a ServiceAccount without an IAM role',
  },
  'K-05: has a token of AWS': {
    edit: {
      [`${fetcher}/volumeMounts/-`]: { name: 'mine', mountPath: '/t' },
      '/spec/volumes/-': volume({ projected: { sources: [token('sts.amazonaws.com')] } }),
    },
    says: 'spec.initContainers[fetch].volumeMounts[mine] must be removed: it gives the agent an AWS identity',
  },
  'N-06: is captured by Istio': {
    edit: { [`${fetcher}/name`]: 'istio-init' },
    says: 'spec.initContainers[istio-init] must be absent: the pod’s traffic is captured by Outrider and cannot also be by Istio; write the label sidecar.istio.io/inject: "false" on the pod template',
  },
  'N-06: is captured by Linkerd': {
    edit: { [`${agent}/name`]: 'linkerd-proxy' },
    says: 'spec.containers[linkerd-proxy] must be absent: the pod’s traffic is captured by Outrider and cannot also be by Linkerd; write the annotation linkerd.io/inject: disabled',
  },
};

export const volumes: Readonly<Record<string, RefusedPod>> = {
  'K-09: is a path of the node': {
    edit: { '/spec/volumes/-': volume({ hostPath: { path: '/run/containerd/containerd.sock' } }) },
    says: 'spec.volumes[mine].hostPath must be replaced by another kind of volume: the node’s disk holds the sidecar’s tokens',
  },
  'N-01: is a server that the node connects to': {
    edit: { '/spec/volumes/-': volume({ nfs: { server: '203.0.113.1', path: '/' } }) },
    says: 'spec.volumes[mine] must be of another kind, such as persistentVolumeClaim: the node itself would connect to where this one points',
  },
  'K-02: has a token for a store’s audience': {
    edit: { '/spec/volumes/-': volume({ projected: { sources: [token('outrider.dev/corp-vault')] } }) },
    says: 'spec.volumes[mine].projected must not ask for an audience under outrider.dev/: they are the sidecar’s, so ask for another',
  },
  'K-02: has a token for the operator’s audience after other sources': {
    edit: {
      '/spec/volumes/-': volume({
        projected: { sources: [{ configMap: { name: 'x' } }, token('other'), token('outrider.dev/operator')] },
      }),
    },
    says: 'spec.volumes[mine].projected must not ask for an audience under outrider.dev/',
  },
  'K-09: has a name of ours': {
    edit: { '/spec/volumes/-': { name: 'outrider-mine', emptyDir: {} } },
    says: 'spec.volumes[outrider-mine] must have another name: outrider and outrider-* are the webhook’s',
  },
  'K-23: is for the sidecar’s keys, on a disk': {
    edit: { '/spec/volumes/1': { name: 'outrider-keys', persistentVolumeClaim: { claimName: 'disk' } } },
    says: 'spec.volumes[outrider-keys] must be as the webhook writes it: remove the volume, the webhook adds it',
  },
  'K-24: is for what agents trust, on a disk': {
    edit: { '/spec/volumes/0': { name: 'outrider-trust', emptyDir: {} } },
    says: 'spec.volumes[outrider-trust] must be as the webhook writes it',
  },
  'K-28: is for the sidecar’s files, without a limit': {
    edit: { '/spec/volumes/2': { name: 'outrider-state', emptyDir: {} } },
    says: 'spec.volumes[outrider-state] must be as the webhook writes it',
  },
  'K-19: is for the sidecar’s tokens, with none for the operator': {
    edit: { '/spec/volumes/3/projected/sources': [token('outrider.dev/corp-vault')] },
    says: 'spec.volumes[outrider-tokens] must be as the webhook writes it',
  },
  'K-02: is for the sidecar’s tokens, with one for the API server': {
    edit: { '/spec/volumes/3/projected/sources/-': { serviceAccountToken: { path: 'api' } } },
    says: 'spec.volumes[outrider-tokens] must be as the webhook writes it',
  },
  'K-22: is for the sidecar’s tokens, with something else in it': {
    edit: { '/spec/volumes/3/projected/sources/-': { secret: { name: 'x' } } },
    says: 'spec.volumes[outrider-tokens] must be as the webhook writes it',
  },
};

export const sidecars: Readonly<Record<string, RefusedPod>> = {
  'K-18: has another image': {
    edit: { [`${sidecar}/image`]: 'registry.example/mine:1' },
    says: 'spec.initContainers[outrider].image must be one of the ConfigMap outrider-admission',
  },
  'K-18: has another image for what captures': {
    edit: { [`${capture}/image`]: 'registry.example/mine:1' },
    says: 'spec.initContainers[outrider-capture].image must be one of the ConfigMap outrider-admission',
  },
  'K-14: is not there': {
    edit: { [sidecar]: undefined },
    says: 'spec.initContainers[outrider] must be there, before the pod’s own init containers: remove the label outrider.dev/injected and ask for the sidecar',
  },
  'K-14: captures nothing': {
    edit: { [capture]: undefined },
    says: 'spec.initContainers[outrider-capture] must be there: agents are captured here',
  },
  'K-14: starts after a container of the agent’s': {
    edit: { [sidecar]: early, [`${fetcher}/name`]: 'outrider' },
    says: 'spec.initContainers[outrider] must be there, before the pod’s own init containers',
  },
  'K-14: captures after a container of the agent’s': {
    edit: { [capture]: early, [`${fetcher}/name`]: 'outrider-capture' },
    says: 'spec.initContainers[outrider-capture] must be the first of spec.initContainers: what runs before it runs without its rules; exempt the pod from what puts a container before it',
  },
  'K-33: ends before the agent': {
    edit: { [`${sidecar}/restartPolicy`]: undefined, [`${sidecar}/startupProbe`]: undefined },
    says: 'spec.initContainers[outrider].restartPolicy must be Always',
  },
  'K-14: lets agents start before it is ready': {
    edit: { [`${sidecar}/startupProbe`]: undefined },
    says: 'spec.initContainers[outrider].startupProbe must be the webhook’s: no agent starts before its policy',
  },
  'K-30: is probed elsewhere': {
    edit: { [`${sidecar}/startupProbe/httpGet/host`]: '169.254.169.254' },
    says: 'spec.initContainers[outrider].startupProbe must be the webhook’s',
  },
  'K-25: has a variable that Node reads': {
    edit: { [`${sidecar}/env/-`]: variable('NODE_OPTIONS', '--inspect=0.0.0.0') },
    says: 'spec.initContainers[outrider].env[NODE_OPTIONS] must be removed: the sidecar’s variables are the webhook’s; exempt it from what adds others',
  },
  'K-25: has variables from elsewhere': {
    edit: { [`${sidecar}/envFrom`]: [{ configMapRef: { name: 'x' } }] },
    says: 'spec.initContainers[outrider] must not have envFrom: remove what else changes it, or exempt it from that',
  },
  'K-25: asks another operator': {
    edit: { [`${sidecar}/env/0/value`]: 'evil.example:8443' },
    says: `spec.initContainers[outrider].env[OUTRIDER_OPERATOR] must be ${settings.operator}: `,
  },
  'K-25: asks another operator in a second variable of the name': {
    edit: { [`${sidecar}/env/-`]: variable('OUTRIDER_OPERATOR', 'evil.example:8443') },
    says: 'spec.initContainers[outrider].env must name each variable once',
  },
  'K-20: is started otherwise': {
    edit: { [`${sidecar}/command`]: ['/usr/local/bin/node', '--inspect'] },
    says: 'spec.initContainers[outrider] must not have command',
  },
  'K-30: runs something when it stops': {
    edit: { [`${sidecar}/lifecycle`]: { preStop: { sleep: { seconds: 1 } } } },
    says: 'spec.initContainers[outrider] must not have lifecycle',
  },
  'K-10: is root': {
    edit: { [`${sidecar}/securityContext/runAsUser`]: 0, [`${sidecar}/securityContext/runAsNonRoot`]: false },
    says: 'spec.initContainers[outrider].securityContext must have a runAsUser and a runAsGroup from 1 to 65535',
  },
  'K-10: has no user of its own': {
    edit: { [`${sidecar}/securityContext/runAsUser`]: undefined },
    says: 'spec.initContainers[outrider].securityContext must have a runAsUser',
  },
  'K-12: has a capability': {
    edit: { [`${sidecar}/securityContext/capabilities/add`]: ['NET_ADMIN'] },
    says: 'spec.initContainers[outrider].securityContext must be the webhook’s',
  },
  'K-12: has a capability more for what captures': {
    edit: { [`${capture}/securityContext/capabilities/add/-`]: 'SYS_ADMIN' },
    says: 'spec.initContainers[outrider-capture].securityContext must be the webhook’s',
  },
  'K-14: captures by another program': {
    edit: { [`${capture}/command`]: ['/bin/true'] },
    says: 'spec.initContainers[outrider-capture].command must be the webhook’s',
  },
  'K-10: lets another user pass': {
    edit: { [`${capture}/args/0`]: '--uid=1000' },
    says: 'spec.initContainers[outrider-capture].args must be the uid, the gid and the plan (OUTRIDER_CAPTURE) of spec.initContainers[outrider]',
  },
  'K-10: lets another group pass': {
    edit: { [`${capture}/args/1`]: '--gid=1000' },
    says: 'spec.initContainers[outrider-capture].args must be the uid, the gid and the plan',
  },
  'K-14: captures less than the sidecar listens to': {
    edit: { [`${capture}/args/2`]: '--plan={"ports":[],"relays":[]}' },
    says: 'spec.initContainers[outrider-capture].args must be the uid, the gid and the plan',
  },
  'K-14: has an argument more for what captures': {
    edit: { [`${capture}/args/-`]: '--plan={}' },
    says: 'spec.initContainers[outrider-capture].args must be the uid, the gid and the plan',
  },
  'K-01: gives what captures the pod’s token': {
    edit: {
      [`${capture}/volumeMounts/-`]: { name: 'mine', mountPath: '/var/run/secrets/kubernetes.io/serviceaccount' },
      '/spec/volumes/-': volume({ emptyDir: {} }),
    },
    says: 'spec.initContainers[outrider-capture].volumeMounts must be outrider-keys alone',
  },
  'K-25: gives what captures a variable': {
    edit: { [`${capture}/env`]: [variable('NODE_OPTIONS', '--require=/x')] },
    says: 'spec.initContainers[outrider-capture] must not have env',
  },
  'K-27: shares a volume with the agent': {
    edit: {
      [`${sidecar}/volumeMounts/-`]: { name: 'mine', mountPath: '/app' },
      '/spec/volumes/-': volume({ emptyDir: {} }),
    },
    says: 'spec.initContainers[outrider].volumeMounts must have none but the webhook’s',
  },
  'K-27: has a Secret where its program is': {
    edit: {
      [`${sidecar}/volumeMounts/-`]: { name: 'outrider-secret-x', mountPath: '/app', readOnly: true },
      '/spec/volumes/-': { name: 'outrider-secret-x', secret: { secretName: 'x' } },
    },
    says: 'spec.initContainers[outrider].volumeMounts must have none but the webhook’s',
  },
  'K-01: has no tokens': {
    edit: { [`${sidecar}/volumeMounts/3`]: undefined },
    says: 'spec.initContainers[outrider].volumeMounts must have the webhook’s',
  },
  'K-28: may take all memory': {
    edit: { [`${sidecar}/resources/limits`]: {} },
    says: 'spec.initContainers[outrider].resources.limits must have memory',
  },
};
