import assert from 'node:assert/strict';
import { after, before, describe, it } from 'node:test';
import { apiVersion } from '../../../policy/contract.ts';
import { codeOf } from '../../../operator/errors.ts';
import { createKubeClient, type KubeClient } from '../../../operator/kube/client.ts';
import { createStatusWriter, type DesiredStatus, type StatusObject } from '../../../operator/kube/status.ts';
import { createMetrics } from '../../../operator/metrics.ts';
import { startControlPlane, type ControlPlane } from '../../cluster/control-plane.ts';
import { waitFor } from '../../cluster/deadline.ts';

const collection = `/apis/${apiVersion}/namespaces/default/agentpolicies`;
const { signal } = new AbortController();

function status(ready: 'True' | 'False', message = 'a sentence', agents = 1): DesiredStatus {
  return { conditions: [{ type: 'Ready', status: ready, reason: 'Because', message }], fields: { agents } };
}

describe('status writes against the real API server', () => {
  let cluster: ControlPlane;
  let client: KubeClient;
  const writer = () => createStatusWriter({ client, metrics: createMetrics() });

  before(async () => {
    cluster = await startControlPlane();
    await cluster.kubectl(['apply', '-f', 'crds/']);
    client = createKubeClient({ kubeconfig: cluster.kubeconfig });
    await waitFor({ what: 'the kinds', timeoutMs: 10_000 }, async () =>
      client.request({ method: 'GET', path: collection }),
    );
  });

  after(async () => {
    await client?.close();
    await cluster?.stop();
  });

  const create = (name: string): Promise<StatusObject> =>
    client.request<StatusObject>({
      method: 'POST',
      path: collection,
      body: { apiVersion, kind: 'AgentPolicy', metadata: { name }, spec: { agents: {} } },
    });
  const read = (name: string): Promise<StatusObject> =>
    client.request<StatusObject>({ method: 'GET', path: `${collection}/${name}` });

  it('writes what differs, and nothing when nothing does', async () => {
    const object = await create('differs');
    assert.deepEqual(await writer().write('AgentPolicy', object, status('True'), signal), {
      kind: 'written',
    });
    const written = await read('differs');
    assert.equal(written.status?.conditions?.[0]?.observedGeneration, 1);
    assert.equal(written.status?.['agents'], 1);
    assert.deepEqual(await writer().write('AgentPolicy', written, status('True'), signal), { kind: 'same' });
    assert.equal((await read('differs')).metadata.resourceVersion, written.metadata.resourceVersion);
  });

  it('writes one object at most once in five seconds, and says how long to wait', async () => {
    const [one, other] = [await create('often'), await create('other')];
    const same = writer();
    assert.equal((await same.write('AgentPolicy', one, status('True'), signal)).kind, 'written');
    const second = await same.write('AgentPolicy', await read('often'), status('False'), signal);
    assert.ok(
      second.kind === 'wait' && second.afterMs > 4_000 && second.afterMs <= 5_000,
      JSON.stringify(second),
    );
    assert.equal((await same.write('AgentPolicy', other, status('True'), signal)).kind, 'written');
  });

  it('does not write again at once what the watch has not shown yet', async () => {
    const object = await create('lagging');
    const same = writer();
    await same.write('AgentPolicy', object, status('True'), signal);
    assert.equal((await same.write('AgentPolicy', object, status('True'), signal)).kind, 'wait');
  });

  it('moves lastTransitionTime only when the condition’s status does', async () => {
    const past = '2020-01-01T00:00:00Z';
    const object = await create('transition');
    await writer().write('AgentPolicy', object, status('True'), signal);
    const aged = async (): Promise<StatusObject> => {
      const object = await read('transition');
      const conditions = object.status?.conditions?.map((condition) => ({
        ...condition,
        lastTransitionTime: past,
      }));
      return { ...object, status: { ...object.status, conditions: conditions ?? [] } };
    };
    const since = async () => (await read('transition')).status?.conditions?.[0]?.lastTransitionTime;
    await writer().write('AgentPolicy', await aged(), status('True', 'another sentence'), signal);
    assert.equal(await since(), past);
    await writer().write('AgentPolicy', await aged(), status('False'), signal);
    assert.notEqual(await since(), past);
  });

  it('leaves conditions of other writers alone', async () => {
    await create('shared');
    const foreign = {
      type: 'Audited',
      status: 'True',
      reason: 'Seen',
      message: '',
      lastTransitionTime: '2020-01-01T00:00:00Z',
    };
    await client.request({
      method: 'PATCH',
      patch: 'apply-patch',
      path: `${collection}/shared/status`,
      query: { fieldManager: 'auditor', force: 'true' },
      body: {
        apiVersion,
        kind: 'AgentPolicy',
        metadata: { name: 'shared' },
        status: { conditions: [foreign] },
      },
    });
    await writer().write('AgentPolicy', await read('shared'), status('True'), signal);
    const both = await read('shared');
    assert.deepEqual(both.status?.conditions?.map(({ type }) => type).toSorted(), ['Audited', 'Ready']);
    assert.deepEqual(await writer().write('AgentPolicy', both, status('True'), signal), { kind: 'same' });
  });

  it('removes a field that no longer holds', async () => {
    const object = await create('removed');
    await writer().write('AgentPolicy', object, status('True'), signal);
    await writer().write(
      'AgentPolicy',
      await read('removed'),
      { conditions: status('True').conditions },
      signal,
    );
    assert.equal((await read('removed')).status?.['agents'], undefined);
  });

  it('O-10: a status that was decided by an older view is refused', async () => {
    const object = await create('older');
    await writer().write('AgentPolicy', object, status('True'), signal);
    await assert.rejects(
      writer().write('AgentPolicy', object, status('False'), signal),
      (error) => codeOf(error) === 'KUBE_CONFLICT',
    );
  });

  it('a deleted object is no failure, and its successor of the same name does not get its status', async () => {
    const object = await create('deleted');
    await client.request({ method: 'DELETE', path: `${collection}/deleted` });
    assert.deepEqual(await writer().write('AgentPolicy', object, status('True'), signal), { kind: 'gone' });
    await create('deleted');
    await assert.rejects(
      writer().write('AgentPolicy', object, status('True'), signal),
      (error) => codeOf(error) === 'KUBE_CONFLICT',
    );
    assert.equal((await read('deleted')).status, undefined);
  });
});
