import assert from 'node:assert/strict';
import { after, before, describe, it } from 'node:test';
import { setTimeout as sleep } from 'node:timers/promises';
import { apiVersion, labels, type RulesetEvent } from '../../../policy/contract.ts';
import { waitFor } from '../../cluster/deadline.ts';
import {
  startTestCluster,
  type AgentPod,
  type RunningReplica,
  type TestCluster,
} from '../operator-under-test.ts';
import { clusterPolicy, policy } from '../resources.ts';
import { openStream, type OpenStream } from './sidecar-client.ts';

const guards = ({ ruleset }: RulesetEvent): string =>
  ruleset.guards
    .map(({ policy: from, name, cluster }) => `${from}/${name}${cluster ? ' (cluster)' : ''}`)
    .join();

describe('what is the platform’s to say, on ruleset streams', () => {
  let test: TestCluster;
  let replica: RunningReplica;
  let ca: string;
  let teams = 0;
  const opened: OpenStream[] = [];

  before(async () => {
    test = await startTestCluster();
    replica = await test.startReplica();
    ca = await test.operatorCas();
  });

  after(async () => {
    for (const stream of opened) stream.close();
    await test?.stop();
  });

  async function newTeam(team: string, serviceAccount = 'default'): Promise<AgentPod> {
    const namespace = `team-${++teams}`;
    await test.createNamespace(namespace, { team });
    return test.createAgent({ namespace, name: 'agent', serviceAccount });
  }

  async function open(pod: AgentPod): Promise<OpenStream> {
    const stream = await openStream({ port: replica.ports.control, ca, token: await test.token(pod) });
    opened.push(stream);
    await stream.ruleset('the first', () => true);
    return stream;
  }

  const remove = (name: string): Promise<unknown> =>
    test.client.request({ method: 'DELETE', path: `/apis/${apiVersion}/clusteragentpolicies/${name}` });

  /** What comes from now on. */
  async function next(
    stream: OpenStream,
    change: () => Promise<unknown>,
    what: string,
    accept: (event: RulesetEvent) => boolean,
  ): Promise<void> {
    const seen = stream.rulesets.length;
    const changedAtMs = performance.now();
    await change();
    const { atMs } = await waitFor({ what, timeoutMs: 5_000, everyMs: 5 }, async () =>
      stream.rulesets.slice(seen).find(({ data }) => accept(data)),
    );
    console.log(`${what} was on the stream after ${Math.round(atMs - changedAtMs)} ms`);
  }

  async function compilations(): Promise<number> {
    const answer = await fetch(`http://127.0.0.1:${replica.ports.health}/metrics`);
    return Number(/^outrider_ruleset_compilations_total (\d+)$/m.exec(await answer.text())?.[1]);
  }

  it('a cluster policy guards the agents of the namespaces that it selects, and costs others nothing', async () => {
    const [red, blue] = [await open(await newTeam('red')), await open(await newTeam('blue'))];
    const onTeam = (team: string) => ({ namespaceSelector: { matchLabels: { team } } });
    await sleep(500);
    const [before, seen] = [await compilations(), blue.rulesets.length];
    const floor = (agents: object): Promise<void> => test.apply(clusterPolicy({ name: 'floor', agents }));
    const isGuarded = (event: RulesetEvent): boolean => guards(event) === 'floor/deny (cluster)';
    const isFree = (event: RulesetEvent): boolean => guards(event) === '';
    await next(red, () => floor(onTeam('red')), 'a new cluster policy', isGuarded);
    assert.deepEqual([(await compilations()) - before, blue.rulesets.length], [1, seen]);

    const lifted = next(red, async () => {}, 'its end for those it selected', isFree);
    await next(blue, () => floor(onTeam('blue')), 'another selector', isGuarded);
    await lifted;
    await next(blue, () => remove('floor'), 'its deletion', isFree);
  });

  it('a selector that names ServiceAccounts guards their agents in every namespace, and no others', async () => {
    const [triage, other] = [
      await open(await newTeam('red', 'triage')),
      await open(await newTeam('red', 'other')),
    ];
    const seen = other.rulesets.length;
    const floor = clusterPolicy({ name: 'accounts', agents: { serviceAccounts: ['triage'] } });
    await next(
      triage,
      () => test.apply(floor),
      'the guard',
      (event) => guards(event) === 'accounts/deny (cluster)',
    );
    await sleep(500);
    assert.equal(other.rulesets.length, seen);
    await remove('accounts');
  });

  it('a label on the namespace brings its agents under a cluster policy; one on the pod changes nothing', async () => {
    const pod = await newTeam('green');
    const stream = await open(pod);
    await test.apply(
      clusterPolicy({ name: 'strict', agents: { namespaceSelector: { matchLabels: { level: 'strict' } } } }),
    );
    const label = (...args: string[]): Promise<string> =>
      test.cluster.kubectl(['label', ...args, '--overwrite']);
    const seen = stream.rulesets.length;
    await label('pod', '-n', pod.namespace, 'agent', 'level=strict');
    await sleep(1_000);
    assert.equal(stream.rulesets.length, seen);
    await next(
      stream,
      () => label('namespace', pod.namespace, 'level=strict'),
      'the label of the namespace',
      (event) => guards(event) === 'strict/deny (cluster)',
    );
    await remove('strict');
  });

  it('a cluster policy that halts stops its agents, whatever their own policies say, until it is deleted', async () => {
    const pod = await newTeam('black');
    await test.apply(policy({ namespace: pod.namespace, name: 'own', rules: ['read'] }));
    const stream = await open(pod);
    const agents = { namespaceSelector: { matchLabels: { team: 'black' } } };
    await next(
      stream,
      () => test.apply(clusterPolicy({ name: 'stop', agents, haltAgents: true })),
      'the halt',
      ({ ruleset }) => ruleset.halt?.policy === 'stop',
    );
    await next(
      stream,
      () => remove('stop'),
      'its end',
      ({ ruleset }) => ruleset.halt === null,
    );
  });

  it('observe-until on a namespace reaches its agents when it is set, changed, misspelt and taken away', async () => {
    const pod = await newTeam('new');
    const stream = await open(pod);
    const label = (value: string) => (): Promise<string> =>
      test.cluster.kubectl([
        'label',
        'namespace',
        pod.namespace,
        `${labels.observeUntil}${value}`,
        '--overwrite',
      ]);
    const until =
      (day: string | null) =>
      ({ ruleset }: RulesetEvent): boolean =>
        ruleset.observeUntilMs === (day === null ? null : Date.parse(`${day}T00:00:00Z`));
    await next(stream, label('=2099-12-31'), 'the label', until('2099-12-31'));
    await next(stream, label('=2098-01-01'), 'another day', until('2098-01-01'));
    await next(stream, label('=soon'), 'no day', until(null));
    await next(stream, label('=2099-12-31'), 'the label again', until('2099-12-31'));
    await next(stream, label('-'), 'its end', until(null));
  });

  it('O-11: a sidecar that cannot observe is refused everything while its namespace is observed', async () => {
    const pod = await newTeam('old');
    await test.cluster.kubectl(['label', 'namespace', pod.namespace, `${labels.observeUntil}=2099-12-31`]);
    const stream = await openStream({
      port: replica.ports.control,
      ca,
      token: await test.token(pod),
      features: ['rules/v1'],
    });
    opened.push(stream);
    const { data } = await stream.ruleset('the refusal', () => true);
    assert.deepEqual([data.ruleset.observeUntilMs, data.ruleset.requires], [null, []]);
  });
});
