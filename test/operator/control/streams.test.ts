import assert from 'node:assert/strict';
import { readFile, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { after, before, describe, it } from 'node:test';
import { once } from 'node:events';
import { connect } from 'node:tls';
import { setTimeout as sleep } from 'node:timers/promises';
import { compareVersions, leaseSeconds, type RulesetEvent } from '../../../policy/contract.ts';
import { waitFor } from '../../cluster/deadline.ts';
import { startRelay, type Relay } from '../kube/relay.ts';
import {
  fastTiming,
  serverName,
  startTestCluster,
  type AgentPod,
  type RunningReplica,
  type TestCluster,
} from '../operator-under-test.ts';
import { policy } from '../resources.ts';
import { openStream, report, tryStream, type OpenStream, type StreamOptions } from './sidecar-client.ts';

const rules = ({ ruleset }: RulesetEvent): string[] => ruleset.grants.map(({ name }) => name);

describe('ruleset streams', () => {
  let test: TestCluster;
  let replica: RunningReplica;
  let ca: string;
  let agents = 0;

  before(async () => {
    test = await startTestCluster();
    replica = await test.startReplica();
    ca = await test.operatorCas();
  });

  after(() => test?.stop());

  /** A namespace of its own with one agent. */
  async function newAgent(labels: Record<string, string> = {}): Promise<AgentPod> {
    const namespace = `team-${++agents}`;
    await test.createNamespace(namespace);
    return test.createAgent({ namespace, name: 'agent', labels });
  }

  async function open(pod: AgentPod, options: Partial<StreamOptions> = {}): Promise<OpenStream> {
    const token = await test.token(pod);
    return openStream({ port: replica.ports.control, ca, token, ...options });
  }

  async function refused(pod: AgentPod, options: Partial<StreamOptions>): Promise<string> {
    const token = await test.token(pod);
    const outcome = await tryStream({ port: replica.ports.control, ca, token, ...options });
    assert.ok('status' in outcome, 'a stream was opened');
    assert.ok(Number(outcome.headers['retry-after']) >= 1);
    return `${outcome.status} ${String(outcome.body['code'])}`;
  }

  it('an agent that no policy selects is sent a ruleset that grants nothing', async () => {
    const stream = await open(await newAgent());
    const { data } = await stream.ruleset('the first', () => true);
    assert.deepEqual([data.ruleset.grants, data.ruleset.halt, data.lease], [[], null, leaseSeconds]);
    assert.match(data.revision, /^[0-9a-f]{16}$/);
    assert.ok(data.ruleset.operatorCas.includes('BEGIN CERTIFICATE'));
    stream.close();
  });

  it('a change of a policy, its halt and its deletion reach the agent within a second', async () => {
    const pod = await newAgent();
    const stream = await open(pod);
    await stream.ruleset('the first', () => true);
    const steps: readonly (readonly [string, () => Promise<unknown>, (event: RulesetEvent) => boolean])[] = [
      ['a new policy', () => put({ rules: ['read'] }), (event) => rules(event).includes('read')],
      ['a changed policy', () => put({ rules: ['write'] }), (event) => rules(event).includes('write')],
      [
        'a halt',
        () => put({ rules: ['write'], haltAgents: true }),
        ({ ruleset }) => ruleset.halt?.policy === 'policy',
      ],
      [
        'its deletion',
        () => test.client.request({ method: 'DELETE', path: policyPath }),
        ({ ruleset }) => ruleset.halt === null && ruleset.grants.length === 0,
      ],
    ];
    const policyPath = `/apis/outrider.dev/v1alpha1/namespaces/${pod.namespace}/agentpolicies/policy`;
    const put = ({ rules: names, haltAgents }: { rules: string[]; haltAgents?: boolean }): Promise<unknown> =>
      test.client.request({
        method: 'PATCH',
        patch: 'apply-patch',
        path: policyPath,
        query: { fieldManager: 'test', force: 'true' },
        body: policy({
          namespace: pod.namespace,
          name: 'policy',
          rules: names,
          ...(haltAgents === undefined ? {} : { haltAgents }),
        }),
      });
    for (const [what, change, accept] of steps) {
      const seen = stream.rulesets.length;
      const changedAtMs = performance.now();
      await change();
      const { atMs } = await waitFor({ what, timeoutMs: 5_000, everyMs: 5 }, async () =>
        stream.rulesets.slice(seen).find(({ data }) => accept(data)),
      );
      const tookMs = Math.round(atMs - changedAtMs);
      console.log(`${what} was on the stream after ${tookMs} ms`);
    }
    stream.close();
  });

  it('a change that concerns other namespaces, and a status, push nothing', async () => {
    const pod = await newAgent();
    const elsewhere = await newAgent();
    const stream = await open(pod);
    await stream.ruleset('the first', () => true);
    await test.apply(
      policy({ namespace: elsewhere.namespace, name: 'other' }),
      policy({ namespace: pod.namespace, name: 'none', rules: [] }),
    );
    await sleep(1_000);
    assert.equal(stream.rulesets.length, 1);
    stream.close();
  });

  it('a burst of changes is few pushes, and the last one holds', async () => {
    const pod = await newAgent();
    const stream = await open(pod);
    await stream.ruleset('the first', () => true);
    const names = Array.from({ length: 30 }, (_, index) => `p${index}`);
    await test.apply(...names.map((name) => policy({ namespace: pod.namespace, name, rules: [name] })));
    await stream.ruleset('all thirty', (event) => rules(event).length === 30);
    assert.ok(stream.rulesets.length < 20, `${stream.rulesets.length} pushes`);
    stream.close();
  });

  it('agents that no policy tells apart share one compilation, whatever labels they have of their own', async () => {
    const first = await newAgent({ app: 'triage', 'statefulset.kubernetes.io/pod-name': 'triage-0' });
    const { namespace } = first;
    const pods = [first];
    for (let index = 1; index < 6; index += 1) {
      const labels = { app: 'triage', 'statefulset.kubernetes.io/pod-name': `triage-${index}` };
      pods.push(await test.createAgent({ namespace, name: `triage-${index}`, labels }));
    }
    const streams = await Promise.all(pods.map((pod) => open(pod)));
    const compilations = async (): Promise<number> => {
      const answer = await fetch(`http://127.0.0.1:${replica.ports.health}/metrics`);
      return Number(/^outrider_ruleset_compilations_total (\d+)$/m.exec(await answer.text())?.[1]);
    };
    await Promise.all(streams.map((stream) => stream.ruleset('the first', () => true)));
    await sleep(500);
    const before = await compilations();
    await test.apply(policy({ namespace, name: 'p', rules: ['triage'], podLabels: { app: 'triage' } }));
    await Promise.all(
      streams.map((stream) => stream.ruleset('the policy', (event) => rules(event).includes('triage'))),
    );
    assert.equal((await compilations()) - before, 1);
    for (const stream of streams) stream.close();
  });

  it('a label that is taken on later grants nothing that the labels at the opening did not', async () => {
    const pod = await newAgent({ app: 'plain' });
    await test.apply(
      policy({ namespace: pod.namespace, name: 'admin', rules: ['admin'], podLabels: { app: 'admin' } }),
      policy({ namespace: pod.namespace, name: 'plain', rules: ['plain'], podLabels: { app: 'plain' } }),
    );
    const stream = await open(pod);
    await stream.ruleset('the plain one', (event) => rules(event).join() === 'plain');
    await test.cluster.kubectl(['label', 'pod', '-n', pod.namespace, 'agent', 'app=admin', '--overwrite']);
    await stream.ruleset('neither', (event) => rules(event).length === 0);
    stream.close();
  });

  it('O-11: a sidecar that lacks a feature is refused everything rather than sent what it would enforce in part', async () => {
    const pod = await newAgent();
    await test.apply(policy({ namespace: pod.namespace, name: 'p', rules: ['read'] }));
    const old = await open(pod, { features: ['rules/v0'] });
    const { data } = await old.ruleset('the refusal', () => true);
    assert.deepEqual([data.ruleset.grants, data.ruleset.requires], [[], []]);
    old.close();
    const halted = policy({ namespace: pod.namespace, name: 'p', rules: ['read'], haltAgents: true });
    await test.apply(halted);
    const again = await open(pod, { features: [] });
    await again.ruleset('the halt all the same', ({ ruleset }) => ruleset.halt?.policy === 'p');
    again.close();
  });

  it('heartbeats come at their interval, and no watermark is below an earlier one', async () => {
    const pod = await newAgent();
    const stream = await open(pod);
    await waitFor({ what: 'three heartbeats', timeoutMs: 8_000 }, async () => stream.heartbeats.length >= 3);
    const marks = [...stream.rulesets, ...stream.heartbeats]
      .toSorted((a, b) => a.atMs - b.atMs)
      .map(({ data }) => data.watermark);
    assert.deepEqual(Object.keys(marks[0] ?? {}).toSorted(), [
      'AgentCredential',
      'AgentDestination',
      'AgentPolicy',
      'AgentSecretStore',
      'ClusterAgentPolicy',
      'Namespace',
    ]);
    for (const [index, mark] of marks.entries()) {
      for (const [kind, version] of Object.entries(marks[index - 1] ?? {})) {
        assert.ok(compareVersions(mark[kind] ?? '0', version) >= 0, `${kind} went back`);
      }
    }
    const times = [...stream.rulesets, ...stream.heartbeats].map(({ data }) => data.time);
    assert.ok(times.every((time) => Math.abs(Date.now() - time) < 30_000));
    stream.close();
  });

  it('O-10, P-11: a watermark ahead of the replica is caught up with before it answers, and never answered by less', async () => {
    const pod = await newAgent();
    // A version that this replica's watch has no reason to know: nothing of the kind has changed since.
    const { metadata } = await test.client.request<{ metadata: { resourceVersion: string } }>({
      method: 'POST',
      path: `/api/v1/namespaces/${pod.namespace}/configmaps`,
      body: { metadata: { name: 'newer' } },
    });
    const watermark = { AgentPolicy: metadata.resourceVersion };
    const stream = await open(pod, { watermark });
    const { data } = await stream.ruleset('the first', () => true);
    assert.ok(compareVersions(data.watermark['AgentPolicy'] ?? '0', metadata.resourceVersion) >= 0);
    stream.close();
  });

  it('a sidecar that goes while this replica catches up leaves no stream behind', async () => {
    const pod = await newAgent();
    const token = await test.token(pod);
    const { metadata } = await test.client.request<{ metadata: { resourceVersion: string } }>({
      method: 'POST',
      path: `/api/v1/namespaces/${pod.namespace}/configmaps`,
      body: { metadata: { name: 'newer' } },
    });
    const socket = connect({ host: '127.0.0.1', port: replica.ports.control, ca, servername: serverName });
    await once(socket, 'secureConnect');
    const watermark = JSON.stringify({
      AgentPolicy: metadata.resourceVersion,
      Namespace: metadata.resourceVersion,
    });
    const head = `GET /v1/ruleset HTTP/1.1\r\nHost: a\r\nAuthorization: Bearer ${token}\r\noutrider-watermark: ${watermark}`;
    socket.write(`${head}\r\n\r\n`);
    socket.destroy();
    await sleep(2_500);
    const answer = await fetch(`http://127.0.0.1:${replica.ports.health}/metrics`);
    assert.match(await answer.text(), /^outrider_control_streams 0$/m);
  });

  it('O-10: a watermark that the cluster never reached is answered 503, and so is a kind that only a newer operator knows', async () => {
    const pod = await newAgent();
    assert.equal(
      await refused(pod, { watermark: { AgentPolicy: '99999999999999' } }),
      '503 WATERMARK_BEHIND',
    );
    assert.equal(await refused(pod, { watermark: { LaterKind: '1' } }), '503 WATERMARK_BEHIND');
  });

  it('D: a reader that takes nothing is cut, and costs one event at most meanwhile', async () => {
    const pod = await newAgent();
    const stream = await open(pod);
    await stream.ruleset('the first', () => true);
    stream.pause();
    const before = process.memoryUsage().rss;
    // Each revision of this ruleset has about a quarter of a megabyte: first the sockets' buffers are filled with it.
    // Few rules a policy, since the API server compares each name with each other.
    const message = 'x'.repeat(500);
    const rewrite = (round: number, name: string): Promise<unknown> =>
      test.client.request({
        method: 'PATCH',
        patch: 'apply-patch',
        path: `/apis/outrider.dev/v1alpha1/namespaces/${pod.namespace}/agentpolicies/${name}`,
        query: { fieldManager: 'test', force: 'true' },
        body: policy({
          namespace: pod.namespace,
          name,
          rules: Array.from({ length: 16 }, (_, index) => `r${round}-${index}`),
          message,
        }),
      });
    const names = Array.from({ length: 32 }, (_, index) => `p${index}`);
    for (let round = 0; round < 60 && !/"reason":"slow"/.test(replica.log()); round += 1) {
      await Promise.all(names.map((name) => rewrite(round, name)));
    }
    await waitFor({ what: 'the cut', timeoutMs: 10_000 }, async () => /"reason":"slow"/.test(replica.log()));
    const grownMiB = (process.memoryUsage().rss - before) / 2 ** 20;
    console.log(`memory grew by ${grownMiB.toFixed(0)} MiB while a reader was stuck`);
    stream.close();
  });

  it('a report is taken', async () => {
    const pod = await newAgent();
    const answer = await report(
      { port: replica.ports.control, ca, token: await test.token(pod) },
      { revision: '', credentials: [], laterField: 'of a newer sidecar' },
    );
    assert.equal(answer.status, 204);
  });

  it('a stream ends after its lifetime, so that a fleet spreads over replicas again', async () => {
    const timing = { ...fastTiming, streams: { ...fastTiming.streams, lifetimeMs: 2_000 } };
    const other = await test.startReplica({ timing });
    const pod = await newAgent();
    const stream = await open(pod, { port: other.ports.control });
    const { atMs } = await stream.ruleset('the first', () => true);
    await waitFor({ what: 'the end', timeoutMs: 5_000 }, async () => stream.endedAtMs() !== null);
    const livedMs = (stream.endedAtMs() ?? 0) - atMs;
    // Its timer cannot fire early: a sixth of jitter at most, less the time that the first event took.
    assert.ok(livedMs > 1_500, `it lived ${livedMs} ms`);
    await other.stop();
  });

  it('a replica that stops ends its streams at once, so that sidecars go to another', async () => {
    const other = await test.startReplica();
    const pod = await newAgent();
    const stream = await open(pod, { port: other.ports.control });
    await stream.ruleset('the first', () => true);
    const stopped = other.stop();
    await waitFor({ what: 'the end', timeoutMs: 3_000 }, async () => stream.endedAtMs() !== null);
    await stopped;
  });
});

describe('ruleset streams of a replica that is cut off', () => {
  let test: TestCluster;
  let relay: Relay;

  before(async () => {
    test = await startTestCluster();
    relay = await startRelay({ host: '127.0.0.1', port: Number(new URL(test.cluster.server).port) });
  });

  after(async () => {
    await test?.stop();
    await relay?.close();
  });

  it('I7: when its watches fall silent, heartbeats stop, new streams are refused, and both come back with the network', async () => {
    const text = await readFile(test.kubeconfig, 'utf8');
    const path = join(test.cluster.folder, 'relayed.kubeconfig');
    await writeFile(path, text.replace(test.cluster.server, `https://127.0.0.1:${relay.port}`));
    const replica = await test.startReplica({ environment: { OUTRIDER_KUBECONFIG: path } });
    const ca = await test.operatorCas();
    await test.createNamespace('team');
    const [pod, late] = [
      await test.createAgent({ namespace: 'team', name: 'agent' }),
      await test.createAgent({ namespace: 'team', name: 'late' }),
    ];
    const caller = { port: replica.ports.control, ca };
    const stream = await openStream({ ...caller, token: await test.token(pod) });
    const lateToken = await test.token(late);
    await waitFor({ what: 'a heartbeat', timeoutMs: 5_000 }, async () => stream.heartbeats.length > 0);

    relay.silence();
    const silentAtMs = performance.now();
    await sleep((fastTiming.watchProofMs ?? 0) + 2_000);
    const lastMs = (stream.heartbeats.at(-1)?.atMs ?? 0) - silentAtMs;
    console.log(`the last heartbeat came ${Math.round(lastMs)} ms after the network fell silent`);
    assert.ok(lastMs <= (fastTiming.watchProofMs ?? 0) + 1_000, `${lastMs} ms`);
    assert.equal(stream.endedAtMs(), null, 'the stream itself stays');
    const outcome = await tryStream({ ...caller, token: lateToken });
    assert.equal('status' in outcome && outcome.status, 503);

    relay.resume();
    const count = stream.heartbeats.length;
    await waitFor(
      { what: 'heartbeats again', timeoutMs: 25_000 },
      async () => stream.heartbeats.length > count,
    );
    await waitFor({ what: 'new streams again', timeoutMs: 10_000 }, async () => {
      const again = await tryStream({ ...caller, token: lateToken });
      if ('status' in again) return false;
      again.close();
      return true;
    });
    stream.close();
  });

  it('an API server that is killed and started again costs neither the replica nor its streams', async () => {
    const replica = await test.startReplica();
    const ca = await test.operatorCas();
    const pod = await test.createAgent({ namespace: 'team', name: 'steady' });
    const stream = await openStream({ port: replica.ports.control, ca, token: await test.token(pod) });
    await stream.ruleset('the first', () => true);
    await test.cluster.apiServer.kill();
    await sleep(1_000);
    await test.cluster.apiServer.start();
    await waitFor({ what: 'the new policy', timeoutMs: 10_000 }, async () => {
      await test.apply(policy({ namespace: 'team', name: 'after', rules: ['after'] }));
      return true;
    });
    await stream.ruleset('the new policy', (event) => rules(event).includes('after'), 15_000);
    const count = stream.heartbeats.length;
    await waitFor({ what: 'heartbeats', timeoutMs: 10_000 }, async () => stream.heartbeats.length > count);
    stream.close();
  });
});

describe('ruleset streams while the operator’s CA rotates', () => {
  let test: TestCluster;
  before(async () => {
    test = await startTestCluster();
  });
  after(() => test?.stop());

  it('the next CA is announced on the open stream before it signs, and nothing is closed or refused meanwhile', async () => {
    const environment = { OUTRIDER_CA_LIFETIME: '15s', OUTRIDER_CA_OVERLAP: '5s' };
    const replica = await test.startReplica({ environment });
    const first = await test.operatorCas();
    await test.createNamespace('team');
    const pod = await test.createAgent({ namespace: 'team', name: 'agent' });
    const other = await test.createAgent({ namespace: 'team', name: 'other' });
    const token = await test.token(pod);
    const otherToken = await test.token(other);
    const stream = await openStream({ port: replica.ports.control, ca: first, token });
    const count = (pem: string): number => pem.split('BEGIN CERTIFICATE').length - 1;
    const announced = await stream.ruleset(
      'two CAs',
      ({ ruleset }) => count(ruleset.operatorCas) === 2,
      15_000,
    );
    const second = announced.data.ruleset.operatorCas.slice(
      announced.data.ruleset.operatorCas.lastIndexOf('-----BEGIN'),
    );

    // Whoever knows the announced bundle is served at every moment; the new CA alone is enough after the handover.
    let rotated = false;
    await waitFor({ what: 'a certificate of the next CA', timeoutMs: 15_000, everyMs: 250 }, async () => {
      const both = await openStream({
        port: replica.ports.control,
        ca: announced.data.ruleset.operatorCas,
        token: otherToken,
      });
      both.close();
      rotated = await openStream({ port: replica.ports.control, ca: second, token: otherToken }).then(
        (opened) => (opened.close(), true),
        () => false,
      );
      return rotated;
    });
    assert.equal(stream.endedAtMs(), null, 'the stream outlived the rotation');
    stream.close();
  });
});
