// The webhook of Amazon EKS beside ours on a real API server, in both orders.

import assert from 'node:assert/strict';
import { after, before, describe, test } from 'node:test';
import type { Container, Pod } from '../../../operator/injector/pod.ts';
import { waitFor } from '../../cluster/deadline.ts';
import { eksIdentities, startEksWebhook } from '../../support/eks-webhook.ts';
import {
  asks,
  assertInjected,
  podIn,
  startReviewedCluster,
  type ReviewedCluster,
} from './reviewed-cluster.ts';

let cluster: ReviewedCluster;

before(async () => {
  cluster = await startReviewedCluster();
});
after(() => cluster?.stop());

const create = (spec: object = {}, annotations: object = {}): Promise<Pod> =>
  cluster.create(podIn('plain', { annotations: { ...asks, ...annotations } }, spec));
const containersOf = ({ spec }: Pod): readonly Container[] => [
  ...(spec.initContainers ?? []),
  ...spec.containers,
];

describe('with the webhook of Amazon EKS', () => {
  async function withEks(
    options: Parameters<typeof startEksWebhook>[2],
    check: () => Promise<void>,
  ): Promise<void> {
    const webhook = await startEksWebhook(cluster.chart, cluster.authority, options);
    try {
      await waitFor({ what: 'the webhook of EKS', timeoutMs: 20_000 }, async () => {
        await cluster.create(podIn('plain'));
        return webhook.calls() > 0;
      });
      await check();
    } finally {
      await webhook.close();
      await waitFor({ what: 'its end', timeoutMs: 20_000 }, async () => {
        const before = webhook.calls();
        await cluster.create(podIn('plain'));
        return webhook.calls() === before;
      });
    }
  }

  const identityOf = (pod: Pod): string[] =>
    containersOf(pod).flatMap(({ name, env = [], volumeMounts = [] }) => [
      ...env
        .filter((variable) => /^AWS_(ROLE|WEB|CONTAINER)/.test(variable.name))
        .map((each) => `${name} ${each.name}`),
      ...volumeMounts
        .filter((mount) => /aws-iam|eks-pod/.test(mount.name))
        .map((each) => `${name} ${each.name}`),
    ]);

  for (const [kind, identity] of Object.entries(eksIdentities)) {
    test(`${kind} given before our webhook: the pod is refused, and says how to change that (K-05)`, async () => {
      await withEks({ name: 'a-eks', identity }, async () => {
        await assert.rejects(
          create(),
          /containers\[agent\]\.env\[AWS_\w+\] must be removed: .* eks\.amazonaws\.com\/skip-containers: agent on the pod template/,
        );
        const pod = await create({}, { 'eks.amazonaws.com/skip-containers': 'agent' });
        assert.deepEqual(identityOf(pod), []);
        assert.ok(pod.spec.volumes?.some(({ name }) => name === identity.volume));
        assertInjected(pod);
      });
    });

    test(`${kind} given after our webhook: no container gets it, ours neither (K-05)`, async () => {
      await withEks({ name: 'z-eks', identity }, async () => {
        const pod = await create({ initContainers: [{ name: 'fetch', image: 'registry.example/fetch:1' }] });
        assert.deepEqual(identityOf(pod), []);
        const skipped = pod.metadata.annotations?.['eks.amazonaws.com/skip-containers'];
        assert.equal(skipped, 'outrider-capture,outrider,fetch,agent');
        assertInjected(pod);
      });
    });

    test(`${kind} given after our webhook whatever we ask: our second pass refuses the pod (K-05)`, async () => {
      await withEks({ name: 'z-eks', identity, heedsAnnotation: false }, async () => {
        await assert.rejects(create(), /containers\[agent\]\.env\[AWS_\w+\] must be removed/);
      });
    });
  }
});
