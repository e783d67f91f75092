import assert from 'node:assert/strict';
import { describe, test } from 'node:test';
import { injectPod, type Injection } from '../../../operator/injector/injection.ts';
import type { Pod } from '../../../operator/injector/pod.ts';
import { parsePod } from '../../../operator/injector/pod.ts';
import { operatorCas, settings } from '../../golden/cases.ts';

const agent = { name: 'agent', image: 'registry.example/triage:1' };

function inject(
  spec: object,
  metadata: object = {},
  namespaceLabels: Record<string, string> = {},
): Injection {
  const annotations = { 'outrider.dev/inject': 'true', ...(metadata as Pod['metadata']).annotations };
  const pod = parsePod({ metadata: { ...metadata, annotations }, spec: { containers: [agent], ...spec } });
  let drawn = 31_000;
  return injectPod({
    pod,
    namespaceLabels,
    stores: [],
    secrets: [],
    placeholders: [],
    destinations: [],
    operatorCas,
    settings,
    drawId: () => ++drawn,
  });
}

const containing = (fields: object): object => ({ containers: [{ ...agent, ...fields }] });
const confined = (securityContext: object): object => containing({ securityContext });
const labelled = (labels: object): object => ({ labels });
const annotated = (annotations: object): object => ({ annotations });

interface Refusal {
  readonly spec?: object;
  readonly metadata?: object;
  readonly namespace?: Record<string, string>;
  readonly field: string;
  readonly says: RegExp;
}

