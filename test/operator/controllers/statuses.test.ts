import assert from 'node:assert/strict';
import { after, before, describe, it } from 'node:test';
import { isDeepStrictEqual } from 'node:util';
import { apiVersion, labels, type ShadowReport } from '../../../policy/contract.ts';
import { kinds, type KindName } from '../../../policy/resources/kinds.ts';
import { waitFor } from '../../cluster/deadline.ts';
import {
  startTestCluster,
  type AgentPod,
  type RunningReplica,
  type TestCluster,
} from '../operator-under-test.ts';
import { report } from '../control/sidecar-client.ts';
import { clusterPolicy, credential, destination, policy, store } from '../resources.ts';

interface Status {
  readonly observedGeneration?: number;
  readonly agents?: unknown;
  readonly shadow?: unknown;
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

  it('a cluster policy follows the agents of all namespaces and its destination, which knows of it', async () => {
    await test.createNamespace('other');
    const agents = { serviceAccounts: ['strict'] };
    await test.apply(clusterPolicy({ name: 'floor', agents, destination: 'later' }));
    const degraded = await becomes('ClusterAgentPolicy', 'floor', 'True Degraded');
    assert.equal(degraded.conditions?.[1]?.reason, 'DestinationNotFound');
    await test.apply(destination('later'));
    await becomes('ClusterAgentPolicy', 'floor', 'True NotInUse');
    await becomes('AgentDestination', 'later', 'True Accepted');
    const pods: AgentPod[] = [];
    for (const namespace of ['team', 'other']) {
      pods.push(await test.createAgent({ namespace, name: 'strict', serviceAccount: 'strict' }));
    }
    await waitFor({ what: 'both agents', timeoutMs: 10_000 }, async () => {
      const { agents: count } = await becomes('ClusterAgentPolicy', 'floor', 'True InForce');
      return count === 2;
    });
    await test.apply(clusterPolicy({ name: 'floor', agents, haltAgents: true }));
    await becomes('ClusterAgentPolicy', 'floor', 'True Halting');
    for (const pod of pods) await test.deletePod(pod);
    await test.apply(clusterPolicy({ name: 'floor', agents }));
    await becomes('ClusterAgentPolicy', 'floor', 'True NotInUse');
  });

  it('a policy in mode Audit shows what its agents counted that run now', async () => {
    const agents = { serviceAccounts: ['audited'] };
    await test.apply(
      policy({ namespace: 'team', name: 'audited', mode: 'Audit' }),
      clusterPolicy({ name: 'audited', agents, mode: 'Audit' }),
    );
    const pods: AgentPod[] = [];
    for (const name of ['audited-0', 'audited-1']) {
      pods.push(await test.createAgent({ namespace: 'team', name, serviceAccount: 'audited' }));
    }
    const ca = await test.operatorCas();
    const own: ShadowReport = { policy: 'audited', wouldAllow: 3, wouldDeny: 0, wouldHold: 0 };
    const cluster: ShadowReport = {
      policy: 'audited',
      cluster: true,
      wouldAllow: 0,
      wouldDeny: 2,
      wouldHold: 1,
    };
    const shows = (expected: Readonly<Record<'AgentPolicy' | 'ClusterAgentPolicy', object>>): Promise<true> =>
      waitFor({ what: 'the sums', timeoutMs: 15_000 }, async () => {
        for (const kind of ['AgentPolicy', 'ClusterAgentPolicy'] as const) {
          const { shadow } = await becomes(kind, 'audited', 'True Auditing');
          if (!isDeepStrictEqual(shadow, expected[kind])) return false;
        }
        return true;
      });
    for (const pod of pods) {
      const caller = { port: replica.ports.control, ca, token: await test.token(pod) };
      const unknown: ShadowReport = { policy: 'nowhere', wouldAllow: 1, wouldDeny: 0, wouldHold: 0 };
      const body = { revision: 'abc', credentials: [], shadow: [own, cluster, unknown] };
      await waitFor({ what: 'the report', timeoutMs: 5_000 }, async () => {
        const { status } = await report(caller, body);
        return status === 204;
      });
    }
    await shows({
      AgentPolicy: { wouldAllow: 6, wouldDeny: 0, wouldHold: 0 },
      ClusterAgentPolicy: { wouldAllow: 0, wouldDeny: 4, wouldHold: 2 },
    });
    await test.deletePod(pods[0] ?? assert.fail());
    await shows({
      AgentPolicy: { wouldAllow: 3, wouldDeny: 0, wouldHold: 0 },
      ClusterAgentPolicy: { wouldAllow: 0, wouldDeny: 2, wouldHold: 1 },
    });
    await test.deletePod(pods[1] ?? assert.fail());
    await test.apply(policy({ namespace: 'team', name: 'audited' }));
    const { shadow } = await becomes('AgentPolicy', 'audited', 'True NotInUse');
    assert.equal(shadow, undefined);
  });

  it('policies of a namespace that is observed say so', async () => {
    await test.createNamespace('adopting', { [labels.observeUntil]: '2099-12-31' });
    await test.apply(policy({ namespace: 'adopting', name: 'first' }));
    const messages = async (): Promise<string> => {
      const path = `/apis/${apiVersion}/namespaces/adopting/agentpolicies/first`;
      const { status } = await test.client.request<{ readonly status?: Status }>({ method: 'GET', path });
      return status?.conditions?.[0]?.message ?? '';
    };
    await waitFor({ what: 'the note', timeoutMs: 10_000 }, async () =>
      (await messages()).endsWith(
        '; until 2099-12-31 the namespace is observed: what no grant matches is forwarded and marked',
      ),
    );
    await test.cluster.kubectl(['label', 'namespace', 'adopting', `${labels.observeUntil}-`]);
    await waitFor({ what: 'its end', timeoutMs: 10_000 }, async () => !/observed/.test(await messages()));
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
    const table = await test.cluster.kubectl(['get', 'agcred,agpol,cagpol,agstore,agdest', '-A']);
    assert.match(table, /READY +REASON +BOUND +RESOLVED +FAILING/);
    assert.match(table, /github +True +NotInUse +0 +0 +0/);
    assert.match(table, /steady +True +NotInUse +0 +1/);
    assert.match(table, /clusteragentpolicy.outrider.dev\/floor +True +NotInUse +0 +1 +false/);
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
