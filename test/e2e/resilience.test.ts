// What happens to running agents when parts of Outrider, or of the cluster, go away, restart or rotate.

import assert from 'node:assert/strict';
import { X509Certificate } from 'node:crypto';
import { connect } from 'node:tls';
import { after, before, describe, it } from 'node:test';
import { setTimeout as sleep } from 'node:timers/promises';
import { stringify } from 'yaml';
import { waitFor } from '../cluster/deadline.ts';
import { startNode, type ClusterNode } from '../cluster/node.ts';
import { nodeSkipReason } from '../cluster/node-availability.ts';
import { operatorVerbs } from './granted-verbs.ts';
import { startCaller, type Caller } from './caller.ts';
import { allowVaultLogin, applyExample, installOutrider } from './installation.ts';
import { startTracker, type Tracker } from './tracker.ts';

/** Of no consequence to the agent, so that a policy of the cluster is there all the time. */
const floor = {
  apiVersion: 'outrider.dev/v1alpha1',
  kind: 'ClusterAgentPolicy',
  metadata: { name: 'floor' },
  spec: { agents: {}, rules: [{ name: 'nowhere', action: 'Deny', hosts: ['forbidden.example.com'] }] },
};

/** On a path of its own: the caller, which goes on while the operator is away, is under no limit. */
const limited = {
  apiVersion: 'outrider.dev/v1alpha1',
  kind: 'AgentPolicy',
  metadata: { name: 'limited', namespace: 'research' },
  spec: {
    agents: { serviceAccounts: ['triage'] },
    rules: [
      {
        name: 'few',
        action: 'Allow',
        destination: 'tracker',
        paths: ['/limited'],
        limits: [{ name: 'hour', max: 12, per: '1h' }],
      },
    ],
  },
};

/** A CA of the operator lives so long here that one rotation happens during the test. */
const shortLived = { ca: { lifetime: '75s', overlap: '15s' } };

