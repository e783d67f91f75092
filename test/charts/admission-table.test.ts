// What the admission policies refuse, on real API servers of the newest and of the oldest version that Outrider supports, with
// nothing of Outrider running: each pod is one that the webhook wrote, but for one change.

import assert from 'node:assert/strict';
import { writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { after, before, describe, test } from 'node:test';
import type { Pod } from '../../operator/injector/pod.ts';
import { waitFor } from '../cluster/deadline.ts';
import { callHttps } from '../cluster/https-call.ts';
import { chartOfInjectedPods, injectedPod, sidecarIds } from '../support/injected-pod.ts';
import { installChart, type InstalledChart } from '../support/installed-chart.ts';
import { edited, type Edit } from './edited.ts';
import { containers, sidecars, volumes, wholePod, type RefusedPod } from './refused-pods.ts';

const namespace = 'research';
const manifest = {
  apiVersion: 'v1',
  kind: 'Pod',
  metadata: { name: 'triage', namespace, labels: { app: 'triage' } },
  spec: {
    // Where no webhook runs again, it would stay in the sidecar.
    automountServiceAccountToken: false,
    initContainers: [{ name: 'fetch', image: 'registry.example/fetch:1' }],
    containers: [{ name: 'agent', image: 'registry.example/triage:1' }],
  },
};
const captured = injectedPod(manifest);
const cooperative = injectedPod(manifest, { level: 'cooperative' });

interface Answer {
  readonly status: number;
  readonly message: string;
}

for (const version of ['current', 'floor'] as const) {
  let chart: InstalledChart;

  before(async () => {
    chart = await installChart(chartOfInjectedPods, version);
    const { kubectl } = chart.cluster;
    await kubectl(['delete', 'mutatingwebhookconfiguration,validatingwebhookconfiguration', 'outrider']);
    await kubectl(['create', 'namespace', namespace]);
    await kubectl(['create', 'serviceaccount', 'default', '-n', namespace]).catch(() => undefined);
    // The API server takes a moment to compile each new policy.
    const forbidden: Edit[] = [wholePod, containers, volumes, sidecars].map((table) => Object.values(table)[0]!.edit);
    await waitFor({ what: 'the admission policies', timeoutMs: 30_000 }, async () => {
      const answers = await Promise.all(forbidden.map((edit) => create(edited(captured, edit))));
      return answers.every(({ status, message }) => status === 422 && !message.includes('not found'));
    });
  });
  after(() => chart?.cluster.stop());

  async function call(method: string, path: string, body?: unknown, type = 'application/json'): Promise<Answer> {
    const { server, caPem, admin } = chart.cluster;
    const { status, text } = await callHttps({
      url: `${server}/api/v1/namespaces/${path}`,
      method,
      caPem,
      certPem: admin.certPem,
      keyPem: admin.keyPem,
      headers: { 'content-type': type },
      ...(body === undefined ? {} : { body: JSON.stringify(body) }),
    });
    return { status, message: status < 300 ? '' : ((JSON.parse(text) as { message?: string }).message ?? text) };
  }

  function create(pod: Pod, inNamespace = namespace): Promise<Answer> {
    const moved = { ...pod, metadata: { ...pod.metadata, namespace: inNamespace } };
    return call('POST', `${inNamespace}/pods?dryRun=All`, moved);
  }

  function refuse(table: Readonly<Record<string, RefusedPod>>): void {
    for (const [sentence, { edit, says, isNew }] of Object.entries(table)) {
      if (isNew === true && version === 'floor') continue;
      test(sentence, async () => {
        const { status, message } = await create(edited(captured, edit));
        assert.equal(status, 422, message);
        assert.ok(message.includes(says), message);
      });
    }
  }

  describe(`on the API server ${version}, a pod of an agent is refused that`, () => refuse(wholePod));
  describe(`on the API server ${version}, a pod of an agent is refused a container of which`, () => refuse(containers));
  describe(`on the API server ${version}, a pod of an agent is refused a volume that`, () => refuse(volumes));
  describe(`on the API server ${version}, a pod of an agent is refused whose sidecar`, () => refuse(sidecars));

  describe(`on the API server ${version}, a pod is admitted`, () => {
    const admitted: Readonly<Record<string, Edit>> = {
      'as the webhook writes it': {},
      'with root, whose capabilities are dropped': { '/spec/containers/0/securityContext/runAsUser': 0 },
      'with NET_BIND_SERVICE': { '/spec/containers/0/securityContext/capabilities/add': ['NET_BIND_SERVICE'] },
      'with a user namespace': { '/spec/hostUsers': false },
      'with the pod’s seccomp profile': {
        '/spec/containers/0/securityContext/seccompProfile': undefined,
        '/spec/securityContext': { seccompProfile: { type: 'RuntimeDefault' } },
      },
      'with probes and hooks of its own address': {
        '/spec/containers/0/livenessProbe': { httpGet: { port: 80 } },
        '/spec/containers/0/readinessProbe': { tcpSocket: { port: 80 } },
        '/spec/containers/0/lifecycle': { preStop: { exec: { command: ['true'] } } },
      },
      'with safe kernel parameters': {
        '/spec/securityContext': { sysctls: [{ name: 'net.ipv4.tcp_syncookies', value: '1' }] },
      },
      'with volumes of every kind that an author needs': {
        '/spec/volumes/-': {
          name: 'mine',
          ephemeral: {
            volumeClaimTemplate: {
              spec: { accessModes: ['ReadWriteOnce'], resources: { requests: { storage: '1Gi' } } },
            },
          },
        },
        '/spec/containers/0/volumeMounts/-': { name: 'mine', mountPath: '/m', mountPropagation: 'HostToContainer' },
      },
      'with a sidecar of the author’s': {
        '/spec/initContainers/2/restartPolicy': 'Always',
      },
      'with a placeholder for an AWS identity': {
        '/spec/containers/0/env/-': { name: 'AWS_ROLE_ARN', value: 'outrider-placeholder.research.aws' },
      },
      'with the plan that another mesh stays out': {
        '/metadata/labels/istio.io~1dataplane-mode': 'none',
      },
      'whose sidecar LimitRanger gave more limits': {
        '/spec/initContainers/1/resources/limits/cpu': '1',
        '/spec/initContainers/0/resources/limits/cpu': '1',
        '/spec/initContainers/1/resizePolicy': [{ resourceName: 'cpu', restartPolicy: 'NotRequired' }],
      },
      'with the pod’s own token in the agent’s containers': {
        '/spec/volumes/-': {
          name: 'kube-api-access',
          projected: {
            sources: [
              { serviceAccountToken: { path: 'token', expirationSeconds: 3607 } },
              { configMap: { name: 'kube-root-ca.crt', items: [{ key: 'ca.crt', path: 'ca.crt' }] } },
            ],
          },
        },
        '/spec/containers/0/volumeMounts/-': {
          name: 'kube-api-access',
          mountPath: '/var/run/secrets/kubernetes.io/serviceaccount',
          readOnly: true,
        },
      },
      'with a volume of nothing': { '/spec/volumes/-': { name: 'mine', projected: {} } },
      'that always pulls its images': {
        '/spec/initContainers/0/imagePullPolicy': 'Always',
        '/spec/initContainers/1/imagePullPolicy': 'Always',
      },
    };
    for (const [sentence, edit] of Object.entries(admitted)) {
      test(sentence, async () => {
        assert.deepEqual(await create(edited(captured, edit)), { status: 201, message: '' });
      });
    }

    test('with forty containers of forty variables and mounts, within what a policy may cost', async () => {
      const each = <T>(make: (index: number) => T): T[] => Array.from({ length: 40 }, (_, index) => make(index));
      const many = edited(manifest, {
        '/spec/volumes': each((index) => ({ name: `v${index}`, emptyDir: {} })),
        '/spec/containers': each((container) => ({
          name: `agent-${container}`,
          image: 'registry.example/triage:1',
          env: each((index) => ({ name: `V${index}`, value: 'x'.repeat(100) })),
          volumeMounts: each((index) => ({ name: `v${index}`, mountPath: `/v${index}` })),
        })),
      });
      const pod = injectedPod(many);
      assert.deepEqual(await create(pod), { status: 201, message: '' });
    });
  });

  describe(`on the API server ${version}, a pod without capture`, () => {
    test('K-19: is refused, whatever it says of itself', async () => {
      const { message } = await create(cooperative);
      assert.match(message, /spec\.initContainers\[outrider-capture\] must be there: agents are captured here/);
    });
    test('is refused where its namespace alone says so, and admitted where the platform does', async () => {
      const { kubectl } = chart.cluster;
      await kubectl(['create', 'namespace', 'led']);
      await kubectl(['label', 'namespace', 'led', 'outrider.dev/capture=cooperative']);
      await kubectl(['create', 'serviceaccount', 'default', '-n', 'led']).catch(() => undefined);
      assert.match((await create(cooperative, 'led')).message, /must be there: agents are captured here/);
      await chart.upgrade({ ...chartOfInjectedPods, capture: { allowCooperative: true } });
      await kubectl(['delete', 'mutatingwebhookconfiguration,validatingwebhookconfiguration', 'outrider']);
      await waitFor({ what: 'a cooperative pod', timeoutMs: 10_000 }, async () => (await create(cooperative, 'led')).status === 201);
      assert.equal((await create(captured, 'led')).status, 201);
      assert.equal((await create(cooperative)).status, 422);
      // It runs on when the platform no longer allows it; see below.
      assert.equal((await call('POST', 'led/pods', edited(cooperative, { '/metadata/namespace': 'led' }))).status, 201);
    });
    test('is refused a plan', async () => {
      const plan = { name: 'OUTRIDER_CAPTURE', value: '{"ports":[],"relays":[]}' };
      const { message } = await create(edited(cooperative, { '/spec/initContainers/0/env/-': plan }), 'led');
      assert.match(message, /env\[OUTRIDER_CAPTURE\] must be absent where spec\.initContainers\[outrider-capture\] is/);
    });
  });

  describe(`on the API server ${version}, a pod without the sidecar`, () => {
    const plain = edited(manifest, {}) as unknown as Pod;
    const asking = { '/metadata/annotations': { 'outrider.dev/inject': 'true' } };
    test('is none of our business where nothing asks for one', async () => {
      assert.equal((await create(plain)).status, 201);
      assert.equal((await create(edited(plain, { '/metadata/annotations': { 'outrider.dev/inject': 'false' } }))).status, 201);
    });
    test('K-34: is refused where it asks for one and no webhook was called', async () => {
      const { message } = await create(edited(plain, asking));
      assert.match(message, /metadata\.annotations\[outrider\.dev\/inject\] asks for Outrider’s sidecar, and the pod has none.*MutatingWebhookConfiguration outrider/);
      const byLabel = await create(edited(plain, { '/metadata/labels/outrider.dev~1inject': 'yes' }));
      assert.match(byLabel.message, /asks for Outrider’s sidecar/);
    });
    test('K-19: is refused in a namespace of agents, also when it opts out where that is not allowed', async () => {
      const { kubectl } = chart.cluster;
      await kubectl(['create', 'namespace', 'agents']);
      await kubectl(['label', 'namespace', 'agents', 'outrider.dev/inject=enabled']);
      await kubectl(['create', 'serviceaccount', 'default', '-n', 'agents']).catch(() => undefined);
      const declining = edited(plain, { '/metadata/annotations': { 'outrider.dev/inject': 'false' } });
      for (const pod of [plain, declining]) {
        assert.match((await create(pod, 'agents')).message, /the namespace agents has the label outrider\.dev\/inject=enabled, and the pod has no sidecar/);
      }
      assert.equal((await create(captured, 'agents')).status, 201);
      await kubectl(['label', 'namespace', 'agents', 'outrider.dev/opt-out=allowed']);
      await waitFor({ what: 'the opt-out', timeoutMs: 10_000 }, async () => (await create(declining, 'agents')).status === 201);
      assert.equal((await create(plain, 'agents')).status, 422);
    });
    test('K-34: is admitted in the operator’s own namespace, which must recover by itself', async () => {
      await chart.cluster.kubectl(['create', 'serviceaccount', 'default', '-n', 'outrider-system']).catch(() => undefined);
      assert.equal((await create(edited(plain, asking), 'outrider-system')).status, 201);
    });
    test('K-18: is refused when it says that it has one', async () => {
      const { message } = await create(edited(plain, { '/metadata/labels/outrider.dev~1injected': 'true' }));
      assert.equal(message.includes('denied request'), true, message);
    });
  });

  describe(`on the API server ${version}, of a running agent`, () => {
    const path = `${namespace}/pods/running`;
    const patch = (body: unknown, sub = '', type = 'application/merge-patch+json'): Promise<Answer> =>
      call('PATCH', `${path}${sub}?dryRun=All`, body, type);
    const strategic = 'application/strategic-merge-patch+json';
    before(async () => {
      const tool = { name: 'tool', image: 'registry.example/tool:1', securityContext: { runAsUser: 1000 } };
      const running = injectedPod(edited(manifest, { '/metadata/name': 'running', '/spec/containers/-': tool }));
      const { status, message } = await call('POST', `${namespace}/pods`, running);
      assert.equal(status, 201, message);
      assert.equal((await call('POST', `${namespace}/pods`, edited(manifest, { '/metadata/name': 'plain' }))).status, 201);
    });

    const refusedChanges: Readonly<Record<string, { body: object; sub?: string; says: string }>> = {
      'K-17: the sidecar’s image': {
        body: { spec: { initContainers: [{ name: 'outrider', image: 'registry.example/mine:1' }] } },
        says: 'spec.initContainers[outrider].image must stay as it is: the sidecar is replaced with its pod, so delete the pod',
      },
      'K-17: the image of what captures': {
        body: { spec: { initContainers: [{ name: 'outrider-capture', image: 'registry.example/mine:1' }] } },
        says: 'spec.initContainers[outrider-capture].image must stay as it is',
      },
      'K-10: the image of a container whose user only the image says': {
        body: { spec: { containers: [{ name: 'agent', image: 'registry.example/mine:1' }] } },
        says: 'spec.containers[agent].image may change only where runAsUser is set: an image’s own user cannot be seen',
      },
      'K-10: the image of such a container before the agent’s': {
        body: { spec: { initContainers: [{ name: 'fetch', image: 'registry.example/mine:1' }] } },
        says: 'spec.initContainers[fetch].image may change only where runAsUser is set',
      },
      'K-18: the label that says what it is, removed': {
        body: { metadata: { labels: { 'outrider.dev/injected': null } } },
        says: 'metadata.labels[outrider.dev/injected] must stay as it was when the pod was created: change the pod template',
      },
      'K-18: the label that says what it is': {
        body: { metadata: { labels: { 'outrider.dev/injected': 'false' } } },
        says: 'metadata.labels[outrider.dev/injected] must stay',
      },
      'K-18: the label that says what it is, by its status': {
        body: { metadata: { labels: { 'outrider.dev/injected': null } } },
        sub: '/status',
        says: 'metadata.labels[outrider.dev/injected] must stay',
      },
      'K-18: its status annotation': {
        body: { metadata: { annotations: { 'outrider.dev/status': '{}' } } },
        says: 'metadata.annotations[outrider.dev/status] must stay as it was when the pod was created',
      },
      'K-18: its version annotation, removed': {
        body: { metadata: { annotations: { 'outrider.dev/version': null } } },
        says: 'metadata.annotations[outrider.dev/version] must stay',
      },
      'K-18: another annotation of ours': {
        body: { metadata: { annotations: { 'outrider.dev/anything': 'x' } } },
        says: 'metadata.annotations[outrider.dev/anything] must stay',
      },
      'K-28: the sidecar’s resources': {
        body: { spec: { initContainers: [{ name: 'outrider', resources: { limits: { memory: '1Gi' }, requests: { memory: '1Gi' } } }] } },
        sub: '/resize',
        says: 'spec.initContainers[outrider].resources must stay as it is: the sidecar’s size is the chart’s, so change sidecar.memory',
      },
    };
    for (const [sentence, { body, sub, says }] of Object.entries(refusedChanges)) {
      test(`cannot be changed ${sentence}`, async () => {
        const { status, message } = await patch(body, sub, strategic);
        assert.equal(status, 422, message);
        assert.ok(message.includes(says), message);
      });
    }
    test('K-18: no binding changes the labels that say what it is', async () => {
      const target = { kind: 'Node', name: 'n1' };
      for (const at of [`${path}/binding`, `${namespace}/bindings`]) {
        const metadata = { name: 'running', labels: { 'outrider.dev/injected': 'false' } };
        const { status, message } = await call('POST', `${at}?dryRun=All`, { apiVersion: 'v1', kind: 'Binding', metadata, target });
        assert.equal(status, 422, message);
        assert.match(message, /metadata\.labels\[outrider\.dev\/injected\] must be absent from a Binding/);
      }
    });
    test('K-18: no other pod can be made one by a label', async () => {
      const { message } = await call(
        'PATCH',
        `${namespace}/pods/plain?dryRun=All`,
        { metadata: { labels: { 'outrider.dev/injected': 'true' } } },
        strategic,
      );
      assert.match(message, /metadata\.labels\[outrider\.dev\/injected\] must stay/);
    });

    test('everything else goes on: images and resources of the agent, labels, annotations, status, eviction', async () => {
      const passing: readonly [body: object, sub?: string][] = [
        [{ spec: { containers: [{ name: 'tool', image: 'registry.example/tool:2' }] } }],
        [{ metadata: { labels: { 'pod-template-hash': 'x' }, annotations: { 'example.com/seen': 'yes' } } }],
        [{ spec: { activeDeadlineSeconds: 60 } }],
        [{ metadata: { finalizers: ['example.com/x'] } }],
        [{ status: { phase: 'Running', conditions: [{ type: 'Ready', status: 'True' }] } }, '/status'],
      ];
      for (const [body, sub] of passing) {
        assert.deepEqual(await patch(body, sub, strategic), { status: 200, message: '' }, JSON.stringify(body));
      }
      const eviction = { apiVersion: 'policy/v1', kind: 'Eviction', metadata: { name: 'running', namespace } };
      assert.equal((await call('POST', `${path}/eviction?dryRun=All`, eviction)).status, 201);
      const labels = { 'topology.kubernetes.io/zone': 'a' };
      const binding = { apiVersion: 'v1', kind: 'Binding', metadata: { name: 'running', labels }, target: { kind: 'Node', name: 'n1' } };
      assert.equal((await call('POST', `${path}/binding?dryRun=All`, binding)).status, 201);
    });

    test('all that went on also goes on after two upgrades to other images, and without its parameters', async () => {
      const upgrade = async (tag: string): Promise<void> => {
        await chart.upgrade({ images: { registry: 'registry.example', sidecar: { tag } } });
        await chart.cluster.kubectl(['delete', 'mutatingwebhookconfiguration,validatingwebhookconfiguration', 'outrider']);
      };
      const withTag = (tag: string) => create(injectedPod(manifest, { image: `registry.example/outrider-sidecar:${tag}` }));
      const becomes = (what: string, tag: string, expected: number): Promise<unknown> =>
        waitFor({ what, timeoutMs: 10_000 }, async () => (await withTag(tag)).status === expected);
      await upgrade('0.2.0');
      await becomes('the new image', '0.2.0', 201);
      assert.equal((await withTag('0.1.0')).status, 201);
      assert.equal((await withTag('0.3.0')).status, 422);
      // The same version again is no version further.
      await upgrade('0.2.0');
      assert.equal((await withTag('0.1.0')).status, 201);
      await upgrade('0.3.0');
      await becomes('the newest image', '0.3.0', 201);
      await becomes('the end of the oldest image', '0.1.0', 422);
      assert.equal((await withTag('0.2.0')).status, 201);
      const seen = { metadata: { annotations: { 'example.com/seen': 'again' } } };
      const running = () => patch(seen, '', strategic);
      assert.equal((await running()).status, 200);
      const led = 'led/pods/triage';
      assert.equal((await create(cooperative, 'led')).status, 422);
      assert.equal((await call('PATCH', `${led}?dryRun=All`, seen, strategic)).status, 200);
      const phase = { status: { phase: 'Running' } };
      assert.equal((await call('PATCH', `${led}/status?dryRun=All`, phase, strategic)).status, 200);
      assert.equal((await call('DELETE', `${led}?dryRun=All`)).status, 200);

      await chart.cluster.kubectl(['delete', 'configmap', 'outrider-admission', '-n', 'outrider-system']);
      await becomes('the end of the parameters', '0.3.0', 422);
      assert.equal((await running()).status, 200);
      assert.equal((await create(edited(manifest, {}) as unknown as Pod)).status, 201);
      await chart.upgrade(chartOfInjectedPods);
      await chart.cluster.kubectl(['delete', 'mutatingwebhookconfiguration,validatingwebhookconfiguration', 'outrider']);
    });

    describe('an ephemeral container', () => {
      const restricted = {
        allowPrivilegeEscalation: false,
        capabilities: { drop: ['ALL'] },
        runAsNonRoot: true,
        runAsUser: 1000,
        seccompProfile: { type: 'RuntimeDefault' },
      };
      const add = (container: object): Promise<Answer> =>
        patch(
          { spec: { ephemeralContainers: [{ name: 'debugger', image: 'busybox', securityContext: restricted, ...container }] } },
          '/ephemeralcontainers',
          strategic,
        );
      const at = 'spec.ephemeralContainers[debugger]';
      const refusedOnes: Readonly<Record<string, [container: object, says: string]>> = {
        'K-16: that aims at the sidecar is refused': [
          { targetContainerName: 'outrider' },
          `${at}.targetContainerName must be another container: that one is the sidecar`,
        ],
        'K-16: with a name of ours is refused': [
          { name: 'outrider-debugger' },
          'spec.ephemeralContainers[outrider-debugger] must have another name',
        ],
        'K-16: that runs as the sidecar’s user is refused': [
          { securityContext: { ...restricted, runAsUser: sidecarIds.uid } },
          `${at}.securityContext.runAsUser must be another number: this one was drawn for the sidecar`,
        ],
        'K-16: that runs as the sidecar’s group is refused': [
          { securityContext: { ...restricted, runAsGroup: sidecarIds.gid } },
          `${at}.securityContext.runAsGroup must be another number`,
        ],
        'K-10: whose user only its image says is refused': [
          { securityContext: { ...restricted, runAsUser: undefined } },
          `${at}.securityContext.runAsUser must be set: an image’s own user cannot be seen, and could be the sidecar’s (kubectl debug: --custom with securityContext.runAsUser)`,
        ],
        'K-16: that adds capabilities is refused': [
          { securityContext: { ...restricted, capabilities: { drop: ['ALL'], add: ['SYS_PTRACE'] } } },
          `${at}.securityContext.capabilities.add must be empty, or NET_BIND_SERVICE alone: others reach the network, or the sidecar, past what is decided (kubectl debug: --profile=restricted)`,
        ],
        'K-16: that mounts the sidecar’s keys is refused': [
          { volumeMounts: [{ name: 'outrider-keys', mountPath: '/k' }] },
          `${at}.volumeMounts[outrider-keys] must be removed`,
        ],
        'K-16: that is privileged is refused': [
          { securityContext: { privileged: true } },
          `${at}.securityContext.privileged must be false`,
        ],
        'K-16: without a security context is refused': [
          { securityContext: undefined },
          `${at}.securityContext.allowPrivilegeEscalation must be false: a setuid program could become the sidecar (kubectl debug: --profile=restricted)`,
        ],
      };
      for (const [sentence, [container, says]] of Object.entries(refusedOnes)) {
        test(sentence, async () => {
          const { status, message } = await add(container);
          assert.equal(status, 422, message);
          assert.ok(message.includes(says), message);
        });
      }
      test('of kubectl debug is admitted with the profile restricted and a user, aimed at the agent or not', async () => {
        assert.deepEqual(await add({}), { status: 200, message: '' });
        assert.deepEqual(await add({ targetContainerName: 'agent' }), { status: 200, message: '' });
        const custom = join(chart.cluster.folder, 'debugger.json');
        await writeFile(custom, JSON.stringify({ securityContext: { runAsUser: 1000 } }));
        const how = ['--image=busybox', '--profile=restricted', `--custom=${custom}`, '--quiet'];
        const { kubectl } = chart.cluster;
        await kubectl(['debug', 'running', '-n', namespace, '--target=agent', '--container=first', ...how]);
        await kubectl(['debug', 'running', '-n', namespace, '--container=second', ...how]);
      });
    });

    describe('its sidecar', () => {
      const nobody = 'nobody enters Outrider’s sidecar';
      const refusedConnections: Readonly<Record<string, [path: string, says: string]>> = {
        'K-16: is not entered by exec': ['exec?command=ls&container=outrider', `container must not be outrider: ${nobody}`],
        'K-16: is not entered by exec before it starts': [
          'exec?command=ls&container=outrider-capture',
          `container must not be outrider-capture: ${nobody}`,
        ],
        'K-16: is not entered by attach': ['attach?container=outrider', `container must not be outrider: ${nobody}`],
        'K-20: is not reached by a forwarded port': ['portforward?ports=8080&ports=15001', 'ports must not be the sidecar’s'],
      };
      for (const [sentence, [connection, says]] of Object.entries(refusedConnections)) {
        test(sentence, async () => {
          for (const method of ['GET', 'POST']) {
            const { status, message } = await call(method, `${path}/${connection}`);
            assert.equal(status, 422, message);
            assert.ok(message.includes(says), message);
          }
        });
      }
      for (const name of ['running:15020', 'http:running:15020', 'https:running:015020', 'running:+15020', 'running:15001']) {
        test(`K-20: is not reached by the proxy of pods/${name}`, async () => {
          const { status, message } = await call('GET', `${namespace}/pods/${name}/proxy/readyz`);
          assert.equal(status, 422, message);
          assert.ok(message.includes(`the port of pods/${name}/proxy must not be the sidecar’s`), message);
        });
      }
      test('is none of those that others connect to', async () => {
        for (const connection of ['exec?command=ls&container=agent', 'exec?command=ls', 'portforward?ports=8080']) {
          assert.doesNotMatch((await call('POST', `${path}/${connection}`)).message, /denied request/);
        }
        assert.doesNotMatch((await call('GET', `${namespace}/pods/running:8080/proxy/`)).message, /denied request/);
      });
    });
  });
}
