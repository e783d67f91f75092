// What the API server lets through in the end, whichever webhook ran last, and what may become of an agent's pod.

import assert from 'node:assert/strict';
import { after, before, describe, test } from 'node:test';
import type { Container, Pod } from '../../../operator/injector/pod.ts';
import { waitFor } from '../../cluster/deadline.ts';
import { startPatchingWebhook } from '../../support/patching-webhook.ts';
import {
  asks,
  assertInjected,
  podIn,
  startReviewedCluster,
  type ReviewedCluster,
} from './reviewed-cluster.ts';

const held = {
  apiVersion: 'outrider.dev/v1alpha1',
  kind: 'AgentCredential',
  metadata: { name: 'github', namespace: 'plain' },
  spec: {
    source: { file: { path: 'token', volume: { secret: 'github' } } },
    allow: [{ hosts: ['api.github.com'] }],
    inject: { bearer: {} },
  },
};
const policyFor = (name: string, app: string, rule: object = {}) => ({
  apiVersion: 'outrider.dev/v1alpha1',
  kind: 'AgentPolicy',
  metadata: { name, namespace: 'plain' },
  spec: {
    agents: { podSelector: { matchLabels: { app } } },
    rules: [{ name: 'read', action: 'Allow', hosts: ['api.github.com'], ...rule }],
  },
});
let cluster: ReviewedCluster;

before(async () => {
  cluster = await startReviewedCluster({
    credentials: [held],
    policies: [policyFor('readers', 'triage', { credential: 'github' }), policyFor('writers', 'writer')],
  });
  // They say much of this too, and are asked first.
  const policies = [
    'agent-changes',
    'agent-containers',
    'agent-pod',
    'agent-sidecar',
    'agent-volumes',
    'uninjected',
  ];
  const bindings = policies.map((name) => `validatingadmissionpolicybinding/outrider-${name}`);
  await cluster.chart.cluster.kubectl(['delete', ...bindings]);
  await waitFor({ what: 'the end of the policies', timeoutMs: 20_000 }, () =>
    cluster.chart.cluster.kubectl(['create', '--dry-run=server', '-f', '-'], {
      stdin: JSON.stringify(podIn('kube-system', { labels: { 'outrider.dev/injected': 'true' } })),
    }),
  );
});
after(() => cluster?.stop());

const labels = { app: 'triage' };
const createAgent = (spec: object = {}): Promise<Pod> =>
  cluster.create(podIn('plain', { annotations: asks, labels }, spec));
const confined = {
  runAsUser: 1000,
  allowPrivilegeEscalation: false,
  capabilities: { drop: ['ALL'] },
  seccompProfile: { type: 'RuntimeDefault' },
};

