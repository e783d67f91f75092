import assert from 'node:assert/strict';
import { after, before, describe, it } from 'node:test';
import { isDeepStrictEqual } from 'node:util';
import { apiVersion, type CredentialReport } from '../../../policy/contract.ts';
import { waitFor } from '../../cluster/deadline.ts';
import {
  startTestCluster,
  type AgentPod,
  type RunningReplica,
  type TestCluster,
} from '../operator-under-test.ts';
import { credential, policy, store } from '../resources.ts';
import { openStream, report, type OpenStream } from './sidecar-client.ts';

interface CredentialStatus {
  readonly agents?: { readonly bound: number; readonly resolved: number; readonly failing: number };
  readonly lastRotationTime?: string;
  readonly conditions?: readonly {
    readonly type: string;
    readonly status: string;
    readonly reason: string;
    readonly message: string;
  }[];
}

describe('counts of agents across replicas', () => {
  let test: TestCluster;
  let replicas: readonly [RunningReplica, RunningReplica];
  let ca: string;
  const agents: AgentPod[] = [];
  const tokens = new Map<string, string>();
  const streams: OpenStream[] = [];

  before(async () => {
    test = await startTestCluster();
    await test.createNamespace('team');
    await test.apply(
      store('vault'),
      credential({ namespace: 'team', name: 'github' }),
      policy({ namespace: 'team', name: 'read', credential: 'github' }),
    );
    for (let index = 0; index < 4; index += 1) {
      const pod = await test.createAgent({ namespace: 'team', name: `agent-${index}` });
      agents.push(pod);
      tokens.set(pod.name, await test.token(pod));
    }
    replicas = [await test.startReplica(), await test.startReplica()];
    ca = await test.operatorCas();
  });

  after(async () => {
    for (const stream of streams) stream.close();
    await test?.stop();
  });

  async function status(): Promise<CredentialStatus> {
    const path = `/apis/${apiVersion}/namespaces/team/agentcredentials/github`;
    const object = await test.client.request<{ readonly status?: CredentialStatus }>({ method: 'GET', path });
    return object.status ?? {};
  }

  async function say(
    index: number,
    replica: RunningReplica,
    state: Omit<CredentialReport, 'name'>,
  ): Promise<void> {
    const token = tokens.get(agents[index]?.name ?? '') ?? '';
    const body = { revision: 'abc', credentials: [{ name: 'github', ...state }] };
    const answer = await report({ port: replica.ports.control, ca, token }, body);
    assert.equal(answer.status, 204);
  }

  const becomes = (
    what: string,
    agentsAre: CredentialStatus['agents'],
    timeoutMs = 15_000,
  ): Promise<CredentialStatus> => {
    let last: CredentialStatus = {};
    return waitFor({ what, timeoutMs, everyMs: 100, evidence: () => JSON.stringify(last) }, async () => {
      last = await status();
      return isDeepStrictEqual(last.agents, agentsAre) && last;
    });
  };

  const ready = ({ conditions }: CredentialStatus): string => {
    const condition = conditions?.find(({ type }) => type === 'Ready');
    return `${condition?.status} ${condition?.reason}`;
  };

  it('reports to either replica are counted once each, whichever leads', async () => {
    for (const [index, pod] of agents.entries()) {
      const replica = replicas[index % 2] ?? replicas[0];
      streams.push(await openStream({ port: replica.ports.control, ca, token: tokens.get(pod.name) ?? '' }));
      await say(index, replica, { state: 'Resolved' });
    }
    assert.equal(
      ready(await becomes('four resolved', { bound: 4, resolved: 4, failing: 0 })),
      'True Resolved',
    );
    // The same agent speaks to the other replica: a connection of a report is no stream.
    for (const index of agents.keys())
      await say(index, replicas[(index + 1) % 2] ?? replicas[0], { state: 'Resolved' });
    await say(0, replicas[0], { state: 'Failing', code: 'VAULT_SEALED' });
    const degraded = await becomes('one failing', { bound: 4, resolved: 3, failing: 1 });
    assert.equal(ready(degraded), 'True Degraded');
    assert.match(
      degraded.conditions?.find(({ type }) => type === 'Degraded')?.message ?? '',
      /sealed.*\(1 of 4 agents\)$/,
    );
    await say(0, replicas[1], { state: 'Resolved', rotatedAt: '2026-01-02T03:04:05.678Z' });
    const rotated = await becomes('all resolved again', { bound: 4, resolved: 4, failing: 0 });
    assert.equal(rotated.lastRotationTime, '2026-01-02T03:04:05Z');
  });

  it('O-10: after a failover the counts are whole again, without any agent speaking anew', async () => {
    const leading = await waitFor({ what: 'a leader', timeoutMs: 10_000 }, async () =>
      replicas.find(({ log }) => /this replica leads/.test(log())),
    );
    const remaining = replicas.find((replica) => replica !== leading) ?? replicas[1];
    // Two agents speak to the leader and two to the other; only what the leader alone was told must be said again.
    for (const index of agents.keys())
      await say(index, remaining, { state: 'Failing', code: 'VAULT_PATH_NOT_FOUND' });
    const failing = await becomes('four failing', { bound: 4, resolved: 0, failing: 4 });
    assert.equal(ready(failing), 'False SecretNotFound');
    assert.match(
      failing.conditions?.find(({ type }) => type === 'Ready')?.message ?? '',
      /^spec\.source\.vault\.kv\.path or dynamic\.path: /,
    );

    const events = async (): Promise<number> => {
      const found = await test.cluster.kubectl([
        'get',
        'events',
        '-A',
        '--field-selector=reason=SecretFailing',
        '-o',
        'name',
      ]);
      return found.split('\n').filter((line) => line !== '').length;
    };
    await waitFor({ what: 'an event of each cause', timeoutMs: 5_000 }, async () => (await events()) === 2);
    await leading.stop();
    await waitFor({ what: 'the new leader', timeoutMs: 15_000 }, async () =>
      /this replica leads/.test(remaining.log()),
    );
    // Something that makes the new leader write: it must write the same counts.
    const gone = agents.pop();
    if (gone !== undefined) await test.deletePod(gone);
    await becomes('three failing', { bound: 3, resolved: 0, failing: 3 });

    // What the old leader told is not told again, though the new one has settled.
    await new Promise((resolve) => void setTimeout(resolve, 1_000));
    assert.equal(await events(), 2);

    const third = await test.startReplica();
    await say(0, third, { state: 'Resolved' });
    await becomes('one resolved, told by a replica that began later', { bound: 3, resolved: 1, failing: 2 });
    // Gone without a word: what it said is dropped half a minute after its last message, not at once.
    await third.stop();
    await becomes('still one resolved', { bound: 3, resolved: 1, failing: 2 });
  });
});