const refusals: Record<string, Refusal> = {
  'the node’s network (K-08)': {
    spec: { hostNetwork: true },
    field: 'spec.hostNetwork',
    says: /must be false/,
  },
  'a variable from a file of the sidecar’s (K-01)': {
    spec: containing({
      env: [{ name: 'X', valueFrom: { fileKeyRef: { volumeName: 'outrider-keys', path: 'x', key: 'X' } } }],
    }),
    field: 'spec.containers[agent].env[X].valueFrom.fileKeyRef',
    says: /volumes are its own/,
  },
  'a port of the sidecar’s (K-20)': {
    spec: containing({ ports: [{ containerPort: 15_020 }] }),
    field: 'spec.containers[agent].ports[15020]',
    says: /must be another port: the sidecar listens there/,
  },
  'the node’s processes (K-08)': { spec: { hostPID: true }, field: 'spec.hostPID', says: /must be false/ },
  'the node’s shared memory (K-08)': {
    spec: { hostIPC: true },
    field: 'spec.hostIPC',
    says: /must be false/,
  },
  'one process namespace for the pod (K-07)': {
    spec: { shareProcessNamespace: true },
    field: 'spec.shareProcessNamespace',
    says: /must be false/,
  },
  'names of its own in /etc/hosts (K-26)': {
    spec: { hostAliases: [{ ip: '192.0.2.1', hostnames: ['api.github.com'] }] },
    field: 'spec.hostAliases',
    says: /must be removed: .* AgentDestination/,
  },
  'an operating system other than Linux (K-32)': {
    spec: { os: { name: 'windows' } },
    field: 'spec.os.name',
    says: /must be linux/,
  },
  'nodes other than Linux’ (K-32)': {
    spec: { nodeSelector: { 'kubernetes.io/os': 'windows' } },
    field: 'spec.nodeSelector[kubernetes.io/os]',
    says: /must be linux/,
  },
  'a process on a Windows node (K-32)': {
    spec: { securityContext: { windowsOptions: { hostProcess: true } } },
    field: 'spec.securityContext.windowsOptions',
    says: /must be removed/,
  },
  'a pod from a node’s file (K-19)': {
    metadata: annotated({ 'kubernetes.io/config.mirror': 'x' }),
    field: 'metadata.annotations[kubernetes.io/config.mirror]',
    says: /static pod .* use a Deployment/,
  },
  'a kernel setting that is not the pod’s alone (K-13)': {
    spec: { securityContext: { sysctls: [{ name: 'kernel.msgmax', value: '1' }] } },
    field: 'spec.securityContext.sysctls[kernel.msgmax]',
    says: /must be removed/,
  },
  'no seccomp profile for the pod (K-13)': {
    spec: { securityContext: { seccompProfile: { type: 'Unconfined' } } },
    field: 'spec.securityContext.seccompProfile.type',
    says: /RuntimeDefault or Localhost/,
  },
  'no seccomp profile (K-13)': {
    spec: confined({ seccompProfile: { type: 'Unconfined' } }),
    field: 'spec.containers[agent].securityContext.seccompProfile.type',
    says: /RuntimeDefault or Localhost/,
  },
  'no AppArmor profile for the pod (K-13)': {
    spec: { securityContext: { appArmorProfile: { type: 'Unconfined' } } },
    field: 'spec.securityContext.appArmorProfile.type',
    says: /RuntimeDefault or Localhost/,
  },
  'no AppArmor profile (K-13)': {
    spec: confined({ appArmorProfile: { type: 'Unconfined' } }),
    field: 'spec.containers[agent].securityContext.appArmorProfile.type',
    says: /RuntimeDefault or Localhost/,
  },
  'no AppArmor profile, as it was asked for once (K-13)': {
    metadata: annotated({ 'container.apparmor.security.beta.kubernetes.io/agent': 'unconfined' }),
    field: 'metadata.annotations[container.apparmor.security.beta.kubernetes.io/agent]',
    says: /runtime\/default/,
  },
  'a /proc without masks (K-13)': {
    spec: confined({ procMount: 'Unmasked' }),
    field: 'spec.containers[agent].securityContext.procMount',
    says: /must be Default/,
  },
  'an SELinux type without confinement, for the pod (K-13)': {
    spec: { securityContext: { seLinuxOptions: { type: 'spc_t' } } },
    field: 'spec.securityContext.seLinuxOptions',
    says: /container_t/,
  },
  'an SELinux user (K-13)': {
    spec: confined({ seLinuxOptions: { user: 'system_u' } }),
    field: 'spec.containers[agent].securityContext.seLinuxOptions',
    says: /must have no user/,
  },
  'all privileges (K-12)': {
    spec: confined({ privileged: true }),
    field: 'spec.containers[agent].securityContext.privileged',
    says: /must be false/,
  },
  'more privileges by setuid programs (K-11)': {
    spec: confined({ allowPrivilegeEscalation: true }),
    field: 'spec.containers[agent].securityContext.allowPrivilegeEscalation',
    says: /must be false/,
  },
  'all privileges for an init container (K-12, K-14)': {
    spec: { initContainers: [{ name: 'early', image: 'b', securityContext: { privileged: true } }] },
    field: 'spec.initContainers[early].securityContext.privileged',
    says: /must be false/,
  },
  ...Object.fromEntries(
    ['NET_ADMIN', 'NET_RAW', 'SYS_PTRACE', 'SYS_ADMIN', 'BPF', 'DAC_OVERRIDE', 'SETUID', 'SETGID', 'ALL'].map(
      (capability) => [
        `the capability ${capability} (K-11, K-12)`,
        {
          spec: confined({ runAsUser: 0, capabilities: { drop: ['ALL'], add: [capability] } }),
          field: 'spec.containers[agent].securityContext.capabilities.add',
          says: /NET_BIND_SERVICE alone/,
        },
      ],
    ),
  ),
  'the node’s disk (K-09)': {
    spec: { volumes: [{ name: 'docker', hostPath: { path: '/var/run/docker.sock' } }] },
    field: 'spec.volumes[docker].hostPath',
    says: /another kind of volume/,
  },
  'a disk that the node gets from elsewhere (K-09)': {
    spec: { volumes: [{ name: 'share', nfs: { server: 'attacker.example', path: '/' } }] },
    field: 'spec.volumes[share].nfs',
    says: /persistentVolumeClaim: the node itself would connect/,
  },
  'a raw device (K-09)': {
    spec: containing({ volumeDevices: [{ name: 'disk', devicePath: '/dev/sda' }] }),
    field: 'spec.containers[agent].volumeDevices[disk]',
    says: /must be removed/,
  },
  'mounts that the node sees (K-09)': {
    spec: containing({ volumeMounts: [{ name: 'a', mountPath: '/a', mountPropagation: 'Bidirectional' }] }),
    field: 'spec.containers[agent].volumeMounts[a].mountPropagation',
    says: /None or HostToContainer/,
  },
  'a volume by a name of ours (K-09)': {
    spec: { volumes: [{ name: 'outrider-cache', emptyDir: {} }] },
    field: 'spec.volumes[outrider-cache]',
    says: /must have another name/,
  },
  'a part of the sidecar’s keys (K-09, K-23)': {
    spec: containing({ volumeMounts: [{ name: 'outrider-keys', mountPath: '/k', subPath: 'ca.key' }] }),
    field: 'spec.containers[agent].volumeMounts[outrider-keys]',
    says: /must be removed/,
  },
  'a token for the operator (K-02)': {
    spec: {
      volumes: [
        {
          name: 'mine',
          projected: {
            sources: [
              { configMap: { name: 'a' } },
              { serviceAccountToken: { path: 't', audience: 'outrider.dev/operator' } },
            ],
          },
        },
      ],
    },
    field: 'spec.volumes[mine].projected',
    says: /must not ask for the audience/,
  },
  'a port of the node': {
    spec: containing({ ports: [{ containerPort: 8080, hostPort: 8080 }] }),
    field: 'spec.containers[agent].ports[8080].hostPort',
    says: /use a Service/,
  },
  ...Object.fromEntries(
    ['livenessProbe', 'readinessProbe', 'startupProbe'].flatMap((probe) =>
      ['httpGet', 'tcpSocket'].map((way) => [
        `a ${probe} of another host by ${way} (K-30)`,
        {
          spec: containing({ [probe]: { [way]: { host: '169.254.169.254', port: 80 } } }),
          field: `spec.containers[agent].${probe}.${way}.host`,
          says: /the kubelet would call that host from the node/,
        },
      ]),
    ),
  ),
  ...Object.fromEntries(
    ['postStart', 'preStop'].map((hook) => [
      `a hook ${hook} to another host (K-30)`,
      {
        spec: containing({ lifecycle: { [hook]: { httpGet: { host: 'attacker.example', port: 80 } } } }),
        field: `spec.containers[agent].lifecycle.${hook}.httpGet.host`,
        says: /must be removed/,
      },
    ]),
  ),
  'a container by a name of ours (K-18)': {
    spec: { containers: [agent, { name: 'outrider', image: 'evil' }] },
    field: 'spec.containers[outrider]',
    says: /must have another name/,
  },
  'an AWS identity (K-05)': {
    spec: containing({ env: [{ name: 'AWS_ROLE_ARN', value: 'arn:aws:iam::1:role/a' }] }),
    field: 'spec.containers[agent].env[AWS_ROLE_ARN]',
    says: /skip-containers/,
  },
  'Istio’s sidecar, for the pod': {
    metadata: labelled({ 'sidecar.istio.io/inject': 'true' }),
    field: 'metadata.labels[sidecar.istio.io/inject]',
    says: /Istio would too; write the label sidecar\.istio\.io\/inject: "false" on the pod template$/,
  },
  'Istio’s sidecar, for the namespace': {
    namespace: { 'istio-injection': 'enabled' },
    field: 'metadata.labels[istio-injection] of the namespace',
    says: /sidecar\.istio\.io\/inject: "false"/,
  },
  'Istio’s sidecar, by a revision': {
    namespace: { 'istio.io/rev': 'canary' },
    field: 'metadata.labels[istio.io/rev] of the namespace',
    says: /sidecar\.istio\.io\/inject: "false"/,
  },
  'Istio’s sidecar, there already': {
    spec: { initContainers: [{ name: 'istio-init', image: 'istio/proxyv2' }] },
    field: 'spec.initContainers[istio-init]',
    says: /sidecar\.istio\.io\/inject: "false"/,
  },
  'Istio’s ambient mode': {
    namespace: { 'istio.io/dataplane-mode': 'ambient' },
    field: 'metadata.labels[istio.io/dataplane-mode] of the namespace',
    says: /istio\.io\/dataplane-mode: none/,
  },
  'Linkerd’s sidecar': {
    metadata: annotated({ 'linkerd.io/inject': 'enabled' }),
    field: 'metadata.annotations[linkerd.io/inject]',
    says: /linkerd\.io\/inject: disabled/,
  },
  'Linkerd’s sidecar, there already': {
    spec: { containers: [agent, { name: 'linkerd-proxy', image: 'linkerd/proxy' }] },
    field: 'spec.containers[linkerd-proxy]',
    says: /linkerd\.io\/inject: disabled/,
  },
  'Kuma’s sidecar': {
    namespace: { 'kuma.io/sidecar-injection': 'enabled' },
    field: 'metadata.labels[kuma.io/sidecar-injection] of the namespace',
    says: /kuma\.io\/sidecar-injection: disabled/,
  },
  'Consul’s sidecar': {
    metadata: annotated({ 'consul.hashicorp.com/connect-inject': 'true' }),
    field: 'metadata.annotations[consul.hashicorp.com/connect-inject]',
    says: /connect-inject: "false"/,
  },
};