describe('running agents', { skip: nodeSkipReason() ?? false, timeout: 900_000 }, () => {
  let node: ClusterNode;
  let tracker: Tracker;
  let caller: Caller;
  const starting = { fromMs: 0, untilMs: 0 };
  const token = 'a-token-of-the-tracker';
  const kubectl = (...args: string[]) => node.kubectl(args, { timeoutMs: 100_000 });
  const system = (...args: string[]) => kubectl('-n', 'outrider-system', ...args);

  before(async () => {
    node = await startNode();
    await installOutrider(node, shortLived);
    tracker = await startTracker(node, token);
    await node.vault.request('PUT', 'secret/data/agents/tracker', { data: { token } });
    await allowVaultLogin(node, 'research-agents', { name: 'triage', namespace: 'research' });
    await kubectl('create', 'namespace', 'research');
    await kubectl('label', 'namespace', 'research', 'team=research');
    await kubectl('create', 'serviceaccount', 'triage', '-n', 'research');
    await applyExample(node, 'first-policy/platform.yaml', { caBundle: tracker.caPem });
    for (const file of ['credential', 'policy']) await applyExample(node, `first-policy/${file}.yaml`);
    await node.kubectl(['apply', '-f', '-'], { stdin: stringify(floor) });
    caller = await startCaller(node);
  });
  after(async () => {
    tracker?.close();
    await node?.stop();
  });

  /** Restarts of a pod's containers, by container. */
  async function restarts(namespace: string, selector: string): Promise<Record<string, number>> {
    const { items } = JSON.parse(
      await kubectl('get', 'pods', '-n', namespace, ...selector.split(' '), '-o', 'json'),
    ) as {
      items: { status: Record<string, { name: string; restartCount: number }[] | undefined> }[];
    };
    const statuses = items.flatMap(({ status }) => [
      ...(status.initContainerStatuses ?? []),
      ...(status.containerStatuses ?? []),
    ]);
    return Object.fromEntries(statuses.map(({ name, restartCount }) => [name, restartCount]));
  }
  const callersRestarts = () => restarts('research', '--field-selector metadata.name=caller');

  async function setHalt(haltAgents: boolean): Promise<void> {
    await kubectl(
      'patch',
      'agpol',
      '-n',
      'research',
      'triage',
      '--type=merge',
      '-p',
      JSON.stringify({ spec: { haltAgents } }),
    );
  }

  /** Proves that what the operator knows now has reached the agent. */
  async function haltAndGoOn(): Promise<void> {
    await setHalt(true);
    await caller.until('403 halted', 10_000);
    await setHalt(false);
    await caller.until('200', 10_000);
  }

  /** The CAs that the API server trusts the webhook by. */
  async function publishedCas(): Promise<X509Certificate[]> {
    const field = 'jsonpath={.webhooks[0].clientConfig.caBundle}';
    const bundle = atob(await kubectl('get', 'mutatingwebhookconfiguration', 'outrider', '-o', field));
    const certificates = bundle.match(/-----BEGIN CERTIFICATE-----[^-]+-----END CERTIFICATE-----/g) ?? [];
    return certificates.map((pem) => new X509Certificate(pem));
  }

  it('a sidecar that is killed: the agent is refused, never direct, and goes on without a restart of its own (K-15)', async (test) => {
    const from = caller.count();
    await node.killContainer({ namespace: 'research', pod: caller.pod, container: 'outrider' });
    await caller.until('000', 10_000);
    const tookMs = await caller.until('200', 60_000);
    const outcomes = new Set(caller.outcomesSince(from));
    assert.ok(
      [...outcomes].every((outcome) => ['200', '000', '503 policy_stale'].includes(outcome)),
      [...outcomes].join(),
    );
    assert.deepEqual(await callersRestarts(), { 'outrider-capture': 0, outrider: 1, agent: 0 });
    assert.ok(
      tracker.seen.every(({ authorization }) => authorization === `Bearer ${token}`),
      'no call went past the sidecar',
    );
    test.diagnostic(`answered again ${tookMs} ms after the first call that was not`);
  });

  it('an API server that restarts: agents notice nothing, and the operator recovers without a restart', async () => {
    const from = caller.count();
    starting.fromMs = Date.now();
    await node.apiServer.kill();
    await sleep(5000);
    await node.apiServer.start();
    await setHalt(true);
    await caller.until('403 halted', 30_000);
    starting.untilMs = Date.now();
    const outcomes = caller.outcomesSince(from);
    assert.deepEqual(new Set(outcomes), new Set(['200', '403 halted']));
    await setHalt(false);
    await caller.until('200', 30_000);
    assert.deepEqual(await restarts('outrider-system', '-l app.kubernetes.io/name=outrider'), {
      operator: 0,
    });
  });

  it("the operator's CA is rotated: nothing restarts, nothing is refused, and new pods are injected", async (test) => {
    const from = caller.count();
    const first = await servingAuthority();
    const startedAt = performance.now();
    await waitFor(
      { what: 'the next CA to sign', timeoutMs: 150_000, everyMs: 1000 },
      async () => (await servingAuthority()) !== first,
    );
    const retired = first.replace(/^.*CN=/s, '');
    const withoutIt = async (): Promise<boolean> =>
      !(await publishedCas()).some(({ subject }) => subject.endsWith(`CN=${retired}`));
    await waitFor(
      { what: `the webhook's bundle without ${retired}`, timeoutMs: 90_000, everyMs: 1000 },
      withoutIt,
    );
    test.diagnostic(`rotated within ${Math.round((performance.now() - startedAt) / 1000)} s`);
    await haltAndGoOn();
    assert.deepEqual(new Set(caller.outcomesSince(from)), new Set(['200', '403 halted']));
    assert.deepEqual(await callersRestarts(), { 'outrider-capture': 0, outrider: 1, agent: 0 });
    assert.deepEqual(await restarts('outrider-system', '-l app.kubernetes.io/name=outrider'), {
      operator: 0,
    });
    const optedIn = ['--image=localhost/node:26', '--annotations=outrider.dev/inject=true'];
    await kubectl('run', 'late', '-n', 'research', ...optedIn, '--', 'sleep', '60');
    const injected = ['-l', 'outrider.dev/injected=true'];
    assert.match(await kubectl('get', 'pods', '-n', 'research', '-o', 'name', ...injected), /pod\/late/);
  });

  it('an upgrade of the chart: agents notice nothing', async () => {
    const from = caller.count();
    await installOutrider(node, { podAnnotations: { upgraded: 'once' } });
    // The CA that lives a year must be announced to agents before the next test takes the operator away for longer
    // than the short-lived one has left.
    const lasting = async (): Promise<boolean> =>
      (await publishedCas()).some(({ validToDate }) => validToDate.getTime() - Date.now() > 300 * 86_400_000);
    await waitFor({ what: 'the CA of the new settings', timeoutMs: 60_000, everyMs: 500 }, lasting);
    await haltAndGoOn();
    assert.deepEqual(new Set(caller.outcomesSince(from)), new Set(['200', '403 halted']));
  });

  it('an operator that is down: agents work until the lease ends, pods that opted in cannot start, and all is well after', async (test) => {
    await system('scale', 'deployment', 'outrider', '--replicas=0');
    await system('wait', '--for=delete', 'pod', '-l', 'app.kubernetes.io/name=outrider', '--timeout=60s');
    const from = caller.count();
    const uninjected = kubectl(
      'run',
      'early',
      '-n',
      'research',
      '--image=localhost/node:26',
      '--annotations=outrider.dev/inject=true',
    );
    await assert.rejects(uninjected, /failed calling webhook/);
    const tookMs = await caller.until('503 policy_stale', 75_000);
    const outcomes = caller.outcomesSince(from);
    const firstStale = outcomes.indexOf('503 policy_stale');
    assert.ok(firstStale > 50, `only ${firstStale} calls went through before the lease ended`);
    assert.deepEqual(new Set(outcomes.slice(0, firstStale)), new Set(['200']));
    await system('scale', 'deployment', 'outrider', '--replicas=2');
    const backMs = await caller.until('200', 90_000);
    assert.deepEqual(await callersRestarts(), { 'outrider-capture': 0, outrider: 1, agent: 0 });
    test.diagnostic(
      `refused ${tookMs} ms after the operator's last pod was gone, answered ${backMs} ms after it was scaled up`,
    );
  });

  it('a limit that pods share is counted by the operator that came back', async () => {
    await node.kubectl(['apply', '-f', '-'], { stdin: stringify(limited) });
    const url = 'https://tracker.upstream.svc:8443/limited';
    const command = ['curl', '-sS', '-m', '20', '-o', '/dev/null', '-w', '%{http_code}', url];
    const call = async (): Promise<string> =>
      kubectl('exec', '-n', 'research', caller.pod, '-c', 'agent', '--', ...command);
    // Long enough for a share to be kept, and kept again: at most once in five seconds.
    await waitFor({ what: 'the limit is used up', timeoutMs: 100_000, everyMs: 500 }, async () => {
      return (await call()) === '429';
    });
  });

  it('a secret that is rotated is told of by the replica that leads, once and then as a series', async () => {
    const from = caller.count();
    let changedAtMs = -Infinity;
    for (const wanted of [1, 2]) {
      const what = `${wanted} rotations in the events`;
      await waitFor({ what, timeoutMs: 120_000, everyMs: 1000 }, async () => {
        if ((await rotationsTold()) >= wanted) return true;
        // What changes in the first minute of a leader is not told of: it could have been before.
        if (performance.now() - changedAtMs > 15_000) {
          changedAtMs = performance.now();
          const next = `a-token-of-the-tracker-at-${Math.round(changedAtMs)}`;
          await node.vault.request('PUT', 'secret/data/agents/tracker', { data: { token: next } });
          tracker.accept(next);
        }
        return false;
      });
    }
    assert.deepEqual(new Set(caller.outcomesSince(from)), new Set(['200']));
  });

  async function rotationsTold(): Promise<number> {
    const events = await kubectl('get', 'events.events.k8s.io', '-n', 'research', '-o', 'json');
    const { items } = JSON.parse(events) as { items: { reason: string; series?: { count: number } }[] };
    const rotated = items.find(({ reason }) => reason === 'SecretRotated');
    return rotated === undefined ? 0 : (rotated.series?.count ?? 1);
  }

  it('in all of this the operator used every verb that it is granted, and was refused none', async () => {
    assert.deepEqual(await operatorVerbs(node, starting), { unused: [], refused: [] });
  });

  /** Whose signature the certificate bears that the operator shows now. */
  async function servingAuthority(): Promise<string> {
    const service = await kubectl(
      'get',
      'service',
      '-n',
      'outrider-system',
      'outrider',
      '-o',
      'jsonpath={.spec.clusterIP}',
    );
    const { promise, resolve, reject } = Promise.withResolvers<string>();
    const socket = connect({ host: service, port: 8443, rejectUnauthorized: false }, () => {
      const der = socket.getPeerX509Certificate()?.raw;
      socket.destroy();
      if (der !== undefined) resolve(new X509Certificate(der).issuer);
    });
    socket.on('error', reject);
    socket.setTimeout(5000, () => socket.destroy(new Error('no answer')));
    return promise;
  }
});
