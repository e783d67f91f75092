import assert from 'node:assert/strict';
import { readFile, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { after, afterEach, before, describe, it } from 'node:test';
import fastify from 'fastify';
import { compareVersions } from '../../../policy/contract.ts';
import { createKubeClient, type KubeClient, type KubeObject } from '../../../operator/kube/client.ts';
import { createReflector, type Reflector } from '../../../operator/kube/reflector.ts';
import { createMetrics } from '../../../operator/metrics.ts';
import { startControlPlane, type ControlPlane } from '../../cluster/control-plane.ts';
import { waitFor } from '../../cluster/deadline.ts';
import { startRelay, type Relay } from './relay.ts';

const { log } = fastify({ logger: { level: 'silent' } });

describe('a reflector against the real API server', () => {
  let cluster: ControlPlane;
  let relay: Relay;
  /** Straight to the API server, and through the relay. */
  let direct: KubeClient;
  let relayed: KubeClient;
  const running: Reflector<KubeObject>[] = [];

  before(async () => {
    cluster = await startControlPlane();
    relay = await startRelay({ host: '127.0.0.1', port: Number(new URL(cluster.server).port) });
    direct = createKubeClient({ kubeconfig: cluster.kubeconfig });
    const text = await readFile(cluster.kubeconfig, 'utf8');
    const path = join(cluster.folder, 'relayed.kubeconfig');
    await writeFile(path, text.replace(cluster.server, `https://127.0.0.1:${relay.port}`));
    relayed = createKubeClient({ kubeconfig: path });
  });

  afterEach(async () => {
    await Promise.all(running.splice(0).map((reflector) => reflector.stop()));
  });

  after(async () => {
    await direct?.close();
    await relayed?.close();
    await relay?.close();
    await cluster?.stop();
  });

  function reflect(options: { client?: KubeClient; labelSelector?: string } = {}): Reflector<KubeObject> {
    const reflector = createReflector<KubeObject>({
      client: options.client ?? direct,
      log,
      metrics: createMetrics(),
      kind: 'ConfigMap',
      path: '/api/v1/configmaps',
      ...(options.labelSelector === undefined ? {} : { labelSelector: options.labelSelector }),
      project: (object) => object,
      watchSeconds: 3,
    });
    running.push(reflector);
    reflector.start();
    return reflector;
  }

  async function create(name: string, labels: Record<string, string> = {}): Promise<KubeObject> {
    return direct.request<KubeObject>({
      method: 'POST',
      path: '/api/v1/namespaces/default/configmaps',
      body: { metadata: { name, labels } },
    });
  }

  const remove = (name: string): Promise<unknown> =>
    direct.request({ method: 'DELETE', path: `/api/v1/namespaces/default/configmaps/${name}` });

  const shows = (reflector: Reflector<KubeObject>, name: string, timeoutMs = 10_000): Promise<KubeObject> =>
    waitFor({ what: `configmap ${name} in the store`, timeoutMs }, async () =>
      reflector.get(`default/${name}`),
    );

  const synced = (reflector: Reflector<KubeObject>): Promise<true> =>
    waitFor({ what: 'the first list', timeoutMs: 10_000 }, async () => reflector.synced() || undefined);

  it('a listener that throws ends neither the process nor the watch nor the other listeners', async () => {
    const reflector = reflect();
    const seen: string[] = [];
    reflector.onChange(() => {
      throw new Error('a defect of a listener');
    });
    reflector.onChange(({ key }) => void seen.push(key));
    await synced(reflector);
    await create('thrown');
    await shows(reflector, 'thrown');
    await create('thrown-again');
    await shows(reflector, 'thrown-again');
    assert.deepEqual(seen.slice(-2), ['default/thrown', 'default/thrown-again']);
  });

  it('knows objects of before, of after, their changes and their deletion', async () => {
    await create('before');
    const reflector = reflect();
    const changes: string[] = [];
    await shows(reflector, 'before');
    reflector.onChange(({ key, current, previous }) => {
      const what = current === undefined ? 'deleted' : previous === undefined ? 'new' : 'changed';
      changes.push(`${what} ${key}`);
    });
    await create('after');
    await direct.request({
      method: 'PATCH',
      patch: 'merge-patch',
      path: '/api/v1/namespaces/default/configmaps/after',
      body: { data: { key: 'value' } },
    });
    await remove('after');
    await waitFor({ what: 'three changes', timeoutMs: 5_000 }, async () => changes.length === 3);
    assert.deepEqual(changes, ['new default/after', 'changed default/after', 'deleted default/after']);
    assert.deepEqual(reflector.inNamespace('nowhere'), []);
  });

  it('with a selector, an object that stops matching is gone', async () => {
    const reflector = reflect({ labelSelector: 'team=red' });
    await create('selected', { team: 'red' });
    await create('other', { team: 'blue' });
    await shows(reflector, 'selected');
    assert.equal(reflector.get('default/other'), undefined);
    await direct.request({
      method: 'PATCH',
      patch: 'merge-patch',
      path: '/api/v1/namespaces/default/configmaps/selected',
      body: { metadata: { labels: { team: 'blue' } } },
    });
    await waitFor(
      { what: 'its leaving', timeoutMs: 5_000 },
      async () => reflector.get('default/selected') === undefined,
    );
  });

  it('reads lists longer than a page', async () => {
    const names = Array.from({ length: 510 }, (_, index) => `many-${index}`);
    for (let start = 0; start < names.length; start += 64) {
      await Promise.all(names.slice(start, start + 64).map((name) => create(name, { many: 'yes' })));
    }
    const reflector = reflect({ labelSelector: 'many=yes' });
    await synced(reflector);
    assert.equal(reflector.size, names.length);
  });

  it('an idle watch proves itself live again and again, and its progress moves with the cluster', async () => {
    const reflector = reflect({ labelSelector: 'nobody=has-this' });
    await synced(reflector);
    const progress = reflector.progress();
    const change = reflector.lastChange();
    await create('elsewhere');
    for (const proof of ['next', 'one after it']) {
      const lastMs = reflector.lastProofMs();
      const renewed = async (): Promise<boolean> => reflector.lastProofMs() > lastMs;
      await waitFor({ what: `the ${proof} proof`, timeoutMs: 15_000 }, renewed);
    }
    const moved = async (): Promise<boolean> => compareVersions(reflector.progress(), progress) > 0;
    await waitFor({ what: 'a bookmark that moves the progress', timeoutMs: 30_000 }, moved);
    assert.equal(reflector.lastChange(), change, 'nothing of its own has changed');
  });

  it('O-10: catches up with a version that another replica has seen, and says when there is no such version', async () => {
    const reflector = reflect({ labelSelector: 'nobody=has-this' });
    await synced(reflector);
    const created = await create('newer');
    assert.ok(
      compareVersions(reflector.progress(), created.metadata.resourceVersion ?? '') < 0,
      'it is behind',
    );
    assert.equal(await reflector.catchUp(created.metadata.resourceVersion ?? '', 5_000), true);
    assert.equal(await reflector.catchUp('999999999999', 5_000), false);
  });

  it('a watch that falls silent proves nothing, and is taken up again when the network is back', async () => {
    const reflector = reflect({ client: relayed });
    await synced(reflector);
    relay.silence();
    const provenMs = reflector.lastProofMs();
    await create('unseen');
    await new Promise((resolve) => void setTimeout(resolve, 6_000));
    assert.equal(reflector.lastProofMs(), provenMs);
    assert.equal(reflector.get('default/unseen'), undefined);
    relay.resume();
    await shows(reflector, 'unseen', 20_000);
    assert.ok(reflector.lastProofMs() > provenMs);
  });

  for (const [how, take] of [
    ['killed', () => cluster.apiServer.kill()],
    ['stopped in order', () => cluster.apiServer.stop()],
  ] as const) {
    it(`survives an API server that is ${how} and started again`, async () => {
      const reflector = reflect();
      const name = how.replaceAll(' ', '-');
      await create(`gone-while-${name}`);
      await shows(reflector, `gone-while-${name}`);
      await take();
      await new Promise((resolve) => void setTimeout(resolve, 2_000));
      await cluster.apiServer.start();
      await remove(`gone-while-${name}`);
      await create(`new-after-${name}`);
      const startedAt = performance.now();
      await shows(reflector, `new-after-${name}`, 15_000);
      console.log(`recovered ${Math.round(performance.now() - startedAt)} ms after the API server was back`);
      assert.equal(reflector.get(`default/gone-while-${name}`), undefined);
    });
  }
});