describe('the injector refuses, naming field and fix,', () => {
  for (const [sentence, { spec = {}, metadata = {}, namespace, field, says }] of Object.entries(refusals)) {
    test(sentence, () => {
      const injection = inject(spec, metadata, namespace);
      assert.ok(injection.kind === 'refuse', injection.kind);
      assert.deepEqual(
        injection.problems.map((problem) => problem.field),
        [field],
      );
      assert.match(injection.problems[0]?.message ?? '', says);
    });
  }

  test('all that is wrong with a pod at once', () => {
    const injection = inject({ hostPID: true, hostIPC: true, ...confined({ privileged: true }) });
    assert.ok(injection.kind === 'refuse');
    assert.equal(injection.problems.length, 3);
  });
});

const accepted: Record<string, { spec?: object; metadata?: object; namespace?: Record<string, string> }> = {
  'root, which cannot become the sidecar without SETUID (K-11)': { spec: confined({ runAsUser: 0 }) },
  'a user namespace (K-08)': { spec: { hostUsers: false } },
  'a port below 1024': { spec: confined({ capabilities: { drop: ['ALL'], add: ['NET_BIND_SERVICE'] } }) },
  'a seccomp profile of its own': {
    spec: confined({ seccompProfile: { type: 'Localhost', localhostProfile: 'a.json' } }),
  },
  'an SELinux level and type of containers': {
    spec: { securityContext: { seLinuxOptions: { level: 's0:c1,c2', type: 'container_t' } } },
  },
  'kernel settings of the pod’s own network': {
    spec: { securityContext: { sysctls: [{ name: 'net.ipv4.tcp_syncookies', value: '1' }] } },
  },
  'its own DNS, which the sidecar does not ask (K-26)': {
    spec: { dnsPolicy: 'None', dnsConfig: { nameservers: ['192.0.2.53'] } },
  },
  'probes of itself, hooks and a stop signal': {
    spec: containing({
      livenessProbe: { httpGet: { path: '/healthz', port: 8080 } },
      readinessProbe: { exec: { command: ['true'] } },
      startupProbe: { grpc: { port: 9000 } },
      lifecycle: { preStop: { sleep: { seconds: 5 } }, stopSignal: 'SIGUSR1' },
    }),
  },
  'another runtime': { spec: { runtimeClassName: 'kata' } },
  'devices that its claims name': {
    spec: { resourceClaims: [{ name: 'gpu', resourceClaimTemplateName: 'gpu' }] },
  },
  'every kind of volume that restricted knows': {
    spec: {
      volumes: [
        { name: 'a', configMap: { name: 'a' } },
        { name: 'b', csi: { driver: 'csi.example' } },
        { name: 'c', downwardAPI: {} },
        { name: 'd', emptyDir: {} },
        { name: 'e', ephemeral: {} },
        { name: 'f', persistentVolumeClaim: { claimName: 'f' } },
        { name: 'g', projected: { sources: [] } },
        { name: 'h', secret: { secretName: 'h' } },
        { name: 'i', image: { reference: 'registry.example/model:1' } },
      ],
    },
  },
  'a pod that declines the mesh of its namespace': {
    metadata: labelled({
      'sidecar.istio.io/inject': 'false',
      'istio.io/dataplane-mode': 'none',
      'kuma.io/sidecar-injection': 'disabled',
    }),
    namespace: {
      'istio-injection': 'enabled',
      'istio.io/dataplane-mode': 'ambient',
      'kuma.io/sidecar-injection': 'enabled',
    },
  },
  'a mesh beside a sidecar that captures nothing': {
    namespace: { 'istio-injection': 'enabled', 'outrider.dev/capture': 'cooperative' },
  },
};