describe('a webhook that has the last word is refused where it', () => {
  interface Change {
    /** A patch of the pod as ours left it. */
    readonly operations: (pod: Pod) => readonly object[];
    readonly says: RegExp;
  }
  const early = { name: 'early', image: 'registry.example/early:1' };
  const at = (pod: Pod, name: string): number =>
    (pod.spec.initContainers ?? []).findIndex((container) => container.name === name);
  const changes: Record<string, Change> = {
    'puts a container before ours each time (K-14)': {
      operations: ({ spec }) => {
        const others = (spec.initContainers ?? []).filter(({ name }) => name !== 'early');
        return [{ op: 'replace', path: '/spec/initContainers', value: [early, ...others] }];
      },
      says: /spec\.initContainers must begin with outrider-capture, outrider; another webhook changed it/,
    },
    'takes the capture away (K-14)': {
      operations: (pod) => {
        const index = at(pod, 'outrider-capture');
        return index < 0 ? [] : [{ op: 'remove', path: `/spec/initContainers/${index}` }];
      },
      says: /spec\.initContainers must begin with outrider-capture, outrider/,
    },
    'adds the node’s disk (K-09)': {
      operations: ({ spec }) => {
        const volumes = (spec.volumes ?? []).filter(({ name }) => name !== 'node');
        return [
          {
            op: 'add',
            path: '/spec/volumes',
            value: [...volumes, { name: 'node', hostPath: { path: '/' } }],
          },
        ];
      },
      says: /spec\.volumes\[node\]\.hostPath must be replaced/,
    },
    'gives the sidecar another CA to trust (K-18)': {
      operations: (pod) => {
        const index = at(pod, 'outrider');
        const env = pod.spec.initContainers?.[index]?.env?.findIndex(
          ({ name }) => name === 'OUTRIDER_OPERATOR_CA',
        );
        if (env === undefined) return [];
        return [
          { op: 'replace', path: `/spec/initContainers/${index}/env/${env}/value`, value: 'somebody else’s' },
        ];
      },
      says: /spec\.initContainers\[outrider\]\.env\[OUTRIDER_OPERATOR_CA\] must be outrider’s own/,
    },
    'gives the sidecar another server for names (K-26)': {
      operations: (pod) => {
        const index = at(pod, 'outrider');
        const env = pod.spec.initContainers?.[index]?.env?.findIndex(
          ({ name }) => name === 'OUTRIDER_DNS_SERVERS',
        );
        if (env === undefined) return [];
        return [
          { op: 'replace', path: `/spec/initContainers/${index}/env/${env}/value`, value: '192.0.2.53' },
        ];
      },
      says: /env\[OUTRIDER_DNS_SERVERS\] must be outrider’s own/,
    },
    'leads an agent past the proxy (K-25)': {
      operations: ({ spec }) => {
        const env = (spec.containers[0]?.env ?? []).filter(({ name }) => name !== 'no_proxy');
        return [
          { op: 'add', path: '/spec/containers/0/env', value: [{ name: 'no_proxy', value: '*' }, ...env] },
        ];
      },
      says: /spec\.containers\[agent\] lacks what outrider wrote in env/,
    },
    'gives an agent back its capabilities (K-11)': {
      operations: ({ spec }) =>
        spec.containers[0]?.securityContext?.capabilities === undefined
          ? []
          : [{ op: 'remove', path: '/spec/containers/0/securityContext/capabilities' }],
      says: /spec\.containers\[agent\] lacks what outrider wrote in securityContext/,
    },
    'takes the label away by which policies know the pod (K-19)': {
      operations: ({ metadata }) =>
        metadata.labels?.['outrider.dev/injected'] === undefined
          ? []
          : [{ op: 'remove', path: '/metadata/labels/outrider.dev~1injected' }],
      says: /metadata\.labels\[outrider\.dev\/injected\] must be "true"/,
    },
  };
  let count = 0;
  for (const [sentence, { operations, says }] of Object.entries(changes)) {
    test(sentence, async () => {
      const name = `z-last-${++count}`;
      const webhook = await startPatchingWebhook(
        cluster.chart,
        cluster.authority,
        name,
        operations,
        'IfNeeded',
      );
      try {
        const message = await waitFor({ what: 'the other webhook', timeoutMs: 20_000 }, async () => {
          const outcome = await createAgent().then(
            () => 'created',
            (error: Error) => error.message,
          );
          return webhook.calls() > 0 ? outcome : undefined;
        });
        assert.match(message, /admission webhook "pod\.(final|inject)\.outrider\.dev" denied the request/);
        assert.match(message, says);
      } finally {
        const calls = webhook.calls();
        await webhook.close();
        assert.ok(calls > 0);
        await waitFor({ what: 'its end', timeoutMs: 20_000 }, async () => {
          assertInjected(await createAgent());
          return true;
        });
      }
    });
  }

  test('only a forged label says that the pod was injected (K-19)', async () => {
    await assert.rejects(
      cluster.create(podIn('plain', { labels: { 'outrider.dev/injected': 'true' } })),
      /metadata\.labels\[outrider\.dev\/injected\] must be removed: only the webhook writes it/,
    );
  });
});

