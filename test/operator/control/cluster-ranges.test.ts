import assert from 'node:assert/strict';
import { after, before, describe, test } from 'node:test';
import { setTimeout as sleep } from 'node:timers/promises';
import { fastTiming, startTestCluster, type TestCluster } from '../operator-under-test.ts';
import { openStream, type OpenStream } from './sidecar-client.ts';

const growMs = 1000;
const shrinkMs = 4000;

describe('K-31: the ranges of the cluster that lie among public addresses', () => {
  let cluster: TestCluster;
  let stream: OpenStream;

  before(async () => {
    cluster = await startTestCluster();
    await createNode('first', ['52.1.2.3', '10.0.0.7', 'fd00::7'], ['34.118.224.0/24']);
    const replica = await cluster.startReplica({
      timing: { ...fastTiming, clusterRanges: { growMs, shrinkMs } },
      environment: { OUTRIDER_CLUSTER_CIDRS: '34.118.225.0/24,10.0.0.0/8' },
    });
    await cluster.createNamespace('team');
    const pod = await cluster.createAgent({ namespace: 'team', name: 'agent' });
    const token = await cluster.token(pod);
    stream = await openStream({ port: replica.ports.control, ca: await cluster.operatorCas(), token });
  });
  after(async () => {
    stream?.close();
    await cluster?.stop();
  });

  async function createNode(
    name: string,
    addresses: readonly string[],
    podCIDRs: readonly string[] = [],
  ): Promise<void> {
    const spec = podCIDRs.length === 0 ? {} : { podCIDR: podCIDRs[0], podCIDRs };
    await cluster.client.request({
      method: 'POST',
      path: '/api/v1/nodes',
      body: { metadata: { name }, spec },
    });
    const all = [
      { type: 'Hostname', address: name },
      ...addresses.map((address) => ({ type: 'ExternalIP', address })),
    ];
    await cluster.client.request({
      method: 'PATCH',
      path: `/api/v1/nodes/${name}/status`,
      body: { status: { addresses: all } },
      patch: 'merge-patch',
    });
  }

  const latest = (): readonly string[] => stream.rulesets.at(-1)?.data.ruleset.clusterRanges ?? [];

  test('are what the platform names and what nodes have, and nothing private, in as few ranges as can be', async () => {
    const { data } = await stream.ruleset('the first', () => true);
    assert.deepEqual(data.ruleset.clusterRanges, ['34.118.224.0/23', '52.1.2.3/32']);
    assert.ok(data.ruleset.requires.includes('cluster-ranges'));
  });

  test('grow once for nodes that come together, shrink late, and not at all for private nodes', async () => {
    const before1 = stream.rulesets.length;
    await createNode('private', ['10.0.0.8', 'fd00::8']);
    await createNode('second', ['52.1.2.4']);
    await createNode('third', ['52.1.2.5', '2600:1f18::5']);
    const grown = ['34.118.224.0/23', '52.1.2.3/32', '52.1.2.4/31', '2600:1f18::5/128'];
    await stream.ruleset('the new nodes', () => String(latest()) === String(grown), 10_000);
    assert.equal(stream.rulesets.length, before1 + 1);

    await cluster.client.request({ method: 'DELETE', path: '/api/v1/nodes/third' });
    await sleep(shrinkMs / 2);
    assert.deepEqual(latest(), grown);
    const shrunk = ['34.118.224.0/23', '52.1.2.3/32', '52.1.2.4/32'];
    await stream.ruleset('the node that went', () => String(latest()) === String(shrunk), 10_000);
    assert.equal(stream.rulesets.length, before1 + 2);
  });
});
