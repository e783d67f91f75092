import assert from 'node:assert/strict';
import { after, before, describe, it } from 'node:test';
import fastify from 'fastify';
import { createKubeClient, type KubeClient } from '../../../operator/kube/client.ts';
import { createEventRecorder, type EventRecorder, type NewEvent } from '../../../operator/kube/events.ts';
import { createMetrics, type Metrics } from '../../../operator/metrics.ts';
import { startControlPlane, type ControlPlane } from '../../cluster/control-plane.ts';
import { waitFor } from '../../cluster/deadline.ts';

interface StoredEvent {
  readonly metadata: { readonly name: string; readonly namespace: string };
  readonly eventTime: string;
  readonly reportingController: string;
  readonly reportingInstance: string;
  readonly regarding: { readonly name: string; readonly uid?: string };
  readonly type: string;
  readonly reason: string;
  readonly note: string;
  readonly series?: { readonly count: number; readonly lastObservedTime: string };
}

const { log } = fastify({ logger: { level: 'silent' } });

function event(name: string, changes: Partial<NewEvent> = {}): NewEvent {
  return {
    regarding: {
      apiVersion: 'outrider.dev/v1alpha1',
      kind: 'AgentCredential',
      namespace: 'default',
      name,
      uid: `uid-${name}`,
    },
    type: 'Warning',
    reason: 'SecretFailing',
    action: 'ReadSecret',
    note: 'StoreSealed: the Vault is sealed; unseal it (1 of 2 agents)',
    ...changes,
  };
}

describe('events against the real API server', () => {
  let cluster: ControlPlane;
  let client: KubeClient;
  const terms: AbortController[] = [];

  before(async () => {
    cluster = await startControlPlane();
    client = createKubeClient({ kubeconfig: cluster.kubeconfig });
  });

  after(async () => {
    for (const term of terms) term.abort();
    await client?.close();
    await cluster?.stop();
  });

  function start(options: { readonly kube?: KubeClient; readonly seriesMs?: number } = {}): {
    readonly recorder: EventRecorder;
    readonly metrics: Metrics;
    readonly term: AbortController;
  } {
    const metrics = createMetrics();
    const timing = { seriesMs: options.seriesMs ?? 200, quietMs: 60_000, gapMs: 5 };
    const recorder = createEventRecorder({
      client: options.kube ?? client,
      instance: 'outrider-1',
      log,
      metrics,
      timing,
    });
    const term = new AbortController();
    terms.push(term);
    recorder.begin(term.signal);
    return { recorder, metrics, term };
  }

  async function of(name: string): Promise<readonly StoredEvent[]> {
    const path = '/apis/events.k8s.io/v1/namespaces/default/events';
    const { items } = await client.request<{ readonly items: readonly StoredEvent[] }>({
      method: 'GET',
      path,
    });
    return items.filter(({ regarding }) => regarding.name === name);
  }

  const becomes = (name: string, holds: (events: readonly StoredEvent[]) => boolean) =>
    waitFor({ what: `the events of ${name}`, timeoutMs: 10_000, everyMs: 50 }, async () => {
      const events = await of(name);
      return holds(events) && events;
    });

  const countOf = async (metrics: Metrics, outcome: string): Promise<number> => {
    const { values } = await metrics.events.get();
    return values.find(({ labels }) => labels.outcome === outcome)?.value ?? 0;
  };

  it('nothing is recorded by a replica that does not lead, or leads no more', async () => {
    const { recorder, term } = start();
    term.abort();
    recorder.record(event('late'));
    createEventRecorder({ client, instance: 'outrider-2', log, metrics: createMetrics() }).record(
      event('never'),
    );
    await new Promise((resolve) => void setTimeout(resolve, 500));
    assert.deepEqual([await of('late'), await of('never')], [[], []]);
  });

  it('an event that the API server refuses is dropped, and the next one is written', async () => {
    const { recorder, metrics } = start();
    recorder.record(event('refused', { reason: 'x'.repeat(200) }));
    recorder.record(event('taken'));
    await becomes('taken', (events) => events.length === 1);
    assert.deepEqual(await of('refused'), []);
    assert.equal(await countOf(metrics, 'dropped'), 1);
  });

  it('without an API server nobody waits, and what is kept is bounded', async () => {
    const gone: KubeClient = {
      ...client,
      request: () => new Promise((_, reject) => void setTimeout(reject, 60_000, new Error('gone')).unref()),
    };
    const { recorder, metrics } = start({ kube: gone });
    const startedAt = performance.now();
    for (let index = 0; index < 5_000; index++) recorder.record(event(`many-${index}`));
    assert.ok(performance.now() - startedAt < 500);
    assert.equal(await countOf(metrics, 'dropped'), 4_000);
  });

  it('an event names its object and reason, and a note is cut to what the API server takes', async () => {
    const { recorder } = start();
    recorder.record(event('shape', { note: 'é'.repeat(2_000) }));
    const [stored] = await becomes('shape', (events) => events.length === 1);
    assert.ok(stored);
    assert.equal(stored.regarding.uid, 'uid-shape');
    assert.deepEqual([stored.type, stored.reason], ['Warning', 'SecretFailing']);
    assert.deepEqual(
      [stored.reportingController, stored.reportingInstance],
      ['outrider.dev/operator', 'outrider-1'],
    );
    assert.equal(Buffer.byteLength(stored.note), 1_024);
    assert.equal(stored.series, undefined);
  });

  it('an object with the longest name has events too', async () => {
    const name = `${'a'.repeat(62)}.`.repeat(4).slice(0, 253).replace(/\.$/, 'a');
    const { recorder } = start();
    recorder.record(event(name));
    await becomes(name, (events) => events.length === 1);
  });

  it('what repeats is one event with a count, written at intervals', async () => {
    const { recorder, metrics } = start();
    for (let round = 0; round < 5; round++) recorder.record(event('often'));
    recorder.record(event('often', { about: 'StoreUnreachable', note: 'another cause' }));
    await becomes('often', (events) => events.some(({ series }) => series?.count === 5));
    for (let round = 0; round < 100; round++) recorder.record(event('often'));
    const events = await becomes('often', (found) => found.some(({ series }) => series?.count === 105));
    assert.equal(events.length, 2);
    assert.equal(await countOf(metrics, 'written'), 3);
  });

  it('a series goes on in a new event when the API server has forgotten the old one', async () => {
    const { recorder } = start();
    recorder.record(event('expired'));
    const [first] = await becomes('expired', (events) => events.length === 1);
    await cluster.kubectl(['delete', 'events.v1.events.k8s.io', first?.metadata.name ?? '']);
    recorder.record(event('expired'));
    const [second] = await becomes('expired', (events) => events.length === 1);
    assert.equal(second?.series?.count, 2);
  });

  it('kubectl shows them', async () => {
    const { recorder } = start();
    recorder.record(event('shown'));
    await becomes('shown', (events) => events.length === 1);
    const table = await cluster.kubectl(['get', 'events']);
    assert.match(table, /Warning +SecretFailing +agentcredential\/shown +StoreSealed: the Vault is sealed/);
  });
});
