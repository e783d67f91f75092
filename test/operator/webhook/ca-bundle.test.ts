import assert from 'node:assert/strict';
import { after, before, describe, test } from 'node:test';
import { createKubeClient, type KubeClient } from '../../../operator/kube/client.ts';
import { bundlePatch, createCaBundlePublisher } from '../../../operator/webhook/ca-bundle.ts';
import { waitFor } from '../../cluster/deadline.ts';
import { createFixedAuthority } from '../../support/fixed-authority.ts';
import { installChart, operatorAccount, type InstalledChart } from '../../support/installed-chart.ts';

interface Configuration {
  readonly metadata: { readonly generation: number };
  readonly webhooks: { name: string; clientConfig: { caBundle?: string } }[];
}

let chart: InstalledChart;
let kube: KubeClient;

before(async () => {
  chart = await installChart();
  // The rights and the admission policy are those of the operator.
  kube = createKubeClient({ kubeconfig: await chart.cluster.kubeconfigFor({ user: operatorAccount }) });
});
after(async () => {
  await kube?.close();
  await chart?.cluster.stop();
});

const kinds = ['mutatingwebhookconfiguration', 'validatingwebhookconfiguration'] as const;
const read = (kind: (typeof kinds)[number] = 'mutatingwebhookconfiguration'): Promise<Configuration> =>
  chart.read<Configuration>(kind, 'outrider');
const base64 = (text: string): string => Buffer.from(text).toString('base64');

describe('the patch of the caBundle', () => {
  const entry = (name: string, caBundle?: string) => ({
    name,
    clientConfig: caBundle === undefined ? {} : { caBundle },
  });

  test('is empty where the bundle is there already', () => {
    assert.deepEqual(bundlePatch({ webhooks: [entry('a', base64('PEM'))] }, 'PEM'), []);
    assert.deepEqual(bundlePatch({}, 'PEM'), []);
  });

  test('touches an entry only while it has the name that was read', () => {
    const webhooks = [entry('a', base64('PEM')), entry('b', base64('old')), entry('c')];
    assert.deepEqual(bundlePatch({ webhooks }, 'PEM'), [
      { op: 'test', path: '/webhooks/1/name', value: 'b' },
      { op: 'add', path: '/webhooks/1/clientConfig/caBundle', value: base64('PEM') },
      { op: 'test', path: '/webhooks/2/name', value: 'c' },
      { op: 'add', path: '/webhooks/2/clientConfig/caBundle', value: base64('PEM') },
    ]);
  });
});

describe('the publisher', () => {
  test('writes nothing over a configuration that changed since it was read', async () => {
    const { webhooks } = await read();
    const swapped = bundlePatch({ webhooks: webhooks.toReversed() }, 'PEM');
    const path = '/apis/admissionregistration.k8s.io/v1/mutatingwebhookconfigurations/outrider';
    await assert.rejects(kube.request({ method: 'PATCH', patch: 'json-patch', path, body: swapped }), {
      code: 'KUBE_REJECTED',
    });
  });

  test('keeps the bundle in every entry of both configurations: at first, after a rotation, and after somebody took it away', async () => {
    const authority = createFixedAuthority(['outrider.outrider-system.svc']);
    const failures: unknown[] = [];
    const stop = new AbortController();
    const publisher = createCaBundlePublisher({
      kube,
      name: 'outrider',
      authority,
      checkEveryMs: 500,
      fail: (error) => failures.push(error),
    });
    const running = publisher.run(stop.signal);
    const published = (what: string): Promise<unknown> =>
      waitFor({ what, timeoutMs: 5000 }, async () => {
        const entries = (await Promise.all(kinds.map(read))).flatMap(({ webhooks }) => webhooks);
        return entries.every(({ clientConfig }) => clientConfig.caBundle === base64(authority.bundle()));
      });
    await published('the bundle');
    authority.renew();
    await published('the renewed bundle');
    const body = [{ op: 'remove', path: '/webhooks/1/clientConfig/caBundle' }];
    for (const kind of kinds) {
      await chart.cluster.kubectl(['patch', kind, 'outrider', '--type=json', '-p', JSON.stringify(body)]);
    }
    await published('the bundle again');
    assert.deepEqual(failures, []);

    const { generation } = (await read()).metadata;
    await new Promise((resolve) => void setTimeout(resolve, 1200));
    assert.equal((await read()).metadata.generation, generation, 'it writes what is there already');
    stop.abort();
    await running;
  });

  test('goes on when the API server was away', async () => {
    const authority = createFixedAuthority(['outrider.outrider-system.svc']);
    const failures: unknown[] = [];
    const stop = new AbortController();
    const deps = { kube, name: 'outrider', authority, checkEveryMs: 200 };
    await chart.cluster.apiServer.kill();
    const running = createCaBundlePublisher({ ...deps, fail: (error) => failures.push(error) }).run(
      stop.signal,
    );
    await waitFor({ what: 'a failure', timeoutMs: 10_000 }, async () => failures.length > 0);
    await chart.cluster.apiServer.start();
    await waitFor({ what: 'the bundle', timeoutMs: 10_000 }, async () => {
      const { webhooks } = await read();
      return webhooks[0]?.clientConfig.caBundle === base64(authority.bundle());
    });
    stop.abort();
    await running;
  });
});
