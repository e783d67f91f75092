import assert from 'node:assert/strict';
import { after, before, describe, it } from 'node:test';
import { apiVersion, controlHeaders, controlPaths } from '../../../policy/contract.ts';
import { type LimitAsk } from '../../../policy/limits-contract.ts';
import type { Charge } from '../../../policy/limits/charge.ts';
import { SidecarError } from '../../../sidecar/errors.ts';
import type { Limits, Reserved } from '../../../sidecar/limits/limits.ts';
import { createPodBudget } from '../../../sidecar/limits/pod-budget.ts';
import { createPolicyBudget } from '../../../sidecar/limits/policy-budget.ts';
import { combineBudgets } from '../../../sidecar/limits/reservation.ts';
import { waitFor } from '../../cluster/deadline.ts';
import { call, type Answer } from '../control/sidecar-client.ts';
import {
  operatorNamespace,
  startTestCluster,
  type AgentPod,
  type RunningReplica,
  type TestCluster,
} from '../operator-under-test.ts';

const limits = [
  { name: 'day', max: 60, per: '24h' },
  { name: 'hour', max: 30, per: '1h' },
  { name: 'own', max: 5, per: '1h', scope: 'Pod' },
  { name: 'failover', max: 200, per: '1h' },
];
const policy = {
  apiVersion,
  kind: 'AgentPolicy',
  metadata: { name: 'shared', namespace: 'team' },
  spec: {
    agents: { podSelector: { matchLabels: { app: 'triage' } } },
    rules: [{ name: 'call', action: 'Allow', hosts: ['api.example.com'], limits }],
  },
};