describe('of a pod that was admitted', () => {
  const patch = (pod: Pod, change: object, ...options: readonly string[]): Promise<string> =>
    cluster.chart.cluster.kubectl([
      'patch',
      'pod',
      pod.metadata.name ?? '',
      '-n',
      'plain',
      '--type=merge',
      '-p',
      JSON.stringify(change),
      ...options,
    ]);

  test('no label may change by which a policy would select it, or no longer (K-17)', async () => {
    const pod = await createAgent();
    for (const options of [[], ['--subresource=status']]) {
      await assert.rejects(
        patch(pod, { metadata: { labels: { app: 'writer' } } }, ...options),
        /metadata\.labels\[app\] must stay as it was .* select it by writers and no longer select it by readers: change the pod template/,
      );
    }
    await patch(pod, { metadata: { labels: { version: '2' } } });
    await patch(pod, { metadata: { annotations: { note: 'seen' } } });
  });

  test('no image may change whose user could be the sidecar’s (K-10, K-17)', async () => {
    const pod = await createAgent();
    const image = {
      spec: { containers: [{ ...pod.spec.containers[0], image: 'registry.example/other:1' }] },
    };
    await assert.rejects(
      patch(pod, image),
      /spec\.containers\[agent\]\.image may change only where runAsUser is set/,
    );
    const known = await createAgent({ securityContext: { runAsUser: 1000 } });
    await patch(known, {
      spec: { containers: [{ ...known.spec.containers[0], image: 'registry.example/other:1' }] },
    });
  });

  test('the sidecar’s image stays (K-17)', async () => {
    const pod = await createAgent();
    const initContainers = pod.spec.initContainers?.map((container) => ({
      ...container,
      image: 'registry.example/other:1',
    }));
    await assert.rejects(
      patch(pod, { spec: { initContainers } }),
      /\[outrider(-capture)?\]\.image must stay/,
    );
  });

  const addEphemeral = async (pod: Pod, container: object): Promise<void> => {
    const path = `/api/v1/namespaces/plain/pods/${pod.metadata.name}/ephemeralcontainers`;
    const current = JSON.parse(
      await cluster.chart.cluster.kubectl(['get', '--raw', path.replace(/\/eph.*/, '')]),
    ) as {
      spec: { ephemeralContainers?: object[] };
    };
    current.spec.ephemeralContainers = [
      ...(current.spec.ephemeralContainers ?? []),
      { image: 'registry.example/debug:1', ...container },
    ];
    await cluster.chart.cluster.kubectl(['replace', '--raw', path, '-f', '-'], {
      stdin: JSON.stringify(current),
    });
  };
  const idsOf = (pod: Pod): NonNullable<Container['securityContext']> =>
    pod.spec.initContainers?.find(({ name }) => name === 'outrider')?.securityContext ?? {};
  test('a copy of it has other ids for its sidecar, which its author did not choose (K-10, K-18)', async () => {
    const { metadata, spec } = await createAgent();
    const { name = '', annotations } = metadata;
    const copy = {
      metadata: { name: `${name}-copy`, namespace: 'plain', labels: metadata.labels, annotations },
    };
    const admitted = await cluster.create({ apiVersion: 'v1', kind: 'Pod', ...copy, spec });
    assertInjected(admitted);
    const [before, after] = [idsOf({ metadata, spec }), idsOf(admitted)];
    assert.notDeepEqual([after.runAsUser, after.runAsGroup], [before.runAsUser, before.runAsGroup]);
  });

  const ephemeral: Record<string, { container: (pod: Pod) => object; says: RegExp }> = {
    'the sidecar’s uid (K-10, K-16)': {
      container: (pod) => ({ securityContext: { ...confined, runAsUser: idsOf(pod).runAsUser } }),
      says: /runAsUser must (not be|be another number)/,
    },
    'a user that cannot be seen (K-10, K-16)': {
      container: () => ({ securityContext: { ...confined, runAsUser: undefined } }),
      says: /runAsUser must be set/,
    },
    'capabilities that nobody dropped (K-12, K-16)': {
      container: () => ({ securityContext: { ...confined, capabilities: undefined } }),
      says: /capabilities\.drop must be \[ALL\]/,
    },
    'a capability (K-12, K-16)': {
      container: () => ({
        securityContext: { ...confined, capabilities: { drop: ['ALL'], add: ['SYS_PTRACE'] } },
      }),
      says: /capabilities\.add must be empty/,
    },
    'the sidecar’s keys (K-09, K-16)': {
      container: () => ({
        securityContext: confined,
        volumeMounts: [{ name: 'outrider-keys', mountPath: '/keys' }],
      }),
      says: /volumeMounts\[outrider-keys\] must be removed/,
    },
    'the sidecar’s processes (K-07, K-16)': {
      container: () => ({ securityContext: confined, targetContainerName: 'outrider' }),
      says: /targetContainerName must be another container/,
    },
    'a Secret that the sidecar reads (K-01, K-16)': {
      container: () => ({
        securityContext: confined,
        env: [{ name: 'TOKEN', valueFrom: { secretKeyRef: { name: 'github', key: 'token' } } }],
      }),
      says: /spec\.ephemeralContainers\[debugger\]\.env\[TOKEN\] must be removed: an AgentCredential/,
    },
  };
  for (const [sentence, { container, says }] of Object.entries(ephemeral)) {
    test(`no ephemeral container may have ${sentence}`, async () => {
      const pod = await createAgent();
      await assert.rejects(addEphemeral(pod, { name: 'debugger', ...container(pod) }), says);
    });
  }

  test('an ephemeral container that is as an agent’s may enter', async () => {
    const pod = await createAgent();
    await addEphemeral(pod, { name: 'debugger', securityContext: confined, targetContainerName: 'agent' });
  });
});

