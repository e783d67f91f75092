// What kubectl and Prometheus show of a credential's life, from sidecars' reports to a real API server.

import assert from 'node:assert/strict';
import { after, before, describe, it } from 'node:test';
import { annotations, apiVersion, type CredentialReport } from '../../policy/contract.ts';
import { waitFor } from '../cluster/deadline.ts';
import { report } from './control/sidecar-client.ts';
import {
  fastTiming,
  startTestCluster,
  type AgentPod,
  type RunningReplica,
  type TestCluster,
} from './operator-under-test.ts';
import { credential, policy, store } from './resources.ts';

const canary = 'hvs.CANARY-4f1d';
const level = { level: 'cooperative', image: 'outrider-sidecar', stores: ['vault'] };
const injected = (volumes: readonly string[], placeholders: Readonly<Record<string, string>>) => ({
  [annotations.status]: JSON.stringify({ ...level, volumes, placeholders }),
});

describe('the account of a credential on a real API server', () => {
  let test: TestCluster;
  let replica: RunningReplica;
  let pods: AgentPod[];
  const spec = (changes: object): object => {
    const base = credential({ namespace: 'team', name: 'github' }) as { readonly spec: object };
    return { ...base, spec: { ...base.spec, ...changes } };
  };

  before(async () => {
    test = await startTestCluster();
    await test.createNamespace('team');
    replica = await test.startReplica({
      timing: { ...fastTiming, events: { seriesMs: 300, gapMs: 5 } },
    });
    await test.apply(
      store('vault'),
      spec({}),
      policy({ namespace: 'team', name: 'use', credential: 'github' }),
    );
    pods = [];
    for (const name of ['one', 'two']) {
      pods.push(await test.createAgent({ namespace: 'team', name, annotations: injected([], {}) }));
    }
  });

  after(() => test?.stop());

  async function say(pod: AgentPod, credentials: readonly CredentialReport[]): Promise<void> {
    const caller = {
      port: replica.ports.control,
      ca: await test.operatorCas(),
      token: await test.token(pod),
    };
    await waitFor({ what: 'the report', timeoutMs: 5_000 }, async () => {
      const { status } = await report(caller, { revision: 'abc', credentials });
      return status === 204;
    });
  }

  async function bothSay(state: Omit<CredentialReport, 'name'>): Promise<void> {
    for (const pod of pods) await say(pod, [{ name: 'github', ...state }]);
  }

  async function becomes(expected: RegExp): Promise<void> {
    let last = '';
    const path = `/apis/${apiVersion}/namespaces/team/agentcredentials/github`;
    await waitFor({ what: String(expected), timeoutMs: 15_000, evidence: () => last }, async () => {
      const { status } = await test.client.request<{
        readonly status?: {
          readonly agents?: unknown;
          readonly lastRotationTime?: string;
          readonly conditions?: readonly { readonly status: string; readonly reason: string }[];
        };
      }>({ method: 'GET', path });
      const conditions = (status?.conditions ?? []).map((each) => `${each.status} ${each.reason}`).join(', ');
      last = `${conditions} ${JSON.stringify(status?.agents)} ${status?.lastRotationTime ?? ''}`;
      return expected.test(last);
    });
  }

  const events = (): Promise<string> =>
    test.cluster.kubectl(['get', 'events', '-n', 'team', '-o', 'json', '--field-selector=reason!=x']);
  const shows = (expected: RegExp): Promise<unknown> =>
    waitFor({ what: String(expected), timeoutMs: 10_000, evidence: () => '' }, async () =>
      expected.test(await test.cluster.kubectl(['get', 'events', '-n', 'team'])),
    );

  it('failing: the status, a warning and the metrics name the cause, and nothing of what a pod says (O-04)', async () => {
    await bothSay({
      state: 'Failing',
      code: 'VAULT_SEALED',
      field: canary,
      message: `the token ${canary} was refused`,
    });
    await becomes(/^False StoreSealed, True StoreSealed \{"bound":2,"failing":2,"resolved":0\}/);
    await shows(/Warning +SecretFailing +agentcredential\/github +StoreSealed: .*unseal it/);
  });

  it('resolved, then rotated: each is told once, and the last rotation is kept', async () => {
    await bothSay({ state: 'Resolved' });
    await becomes(/^True Resolved, False AsExpected \{"bound":2,"failing":0,"resolved":2\}/);
    await shows(/Normal +SecretResolved +agentcredential\/github +2 of 2 agents hold the secret/);
    await bothSay({ state: 'Resolved', rotatedAt: '2026-01-01T00:00:00Z' });
    await becomes(/2026-01-01T00:00:00Z$/);
    await shows(/Normal +SecretRotated +agentcredential\/github +agents use a new value of the secret/);
  });

  it('agents without a volume or a placeholder that came later need a restart', async () => {
    await test.apply(spec({ placeholderEnv: ['GITHUB_TOKEN'] }));
    await becomes(/^True Degraded, True AgentsNeedRestart \{"bound":2/);
    const file = { path: 'token', volume: { secret: 'github' } };
    await test.apply(spec({ source: { file: { ...file } }, placeholderEnv: ['GITHUB_TOKEN'] }));
    await bothSay({ state: 'Failing', code: 'FILE_NOT_FOUND' });
    await becomes(/^False AgentsNeedRestart, True AgentsNeedRestart \{"bound":2,"failing":2/);
    for (const pod of pods) await test.deletePod(pod);
    pods = [];
    for (const name of ['three', 'four']) {
      const status = injected(['secret.github'], { GITHUB_TOKEN: 'github' });
      pods.push(await test.createAgent({ namespace: 'team', name, annotations: status }));
    }
    await bothSay({ state: 'Failing', code: 'FILE_NOT_FOUND' });
    await becomes(/^False SecretNotFound, True SecretNotFound/);
    await bothSay({ state: 'Resolved' });
    await becomes(/^True Resolved, False AsExpected/);
  });

  it('metrics count agents, rotations and failures by reason', async () => {
    const answer = await fetch(`http://127.0.0.1:${replica.ports.health}/metrics`);
    const text = await answer.text();
    assert.match(text, /^outrider_credential_agents\{state="resolved"\} 2$/m);
    assert.match(text, /^outrider_credential_rotations_total 2$/m);
    assert.match(text, /^outrider_credential_failures_total\{reason="StoreSealed"\} 2$/m);
    assert.match(text, /^outrider_credential_failures_total\{reason="AgentsNeedRestart"\} 2$/m);
    assert.match(text, /^outrider_events_total\{outcome="written"\} \d+$/m);
    assert.ok(!text.includes(canary));
  });

  it('nothing that a pod says stands in events, statuses or logs, and no right was missing (O-04)', async () => {
    const statuses = await test.cluster.kubectl(['get', 'agentcredentials', '-A', '-o', 'yaml']);
    for (const text of [await events(), statuses, replica.log()]) assert.ok(!text.includes(canary));
    assert.doesNotMatch(replica.log(), /KUBE_FORBIDDEN|KUBE_REJECTED|an event was dropped/);
  });
});
