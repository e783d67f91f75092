// A real API server with the chart on it, whose webhook configuration calls the webhook of this process.

import assert from 'node:assert/strict';
import { randomInt } from 'node:crypto';
import type { AddressInfo } from 'node:net';
import type { CaptureLevel } from '../../../policy/capture-plan.ts';
import { idRange } from '../../../operator/injector/identity.ts';
import type { Pod } from '../../../operator/injector/pod.ts';
import { createWebhookApp, type AdmissionOutcome } from '../../../operator/webhook/app.ts';
import { waitFor } from '../../cluster/deadline.ts';
import { settings } from '../../golden/cases.ts';
import { createFixedAuthority, type FixedAuthority } from '../../support/fixed-authority.ts';
import { installChart, type InstalledChart } from '../../support/installed-chart.ts';
import { redirectWebhooks } from '../../support/webhook-target.ts';

export interface ReviewedCluster {
  readonly chart: InstalledChart;
  readonly authority: FixedAuthority;
  /** What the webhook was asked, and what it answered. */
  readonly outcomes: AdmissionOutcome[];
  /** The pod as the API server stored it. */
  create(manifest: object, ...options: readonly string[]): Promise<Pod>;
  /** Takes the webhook away; answers how to bring it back to the same address. */
  takeDown(): Promise<() => Promise<void>>;
  stop(): Promise<void>;
}

export const asks = { 'outrider.dev/inject': 'true' };

const namespaces: Record<string, Record<string, string>> = {
  plain: {},
  agents: {
    'outrider.dev/inject': 'enabled',
    'outrider.dev/capture': 'cooperative',
    'pod-security.kubernetes.io/enforce': 'restricted',
  },
  strict: { 'outrider.dev/inject': 'enabled', 'pod-security.kubernetes.io/enforce': 'restricted' },
  lenient: { 'outrider.dev/inject': 'enabled', 'outrider.dev/opt-out': 'allowed' },
  limited: { 'outrider.dev/inject': 'enabled' },
};

const store = {
  apiVersion: 'outrider.dev/v1alpha1',
  kind: 'AgentSecretStore',
  metadata: { name: 'corp-vault' },
  spec: {
    namespaceSelector: {},
    audience: 'outrider.dev/corp-vault',
    vault: { address: 'https://vault.vault.svc:8200', auth: { kubernetes: {} } },
  },
};

/** What there is of our kinds; the same in every namespace. */
export interface ReviewedResources {
  readonly stores?: readonly object[];
  readonly destinations?: readonly object[];
  readonly credentials?: readonly object[];
  readonly policies?: readonly object[];
}

export async function startReviewedCluster(resources: ReviewedResources = {}): Promise<ReviewedCluster> {
  const chart = await installChart({
    images: { registry: 'registry.example' },
    capture: { allowCooperative: true },
  });
  const authority = createFixedAuthority(['localhost']);
  const outcomes: AdmissionOutcome[] = [];
  const failed = { namespace: '', pod: '', verdict: 'deny', durationMs: 0 } as const;
  const startWebhook = async (port: number) => {
    const app = createWebhookApp({
      authority,
      settings,
      drawId: () => randomInt(idRange.first, idRange.last + 1),
      observe: (outcome) => outcomes.push(outcome),
      fail: (error) => outcomes.push({ ...failed, note: String(error) }),
      cluster: {
        namespaceLabels: async (name) => namespaces[name] ?? null,
        stores: () => resources.stores ?? [store],
        isInjected: async (namespace, name) => {
          const pods = await chart.read<{ items: Pod[] }>(
            'pods',
            '-n',
            namespace,
            '-l',
            'outrider.dev/injected=true',
          );
          return pods.items.some(({ metadata }) => metadata.name === name);
        },
        destinations: () => resources.destinations ?? [],
        credentials: () => resources.credentials ?? [],
        policies: () => resources.policies ?? [],
      },
    });
    await app.listen({ host: '127.0.0.1', port });
    return app;
  };
  let webhook = await startWebhook(0);
  const { port } = webhook.server.address() as AddressInfo;
  const create = async (manifest: object, ...options: readonly string[]): Promise<Pod> => {
    const stdin = JSON.stringify(manifest);
    const output = await chart.cluster.kubectl(['create', '-o', 'json', '-f', '-', ...options], { stdin });
    return JSON.parse(output) as Pod;
  };
  const stop = async (): Promise<void> => {
    await webhook.close();
    await chart.cluster.stop();
  };
  try {
    await redirectWebhooks(chart, `https://localhost:${port}`, authority.bundle());
    for (const [name, labels] of Object.entries(namespaces)) {
      const manifest = { apiVersion: 'v1', kind: 'Namespace', metadata: { name, labels } };
      await chart.cluster.kubectl(['create', '-f', '-'], { stdin: JSON.stringify(manifest) });
      await waitFor({ what: `the ServiceAccount of ${name}`, timeoutMs: 10_000 }, () =>
        chart.cluster.kubectl(['get', 'serviceaccount', 'default', '-n', name]),
      );
    }
    await waitFor({ what: 'the webhook in the API server', timeoutMs: 20_000 }, async () => {
      await create(podIn('plain', { annotations: asks }), '--dry-run=server');
      return outcomes.length > 0;
    });
  } catch (error) {
    await stop();
    throw error;
  }
  return {
    chart,
    authority,
    outcomes,
    create,
    takeDown: async () => {
      await webhook.close();
      return async () => {
        webhook = await startWebhook(port);
      };
    },
    stop,
  };
}

let count = 0;

/** A pod of one container, named anew. */
export function podIn(namespace: string, metadata: object = {}, spec: object = {}): object {
  return {
    apiVersion: 'v1',
    kind: 'Pod',
    metadata: { name: `triage-${++count}`, namespace, ...metadata },
    spec: { containers: [{ name: 'agent', image: 'registry.example/triage:1' }], ...spec },
  };
}

export const tokenPath = '/var/run/secrets/kubernetes.io/serviceaccount';

/** Where something is mounted in a container. */
export function mountsOf({ spec }: Pod, name: string): string[] {
  return [...(spec.initContainers ?? []), ...spec.containers]
    .filter((container) => container.name === name)
    .flatMap(({ volumeMounts = [] }) => volumeMounts.map(({ mountPath }) => mountPath));
}

/** Captured, but for pods of a namespace that is labelled otherwise. */
export function assertInjected(pod: Pod, level: CaptureLevel = 'captured'): void {
  const ours = [...(pod.spec.initContainers ?? [])];
  if (level === 'captured') {
    const capture = ours.shift();
    assert.equal(capture?.name, 'outrider-capture');
    assert.equal(capture?.['image'], settings.sidecar.image);
    assert.deepEqual(
      capture.volumeMounts?.map(({ name }) => name),
      ['outrider-keys'],
    );
  }
  const [sidecar] = ours;
  assert.equal(sidecar?.name, 'outrider');
  assert.equal(sidecar?.['restartPolicy'], 'Always');
  assert.equal(sidecar?.['image'], settings.sidecar.image);
  assert.equal(pod.metadata.labels?.['outrider.dev/injected'], 'true');
  for (const { name, env = [] } of pod.spec.containers) {
    const variables = new Map(env.map((variable) => [variable.name, variable.value]));
    assert.equal(variables.get('https_proxy'), 'http://127.0.0.1:15001', name);
    assert.equal(variables.get('NO_PROXY'), 'localhost,127.0.0.1,::1', name);
  }
}