describe('a connection', () => {
  /** There is no kubelet, so what admission lets through fails later. */
  const forward = (namespace: string, name: string): Promise<string> =>
    new Promise((resolve) => {
      const path = `/api/v1/namespaces/${namespace}/pods/${name}/portforward`;
      void cluster.chart.cluster
        .kubectl(['create', '--raw', path, '-f', '-'], { stdin: '{}' })
        .then(resolve, (error: Error) => resolve(error.message));
    });

  test('that forwards ports of an agent’s pod is refused, and says what to do instead (K-16)', async () => {
    const pod = await createAgent();
    assert.match(
      await forward('plain', pod.metadata.name ?? ''),
      /admission webhook "pod\.forward\.outrider\.dev" denied.*reach the agent’s own port by a Service/s,
    );
    const inAgents = await cluster.create(podIn('limited'));
    assert.match(
      await forward('limited', inAgents.metadata.name ?? ''),
      /"namespace\.forward\.outrider\.dev" denied/,
    );
  });

  test('that forwards ports of another pod is not the webhook’s business', async () => {
    const pod = await cluster.create(podIn('plain'));
    assert.doesNotMatch(await forward('plain', pod.metadata.name ?? ''), /outrider/);
  });

  test('while the operator is down, forwards ports outside the namespaces of agents alone (K-34)', async () => {
    const pod = await cluster.create(podIn('plain'));
    const agent = await cluster.create(podIn('limited'));
    const bringBack = await cluster.takeDown();
    try {
      assert.doesNotMatch(await forward('plain', pod.metadata.name ?? ''), /outrider/);
      assert.match(await forward('limited', agent.metadata.name ?? ''), /failed calling webhook/);
    } finally {
      await bringBack();
    }
  });
});

describe('while the operator is down', () => {
  test('what kubelets and controllers change of an agent’s pod goes on (K-34)', async () => {
    const pod = await createAgent();
    const name = pod.metadata.name ?? '';
    const bringBack = await cluster.takeDown();
    try {
      const status = JSON.stringify({ status: { phase: 'Running', conditions: [] } });
      const kubectl = cluster.chart.cluster.kubectl;
      await kubectl([
        'patch',
        'pod',
        name,
        '-n',
        'plain',
        '--subresource=status',
        '--type=merge',
        '-p',
        status,
      ]);
      const metadata = JSON.stringify({ metadata: { annotations: { seen: 'yes' }, finalizers: [] } });
      await kubectl(['patch', 'pod', name, '-n', 'plain', '--type=merge', '-p', metadata]);
      await kubectl(['delete', 'pod', name, '-n', 'plain', '--wait=false']);
    } finally {
      await bringBack();
    }
  });
});
