import assert from 'node:assert/strict';
import { after, before, describe, it } from 'node:test';
import { apiVersion } from '../../../policy/contract.ts';
import { kinds, type KindName } from '../../../policy/resources/kinds.ts';
import { waitFor } from '../../cluster/deadline.ts';
import { startTestCluster, type RunningReplica, type TestCluster } from '../operator-under-test.ts';
import { credential, destination, policy, store } from '../resources.ts';

interface Status {
  readonly observedGeneration?: number;
  readonly agents?: unknown;
  readonly conditions?: readonly {
    readonly type: string;
    readonly status: string;
    readonly reason: string;
    readonly message: string;
  }[];
}

describe('statuses on a real API server', () => {
  let test: TestCluster;
  let replica: RunningReplica;

  before(async () => {
    test = await startTestCluster();
    await test.createNamespace('team', { team: 'red' });
    replica = await test.startReplica();
  });

  after(() => test?.stop());

  async function becomes(
    kind: KindName,
    name: string,
    expected: string,
    timeoutMs = 15_000,
  ): Promise<Status> {
    const place = kinds[kind].scope === 'Cluster' ? '' : 'namespaces/team/';
    const path = `/apis/${apiVersion}/${place}${kinds[kind].plural}/${name}`;
    let last: unknown;
    return waitFor(
      { what: `${kind} ${name} ${expected}`, timeoutMs, everyMs: 50, evidence: () => JSON.stringify(last) },
      async () => {
        const { status, metadata } = await test.client.request<{
          readonly status?: Status;
          readonly metadata: { readonly generation: number };
        }>({ method: 'GET', path });
        last = status;
        const ready = status?.conditions?.find(({ type }) => type === 'Ready');
        return (
          `${ready?.status} ${ready?.reason}` === expected &&
          status?.observedGeneration === metadata.generation &&
          status
        );
      },
    );
  }

  it('a credential without its store is not ready, and is when the store comes; both know whether they are in use', async () => {
    await test.apply(credential({ namespace: 'team', name: 'github' }));
    const missing = await becomes('AgentCredential', 'github', 'False StoreNotFound');
    assert.match(
      missing.conditions?.[0]?.message ?? '',
      /^spec\.source\.vault\.store names no AgentSecretStore/,
    );
    await test.apply(store('vault', { team: 'red' }));
    await becomes('AgentSecretStore', 'vault', 'True Accepted');
    await becomes('AgentCredential', 'github', 'True NotInUse');
    await test.cluster.kubectl(['label', 'namespace', 'team', 'team=blue', '--overwrite']);
    await becomes('AgentCredential', 'github', 'False StoreNotFound');
    await test.cluster.kubectl(['label', 'namespace', 'team', 'team=red', '--overwrite']);
    await becomes('AgentCredential', 'github', 'True NotInUse');
  });

  it('a policy follows its references and its agents', async () => {
    await test.apply(
      policy({ namespace: 'team', name: 'read', credential: 'later', podLabels: { app: 'triage' } }),
    );
    const degraded = await becomes('AgentPolicy', 'read', 'True Degraded');
    assert.equal(degraded.conditions?.[1]?.reason, 'CredentialNotFound');
    await test.apply(credential({ namespace: 'team', name: 'later' }));
    await becomes('AgentPolicy', 'read', 'True NotInUse');
    const pod = await test.createAgent({ namespace: 'team', name: 'triage', labels: { app: 'triage' } });
    const used = await becomes('AgentPolicy', 'read', 'True InForce');
    assert.equal(used.agents, 1);
    const bound = await becomes('AgentCredential', 'later', 'True Pending');
    assert.deepEqual(bound.agents, { bound: 1, resolved: 0, failing: 0 });
    await test.apply(
      policy({
        namespace: 'team',
        name: 'read',
        credential: 'later',
        podLabels: { app: 'triage' },
        haltAgents: true,
      }),
    );
    await becomes('AgentPolicy', 'read', 'True Halting');
    await test.deletePod(pod);
    await becomes('AgentCredential', 'later', 'True NotInUse');
  });

  it('a destination knows whether a rule names it', async () => {
    await test.apply(destination('wiki'));
    await becomes('AgentDestination', 'wiki', 'True NotInUse');
    await test.apply(policy({ namespace: 'team', name: 'wiki', destination: 'wiki' }));
    await becomes('AgentDestination', 'wiki', 'True Accepted');
  });

  it('a status that somebody else has changed is put right', async () => {
    await test.apply(policy({ namespace: 'team', name: 'steady' }));
    await becomes('AgentPolicy', 'steady', 'True NotInUse');
    await test.cluster.kubectl([
      'patch',
      'agentpolicy',
      'steady',
      '-n',
      'team',
      '--subresource=status',
      '--type=merge',
      '-p',
      '{"status":{"agents":99,"conditions":[]}}',
    ]);
    const { agents } = await becomes('AgentPolicy', 'steady', 'True NotInUse');
    assert.equal(agents, 0);
  });

  it('kubectl shows it', async () => {
    const table = await test.cluster.kubectl(['get', 'agcred,agpol,agstore,agdest', '-A']);
    assert.match(table, /READY +REASON +BOUND +RESOLVED +FAILING/);
    assert.match(table, /github +True +NotInUse +0 +0 +0/);
    assert.match(table, /steady +True +NotInUse +0 +1/);
  });

  it('nothing is written when nothing changes, and nothing the operator did was refused', async () => {
    const writes = async (): Promise<number> => {
      const answer = await fetch(`http://127.0.0.1:${replica.ports.health}/metrics`);
      const lines = (await answer.text()).matchAll(/^outrider_status_writes_total\{[^}]*\} (\d+)$/gm);
      return [...lines].reduce((sum, [, count]) => sum + Number(count), 0);
    };
    await waitFor({ what: 'calm', timeoutMs: 20_000, everyMs: 1_500 }, async () => {
      const count = await writes();
      await new Promise((resolve) => void setTimeout(resolve, 3_000));
      return (await writes()) === count;
    });
    assert.doesNotMatch(replica.log(), /KUBE_FORBIDDEN|KUBE_REJECTED/);
  });
});
