import assert from 'node:assert/strict';
import { after, before, beforeEach, describe, test } from 'node:test';
import type { CaptureLevel } from '../../../policy/capture-plan.ts';
import type { Pod } from '../../../operator/injector/pod.ts';
import { waitFor } from '../../cluster/deadline.ts';
import { settings } from '../../golden/cases.ts';
import { startHostileWebhook } from '../../support/hostile-webhook.ts';
import {
  asks,
  assertInjected,
  mountsOf,
  podIn,
  startReviewedCluster,
  tokenPath,
  type ReviewedCluster,
} from './reviewed-cluster.ts';

const careful = {
  runAsNonRoot: true,
  runAsUser: 1000,
  allowPrivilegeEscalation: false,
  capabilities: { drop: ['ALL'] },
  seccompProfile: { type: 'RuntimeDefault' },
};
let cluster: ReviewedCluster;

before(async () => {
  cluster = await startReviewedCluster();
});
after(() => cluster?.stop());
beforeEach(() => {
  cluster.outcomes.length = 0;
});

describe('the API server refuses', () => {
  test('a pod that cannot be injected, with the field and what to write (K-07)', async () => {
    await assert.rejects(
      cluster.create(podIn('agents', {}, { shareProcessNamespace: true })),
      /admission webhook "namespace.inject.outrider.dev" denied the request: outrider cannot inject this pod: spec\.shareProcessNamespace must be false/,
    );
  });

  test('a pod whose annotation is misspelt (A8)', async () => {
    await assert.rejects(
      cluster.create(podIn('plain', { annotations: { 'outrider.dev/inject': 'yes' } })),
      /metadata\.annotations\[outrider\.dev\/inject\] must be "true" or "false"/,
    );
  });

  test('a captured pod under the pod security level restricted, and the webhook says what to label', async () => {
    await assert.rejects(
      cluster.create(podIn('strict')),
      /pod-security\.kubernetes\.io\/enforce=restricted refuses NET_ADMIN.*write privileged there.*violates PodSecurity/s,
    );
  });

  test('a sidecar that the author brings (K-18)', async () => {
    const evil = { name: 'outrider', image: 'registry.example/evil:1', restartPolicy: 'Always' };
    await assert.rejects(
      cluster.create(podIn('agents', {}, { initContainers: [evil] })),
      /initContainers\[outrider\] differs/,
    );
  });

  test('a pod that opted in while the webhook is down, and no other (K-34)', async () => {
    const bringBack = await cluster.takeDown();
    await assert.rejects(
      cluster.create(podIn('plain', { annotations: asks })),
      /failed calling webhook "pod\.inject/,
    );
    await assert.rejects(cluster.create(podIn('agents')), /failed calling webhook "namespace\.inject/);
    await cluster.create(podIn('plain'));
    await cluster.create(podIn('plain', { annotations: { 'outrider.dev/inject': 'false' } }));
    await bringBack();
    await waitFor({ what: 'the webhook again', timeoutMs: 10_000 }, () => cluster.create(podIn('lenient')));
  });
});

describe('the API server accepts', () => {
  const ways: Record<string, [manifest: object, level: CaptureLevel]> = {
    'a pod that asks by annotation': [podIn('plain', { annotations: asks }), 'captured'],
    'a pod that asks by label': [podIn('plain', { labels: asks }), 'captured'],
    'a cooperative pod of a namespace that asks, under the pod security level restricted': [
      podIn(
        'agents',
        {},
        { containers: [{ name: 'agent', image: 'registry.example/triage:1', securityContext: careful }] },
      ),
      'cooperative',
    ],
  };
  for (const [sentence, [manifest, level]] of Object.entries(ways)) {
    test(`${sentence}, with the sidecar in it`, async () => {
      const pod = await cluster.create(manifest);
      assertInjected(pod, level);
      assert.deepEqual(JSON.parse(pod.metadata.annotations?.['outrider.dev/status'] ?? ''), {
        level,
        image: settings.sidecar.image,
        stores: ['corp-vault'],
        volumes: [],
        placeholders: {},
        destinations: level === 'captured' ? [] : null,
      });
    });
  }

  test('what it defaults in our container: a second review finds nothing to change but the pod’s own token', async () => {
    const pod = await cluster.create(podIn('plain', { annotations: asks }));
    // Its own plugins run again after the first review, and mount the ServiceAccount's token in the new container.
    assert.deepEqual(
      cluster.outcomes.map(({ note }) => note),
      ['injected: the pod asks for it', 'injected: the pod asks for it', 'whole'],
    );
    assert.ok(!mountsOf(pod, 'outrider').includes(tokenPath), 'the sidecar has the pod’s token (K-01)');
    assert.ok(mountsOf(pod, 'agent').includes(tokenPath));

    cluster.outcomes.length = 0;
    await cluster.create(podIn('plain', { annotations: asks }, { automountServiceAccountToken: false }));
    assert.deepEqual(
      cluster.outcomes.map(({ note }) => note),
      ['injected: the pod asks for it', 'whole'],
    );
  });

  test('the tokens, mounted in our container alone (K-01)', async () => {
    const pod = await cluster.create(podIn('plain', { annotations: asks }));
    const paths = ['/var/run/outrider/tokens', '/var/run/outrider/keys', '/var/run/outrider/state'];
    for (const path of paths) {
      assert.ok(mountsOf(pod, 'outrider').includes(path));
      assert.ok(!mountsOf(pod, 'agent').includes(path));
    }
  });

  test('a pod that nothing opts in, untouched and without asking', async () => {
    const pod = await cluster.create(podIn('plain'));
    assert.equal(pod.spec.initContainers, undefined);
    assert.deepEqual([pod.metadata.labels, pod.metadata.annotations], [undefined, undefined]);
    assert.equal(cluster.outcomes.length, 0);
  });

  test('a pod of the system that asks, untouched and without asking (K-34)', async () => {
    const pod = await cluster.create(podIn('kube-system', { annotations: asks }));
    assert.equal(pod.spec.initContainers, undefined);
    assert.equal(cluster.outcomes.length, 0);
  });

  test('a pod that declines, where its namespace allows that', async () => {
    const declines = { annotations: { 'outrider.dev/inject': 'false' } };
    assert.equal((await cluster.create(podIn('lenient', declines))).spec.initContainers, undefined);
    assertInjected(await cluster.create(podIn('limited', declines)));
  });

  test('the pods of a Deployment whose template asks', async () => {
    const labels = { app: 'triage' };
    const manifest = {
      apiVersion: 'apps/v1',
      kind: 'Deployment',
      metadata: { name: 'triage', namespace: 'plain' },
      spec: {
        selector: { matchLabels: labels },
        template: {
          metadata: { labels, annotations: asks },
          spec: { containers: [{ name: 'agent', image: 'registry.example/triage:1' }] },
        },
      },
    };
    await cluster.chart.cluster.kubectl(['create', '-f', '-'], { stdin: JSON.stringify(manifest) });
    const pod = await waitFor({ what: 'the Deployment’s pod', timeoutMs: 20_000 }, async () => {
      const { items } = await cluster.chart.read<{ items: Pod[] }>('pods', '-n', 'plain', '-l', 'app=triage');
      return items[0];
    });
    assertInjected(pod);
  });

  test('what LimitRanger adds to our container', async () => {
    const limits = {
      apiVersion: 'v1',
      kind: 'LimitRange',
      metadata: { name: 'limits', namespace: 'limited' },
      spec: {
        limits: [
          {
            type: 'Container',
            max: { cpu: '2', memory: '1Gi' },
            default: { cpu: '500m', memory: '256Mi' },
            defaultRequest: { cpu: '100m', memory: '128Mi' },
          },
        ],
      },
    };
    await cluster.chart.cluster.kubectl(['create', '-f', '-'], { stdin: JSON.stringify(limits) });
    const pod = await waitFor({ what: 'LimitRanger', timeoutMs: 10_000 }, async () => {
      const created = await cluster.create(podIn('limited'));
      return created.spec.containers[0]?.resources?.limits?.['cpu'] === undefined ? undefined : created;
    });
    assertInjected(pod);
    const resources = pod.spec.initContainers?.slice(0, 2).map((container) => container.resources);
    const expected = {
      limits: { cpu: '500m', memory: '64Mi' },
      requests: { cpu: '10m', memory: '64Mi' },
    };
    assert.deepEqual(resources, [expected, expected]);
  });

  test('a pod with variables of its own, and warns of what was replaced (K-25)', async () => {
    const agent = {
      name: 'agent',
      image: 'registry.example/triage:1',
      env: [{ name: 'HTTPS_PROXY', value: 'http://proxy.corp.example:3128' }],
    };
    await assert.rejects(
      cluster.create(podIn('plain', { annotations: asks }, { containers: [agent] }), '--warnings-as-errors'),
      /spec\.containers\[agent\]\.env\[HTTPS_PROXY\] is replaced: an agent reaches the network through outrider/,
    );
  });
});

describe('with a hostile webhook', () => {
  for (const [when, name] of [
    ['before', 'a-mesh'],
    ['after', 'z-mesh'],
  ] as const) {
    test(`that comes ${when} ours, the sidecar is first and the proxy holds (I11, K-14, K-25)`, async () => {
      const hostile = await startHostileWebhook(cluster.chart, cluster.authority, name);
      try {
        const pod = await waitFor({ what: 'the hostile webhook', timeoutMs: 20_000 }, async () => {
          const created = await cluster.create(podIn('plain', { annotations: asks }));
          return hostile.calls() > 0 ? created : undefined;
        });
        assertInjected(pod);
        assert.deepEqual(
          pod.spec.initContainers?.map((container) => container.name),
          ['outrider-capture', 'outrider', name],
        );
        assert.ok(!mountsOf(pod, 'outrider').includes(tokenPath));
      } finally {
        await hostile.close();
      }
    });
  }
});
