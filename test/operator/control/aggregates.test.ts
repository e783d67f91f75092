import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import { setTimeout as sleep } from 'node:timers/promises';
import { aggregatesOf, createAggregates, maxAggregatesBytes } from '../../../operator/control/aggregates.ts';
import { createReports } from '../../../operator/control/reports.ts';

const agent = (uid: string) => ({ uid, namespace: 'team' });
const says = (state: string) => ({ revision: 'abc', credentials: [{ name: 'github', state }] });

describe('what replicas tell the leader', () => {
  const invalid: Readonly<Record<string, unknown>> = {
    'no object': [],
    'no list of agents': { agents: 7 },
    'an agent without a uid': { agents: [{ namespace: 'team', ageMs: 0, credentials: [] }] },
    'an age from the future': { agents: [{ uid: 'a', namespace: 'team', ageMs: -1, credentials: [] }] },
  };
  const counts = { wouldAllow: 1, wouldDeny: 2, wouldHold: 3 };
  const invalidCounts: Readonly<Record<string, unknown>> = {
    'a count below nothing': { policy: 'p', ...counts, wouldDeny: -1 },
    'a count that no pod reaches': { policy: 'p', ...counts, wouldDeny: 1e12 },
    'a count with fractions': { policy: 'p', ...counts, wouldDeny: 0.5 },
    'a count of no policy': counts,
    'a policy that is not of the cluster by false': { policy: 'p', cluster: false, ...counts },
  };
  for (const [what, shadow] of Object.entries(invalidCounts)) {
    it(`a report with ${what} is refused`, () => {
      const body = { revision: 'abc', credentials: [], shadow: [shadow] };
      assert.throws(() => createReports().take(agent('a'), body), { code: 'REQUEST_INVALID' });
    });
  }
  it('a report of more audited policies than it may name is refused', () => {
    const shadow = Array.from({ length: 65 }, (_, index) => ({ policy: `p${index}`, ...counts }));
    const body = { revision: 'abc', credentials: [], shadow };
    assert.throws(() => createReports().take(agent('a'), body), { code: 'REQUEST_INVALID' });
  });

  for (const [what, body] of Object.entries(invalid)) {
    it(`${what} is refused`, () => {
      const aggregates = createAggregates({ reports: createReports() });
      assert.throws(() => aggregates.take('replica', body), { code: 'REQUEST_INVALID' });
    });
  }

  it('the newest word of an agent counts, whichever replica heard it', async () => {
    const [here, there] = [createReports(), createReports()];
    const aggregates = createAggregates({ reports: here });
    here.take(agent('a'), says('Failing'));
    await sleep(5);
    there.take(agent('a'), says('Resolved'));
    aggregates.take('other', aggregatesOf(there.all()));
    assert.equal(aggregates.stateOf('a', 'github')?.state, 'Resolved');
    await sleep(5);
    here.take(agent('a'), says('Pending'));
    aggregates.take('other', aggregatesOf(there.all()));
    assert.equal(aggregates.stateOf('a', 'github')?.state, 'Pending');
  });

  it('a message replaces what the replica said before', () => {
    const there = createReports();
    const aggregates = createAggregates({ reports: createReports() });
    there.take(agent('a'), says('Resolved'));
    aggregates.take('other', aggregatesOf(there.all()));
    there.forget('a');
    aggregates.take('other', aggregatesOf(there.all()));
    assert.equal(aggregates.stateOf('a', 'github'), null);
  });

  it('a replica that falls silent is forgotten with all that it said', async () => {
    const there = createReports();
    const aggregates = createAggregates({ reports: createReports(), replicaLifetimeMs: 20 });
    there.take(agent('a'), says('Resolved'));
    aggregates.take('other', aggregatesOf(there.all()));
    assert.equal(aggregates.stateOf('a', 'github')?.state, 'Resolved');
    await sleep(40);
    assert.equal(aggregates.stateOf('a', 'github'), null);
  });

  it('only a change is told, once for each credential', () => {
    const reports = createReports();
    const aggregates = createAggregates({ reports });
    const told: string[] = [];
    aggregates.onChange((namespace, credential) => void told.push(`${namespace}/${credential}`));
    reports.take(agent('a'), says('Resolved'));
    reports.take(agent('a'), says('Resolved'));
    reports.take(agent('a'), { revision: 'abc', credentials: [] });
    assert.deepEqual(told, ['team/github', 'team/github']);
  });

  it('what an agent counted of audited policies is its newest word too, by kind of policy', async () => {
    const [here, there] = [createReports(), createReports()];
    const aggregates = createAggregates({ reports: here });
    const told: string[] = [];
    aggregates.onShadowChange((namespace, { policy, cluster }) => {
      told.push(`${namespace}/${policy}${cluster === true ? ' of the cluster' : ''}`);
    });
    const floor = { policy: 'p', cluster: true, ...counts, wouldHold: 9 };
    here.take(agent('a'), { revision: 'abc', credentials: [], shadow: [{ policy: 'p', ...counts }] });
    await sleep(5);
    there.take(agent('a'), { revision: 'abc', credentials: [], shadow: [floor] });
    aggregates.take('other', aggregatesOf(there.all()));
    assert.equal(aggregates.shadowOf('a', 'p', false), null);
    assert.deepEqual(aggregates.shadowOf('a', 'p', true), floor);
    aggregates.take('other', aggregatesOf(there.all()));
    here.take(agent('a'), { revision: 'abc', credentials: [] });
    assert.equal(aggregates.shadowOf('a', 'p', true), null);
    assert.deepEqual(told, ['team/p', 'team/p of the cluster', 'team/p']);
  });

  it('a replica that knows of no audited policies is understood', () => {
    const aggregates = createAggregates({ reports: createReports() });
    aggregates.take('older', { agents: [{ uid: 'a', namespace: 'team', ageMs: 0, credentials: [] }] });
    assert.equal(aggregates.shadowOf('a', 'p', false), null);
  });

  it('however many policies are audited, states of credentials fit a message', () => {
    const reports = createReports();
    const policy = 'p'.repeat(240);
    const shadow = Array.from({ length: 64 }, (_, index) => ({ policy: `${policy}${index}`, ...counts }));
    for (let index = 0; index < 1_000; index += 1)
      reports.take(agent(`a${index}`), { ...says('Resolved'), shadow });
    const message = aggregatesOf(reports.all());
    assert.equal(message.agents.length, 1_000);
    assert.ok(Buffer.byteLength(JSON.stringify(message)) < maxAggregatesBytes / 2);
  });

  it('a thousand agents with four credentials each fit a message many times over', () => {
    const reports = createReports();
    for (let index = 0; index < 1_000; index += 1) {
      const credentials = ['a', 'b', 'c', 'd'].map((name) => ({
        name,
        state: 'Failing',
        code: 'VAULT_PATH_NOT_FOUND',
      }));
      reports.take(agent(`00000000-0000-0000-0000-${String(index).padStart(12, '0')}`), {
        revision: 'abc',
        credentials,
      });
    }
    const bytes = Buffer.byteLength(JSON.stringify(aggregatesOf(reports.all())));
    console.log(`${Math.round(bytes / 1024)} KiB for a thousand agents`);
    assert.ok(bytes < maxAggregatesBytes / 10);
  });

  it('a rotation in the future of this replica’s clock is taken for now', () => {
    const reports = createReports();
    const rotatedAt = '2999-01-01T00:00:00+02:00';
    reports.take(agent('a'), {
      revision: 'abc',
      credentials: [{ name: 'github', state: 'Resolved', rotatedAt }],
    });
    const kept = reports.get('a')?.credentials.get('github')?.rotatedAt ?? '';
    assert.match(kept, /^\d{4}-\d\d-\d\dT\d\d:\d\d:\d\dZ$/);
    assert.ok(Date.parse(kept) <= Date.now());
  });
});