describe('the injector accepts', () => {
  for (const [sentence, { spec = {}, metadata, namespace }] of Object.entries(accepted)) {
    test(sentence, () => {
      const injection = inject(spec, metadata, namespace);
      assert.ok(injection.kind === 'patch', JSON.stringify(injection));
      assert.deepEqual(injection.warnings, []);
    });
  }

  test('a container that dropped some capabilities, and drops all of them, with a warning (K-11)', () => {
    const injection = inject(confined({ capabilities: { drop: ['NET_RAW'] } }));
    assert.ok(injection.kind === 'patch');
    assert.match(
      injection.warnings.join(),
      /^spec\.containers\[agent\]\.securityContext\.capabilities\.drop is ALL now/,
    );
    const change = injection.operations.find(({ path }) => path.includes('capabilities/drop'));
    assert.deepEqual(change, {
      op: 'replace',
      path: '/spec/containers/0/securityContext/capabilities/drop',
      value: ['ALL'],
    });
  });

  test('the label cooperative where it is not allowed, without heeding it, with a warning', () => {
    const strict = { ...settings, capture: { level: 'captured', allowCooperative: false } } as const;
    const injection = injectPod({
      pod: { metadata: { annotations: { 'outrider.dev/inject': 'true' } }, spec: { containers: [agent] } },
      namespaceLabels: { 'outrider.dev/capture': 'cooperative' },
      stores: [],
      secrets: [],
      placeholders: [],
      destinations: [],
      operatorCas,
      settings: strict,
      drawId: () => 31_000 + Math.floor(Math.random() * 1000),
    });
    assert.ok(injection.kind === 'patch');
    assert.match(injection.warnings.join(), /capture=cooperative of the namespace has no effect/);
    assert.match(JSON.stringify(injection.operations), /outrider-capture/);
  });

  test('more destinations than there are listeners, and says which it cannot reach', () => {
    const destinations = Array.from({ length: 66 }, (_, index) => ({
      destination: `db-${String(index).padStart(2, '0')}`,
      name: `db-${index}.corp.example`,
      port: 5432,
      scheme: 'tcp' as const,
    }));
    const injection = injectPod({
      pod: { metadata: { annotations: { 'outrider.dev/inject': 'true' } }, spec: { containers: [agent] } },
      namespaceLabels: {},
      stores: [],
      secrets: [],
      placeholders: [],
      destinations,
      operatorCas,
      settings,
      drawId: () => 31_000 + Math.floor(Math.random() * 1000),
    });
    assert.ok(injection.kind === 'patch');
    assert.match(injection.warnings.join(), /no listener left: db-64, db-65$/);
  });
});
