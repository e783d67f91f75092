import assert from 'node:assert/strict';
import { after, before, describe, it } from 'node:test';
import { setTimeout as sleep } from 'node:timers/promises';
import fastify from 'fastify';
import { createKubeClient, type KubeClient } from '../../../operator/kube/client.ts';
import { createElection, type Election } from '../../../operator/kube/leader.ts';
import { createMetrics } from '../../../operator/metrics.ts';
import { startControlPlane, type ControlPlane } from '../../cluster/control-plane.ts';
import { waitFor } from '../../cluster/deadline.ts';

const { log } = fastify({ logger: { level: 'silent' } });
const timing = { leaseMs: 3_000, renewDeadlineMs: 2_000, retryMs: 200 };

interface Candidate {
  readonly election: Election;
  /** Begins and ends of terms. */
  readonly terms: string[];
}

describe('leader election over a real Lease', () => {
  let cluster: ControlPlane;
  let client: KubeClient;
  const elections: Election[] = [];

  before(async () => {
    cluster = await startControlPlane();
    client = createKubeClient({ kubeconfig: cluster.kubeconfig });
  });

  after(async () => {
    // Also after a test that failed: an election that goes on keeps the process alive.
    await Promise.all(elections.map((election) => election.stop()));
    await client?.close();
    await cluster?.stop();
  });

  function candidate(pod: string, name: string): Candidate {
    const self = { pod, address: `[fd00::${pod.length}]:8443` };
    const election = createElection({
      client,
      log,
      metrics: createMetrics(),
      namespace: 'default',
      name,
      self,
      timing,
    });
    elections.push(election);
    const terms: string[] = [];
    election.onTerm((term) => {
      terms.push('begin');
      term.addEventListener('abort', () => terms.push('end'));
    });
    election.start();
    return { election, terms };
  }

  const leads = ({ election }: Candidate, timeoutMs = 10_000): Promise<true> =>
    waitFor({ what: 'a term', timeoutMs }, async () => election.leads() || undefined);

  it('O-10: of replicas that start at once one leads, and all know its address', async () => {
    const candidates = ['a', 'bb', 'ccc'].map((pod) => candidate(pod, 'one'));
    await waitFor({ what: 'a leader', timeoutMs: 10_000 }, async () =>
      candidates.every(({ election }) => election.leader() !== null),
    );
    const [leading, ...others] = candidates.filter(({ election }) => election.leads());
    assert.ok(leading !== undefined && others.length === 0);
    const known = new Set(candidates.map(({ election }) => JSON.stringify(election.leader())));
    assert.equal(known.size, 1);
    assert.match([...known][0] ?? '', /"address":"\[fd00::\d\]:8443"/);
    for (const { election } of candidates) await election.stop();
  });

  it('a leader that stops gives the lease back, and another takes over at once', async () => {
    const first = candidate('first', 'handover');
    await leads(first);
    const second = candidate('second', 'handover');
    await sleep(600);
    assert.equal(second.election.leads(), false);
    await first.election.stop();
    const startedAt = performance.now();
    await leads(second);
    assert.ok(performance.now() - startedAt < timing.leaseMs, 'without waiting for the lease to end');
    assert.deepEqual(first.terms, ['begin', 'end']);
    await second.election.stop();
  });

  it('O-10: a leader cut off from the API server ends its term before its lease ends, and leads again afterwards', async () => {
    const only = candidate('only', 'cut-off');
    await leads(only);
    await cluster.apiServer.kill();
    await waitFor({ what: 'the end of the term', timeoutMs: 10_000 }, async () => only.terms.length === 2);
    assert.equal(only.election.leads(), false);
    assert.deepEqual(only.terms, ['begin', 'end']);
    await cluster.apiServer.start();
    await leads(only);
    assert.deepEqual(only.terms, ['begin', 'end', 'begin']);
    await only.election.stop();
  });

  it('O-10: a leader whose lease somebody else takes ends its term', async () => {
    const robbed = candidate('robbed', 'robbed');
    await leads(robbed);
    await client.request({
      method: 'PATCH',
      patch: 'merge-patch',
      path: '/apis/coordination.k8s.io/v1/namespaces/default/leases/robbed',
      body: { spec: { holderIdentity: 'thief_10.0.0.9:8443' } },
    });
    await waitFor({ what: 'the end of the term', timeoutMs: 5_000 }, async () =>
      robbed.terms.includes('end'),
    );
    await waitFor(
      { what: 'the new leader', timeoutMs: 5_000 },
      async () => robbed.election.leader()?.pod === 'thief',
    );
    assert.deepEqual(robbed.election.leader(), { pod: 'thief', address: '10.0.0.9:8443' });
    // The thief never renews.
    await leads(robbed);
    await robbed.election.stop();
  });

  it('a lease that is deleted under its holder is made anew', async () => {
    const holder = candidate('holder', 'deleted');
    await leads(holder);
    const path = '/apis/coordination.k8s.io/v1/namespaces/default/leases/deleted';
    await client.request({ method: 'DELETE', path });
    await waitFor({ what: 'the lease', timeoutMs: 5_000 }, async () =>
      client.request({ method: 'GET', path }),
    );
    await leads(holder);
    await holder.election.stop();
  });
});