describe('limits that pods share', () => {
  let test: TestCluster;
  let replicas: RunningReplica[] = [];
  let ca = '';
  const pods = new Map<string, { readonly pod: AgentPod; readonly token: string }>();

  before(async () => {
    test = await startTestCluster();
    await test.createNamespace('team');
    await test.createNamespace('other');
    await test.apply(policy);
    for (const [name, namespace, app] of [
      ['a', 'team', 'triage'],
      ['b', 'team', 'triage'],
      ['unselected', 'team', 'billing'],
      ['foreign', 'other', 'triage'],
    ] as const) {
      const pod = await test.createAgent({ namespace, name, labels: { app } });
      pods.set(name, { pod, token: await test.token(pod) });
    }
    replicas = [await test.startReplica(), await test.startReplica()];
    ca = await test.operatorCas();
    await waitFor({ what: 'a leader', timeoutMs: 10_000 }, async () => leading() !== undefined);
  });
  after(() => test?.stop());

  /** Of those that run. */
  const leading = (): RunningReplica | undefined =>
    replicas.find(({ log }) => /this replica leads/.test(log()));

  function post(
    replica: RunningReplica | undefined,
    name: string,
    body: unknown,
    headers: Readonly<Record<string, string>> = {},
  ): Promise<Answer> {
    const token = pods.get(name)?.token;
    return call(
      { port: replica?.ports.control ?? 0, ca, ...(token === undefined ? {} : { token }) },
      {
        path: controlPaths.limits,
        method: 'POST',
        headers: { 'content-type': 'application/json', ...headers },
        body: JSON.stringify(body),
      },
    );
  }

  function ask(limit: string, need: number, fields: Partial<LimitAsk> = {}): LimitAsk {
    return { policy: 'shared', rule: 'call', limit, need, want: need, overdrawn: 0, shares: [], ...fields };
  }

  /** What came of one ask: how much was granted, or why not. */
  async function outcome(name: string, one: LimitAsk, replica = leading()): Promise<unknown> {
    const { status, body } = await post(replica, name, { asks: [one] });
    assert.equal(status, 200, JSON.stringify(body));
    const [answer] = body['answers'] as { granted: number; refusal: string | null }[];
    return answer?.refusal ?? answer?.granted;
  }

  const refused: Readonly<Record<string, { name: string; body: unknown; answer: string }>> = {
    'without a token': { name: 'nobody', body: { asks: [] }, answer: '401 TOKEN_MISSING' },
    'without asks': { name: 'a', body: {}, answer: '400 REQUEST_INVALID' },
    'with a need that is text': {
      name: 'a',
      body: { asks: [{ ...ask('day', 1), need: '1' }] },
      answer: '400 REQUEST_INVALID',
    },
    'with a negative need': { name: 'a', body: { asks: [ask('day', -1)] }, answer: '400 REQUEST_INVALID' },
    'with one limit twice': {
      name: 'a',
      body: { asks: [ask('day', 1), ask('day', 1)] },
      answer: '400 REQUEST_INVALID',
    },
    'with too many asks': {
      name: 'a',
      body: { asks: Array.from({ length: 65 }, (_, index) => ask(`l${index}`, 1)) },
      answer: '400 REQUEST_INVALID',
    },
  };
  for (const [what, { name, body, answer }] of Object.entries(refused)) {
    it(`a question ${what} is refused`, async () => {
      const { status, body: problem } = await post(leading(), name, body);
      assert.equal(`${status} ${String(problem['code'])}`, answer);
    });
  }

  it('O-05: nobody gets of a limit that their own ruleset does not have', async () => {
    assert.equal(await outcome('unselected', ask('day', 1)), 'unavailable');
    assert.equal(await outcome('foreign', ask('day', 1)), 'unavailable');
    assert.equal(await outcome('a', ask('none', 1)), 'unavailable');
    assert.equal(await outcome('a', ask('day', 1, { policy: 'another' })), 'unavailable');
    assert.equal(await outcome('a', ask('own', 1)), 'unavailable', 'a limit of each pod by itself');
    assert.equal(await outcome('a', ask('day', 61)), 'exceeded', 'the operator knows the limit');
  });

  it('a replica that was taken for the leader says so, and does not pass the question on again', async () => {
    const following = replicas.find((replica) => replica !== leading());
    const { status, body } = await post(following, 'a', { asks: [] }, { [controlHeaders.forwarded]: '1' });
    assert.equal(`${status} ${String(body['code'])}`, '503 NOT_LEADER');
  });

  it('any replica answers, as the leader says', async () => {
    const following = replicas.find((replica) => replica !== leading());
    assert.equal(await outcome('a', ask('day', 50), following), 50);
    assert.equal(await outcome('b', ask('day', 11)), 'unavailable');
    assert.equal(await outcome('b', ask('day', 10), following), 10);
  });

  it('what was counted is in the operator’s namespace, and goes with that of the agents', async () => {
    const path = `/api/v1/namespaces/${operatorNamespace}/configmaps/outrider-limits.team`;
    const { metadata, data } = await test.client.request<{
      metadata: { ownerReferences?: { kind: string; name: string }[] };
      data: Record<string, string>;
    }>({ method: 'GET', path });
    assert.deepEqual(
      metadata.ownerReferences?.map(({ kind, name }) => [kind, name]),
      [['Namespace', 'team']],
    );
    assert.deepEqual(Object.keys((JSON.parse(data['counters'] ?? '') as { counters: object }).counters), [
      'shared/call/day',
    ]);
  });

  /** The limits of a sidecar, which reaches a replica that runs as the Service would let it. */
  function sidecar(name: string): Limits {
    let calls = 0;
    const send = async (_: string, body: string): Promise<string> => {
      const running = replicas[calls++ % replicas.length];
      const { status, body: answer } = await post(running, name, JSON.parse(body) as unknown);
      if (status === 200) return JSON.stringify(answer);
      throw new SidecarError('OPERATOR_UNAVAILABLE');
    };
    const options = { now: () => performance.now(), onFailure: () => {} };
    return combineBudgets({
      Pod: createPodBudget({ kept: null, ...options }),
      Policy: createPolicyBudget({
        post: (path, body) =>
          send(path, body).catch(() => {
            throw new SidecarError('OPERATOR_UNREACHABLE');
          }),
        ...options,
      }),
    });
  }

  function charge(limit: string, amount = 1): Charge {
    const { max = 0 } = limits.find(({ name }) => name === limit) ?? {};
    return {
      policy: 'shared',
      rule: 'call',
      limit,
      amount,
      max,
      windowMs: 3_600_000,
      scope: 'Policy',
      exceeded: 'Deny',
      counts: 'requests',
    };
  }

  function isSent(reserved: Reserved): boolean {
    return reserved.kind === 'reserved' && reserved.commit() === null;
  }

  it('P-13: two pods in parallel send as many requests as the limit allows, and not one more', async () => {
    const sidecars = [sidecar('a'), sidecar('b')];
    let sent = 0;
    const answers: string[] = [];
    await Promise.all(
      Array.from({ length: 80 }, async (_, index) => {
        const reserved = await sidecars[index % 2]?.reserve([charge('hour')]);
        if (reserved === undefined) return;
        if (isSent(reserved)) sent += 1;
        answers.push(reserved.kind);
      }),
    );
    // What one holds and does not need comes back, so that the other can spend it.
    await waitFor({ what: 'the rest of the limit', timeoutMs: 40_000, everyMs: 300 }, async () => {
      for (const each of sidecars) if (isSent(await each.reserve([charge('hour')]))) sent += 1;
      return sent >= 30;
    });
    assert.equal(sent, 30);
    assert.ok(answers.includes('exceeded') || answers.includes('unavailable'));
    await Promise.all(sidecars.map((each) => each.close()));
  });

  it('P-13: over a failover no more is sent than the limit, and the rest can be had', async () => {
    const [one, other] = [sidecar('a'), sidecar('b')];
    let sent = 0;
    for (let request = 0; request < 40; request += 1) {
      if (isSent(await (request % 2 === 0 ? one : other).reserve([charge('failover')]))) sent += 1;
    }
    assert.equal(sent, 40);
    const old = leading();
    replicas = replicas.filter((replica) => replica !== old);
    await old?.stop();
    await waitFor({ what: 'the new leader', timeoutMs: 15_000 }, async () => leading() !== undefined);
    // The rest of the old leader's chunk counts as spent.
    await waitFor({ what: 'most of the limit', timeoutMs: 30_000, everyMs: 5 }, async () => {
      for (const each of [one, other]) if (isSent(await each.reserve([charge('failover')]))) sent += 1;
      return sent >= 120;
    });
    for (let request = 0; request < 300; request += 1) {
      if (isSent(await (request % 2 === 0 ? one : other).reserve([charge('failover')]))) sent += 1;
    }
    assert.ok(sent <= 200, `${sent}`);
    await Promise.all([one.close(), other.close()]);
  });
});
