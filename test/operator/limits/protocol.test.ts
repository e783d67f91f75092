import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import fc from 'fast-check';
import { createSimulatedCluster, type Fate } from './simulated-cluster.ts';

type Step =
  | { readonly do: 'wait'; readonly ms: number }
  | { readonly do: 'reserve' | 'ask'; readonly pod: number; readonly amount: number }
  | {
      readonly do: 'commit' | 'release' | 'settle' | 'giveBack' | 'crash';
      readonly pod: number;
      readonly part: number;
    }
  | {
      readonly do: 'deliver' | 'hear';
      readonly which: number;
      readonly replica: number;
      readonly well: boolean;
    }
  | { readonly do: 'finish'; readonly fate: Fate }
  /** A question that is answered, unless storage fails. */
  | {
      readonly do: 'converse';
      readonly pod: number;
      readonly amount: number;
      readonly replica: number;
      readonly fate: Fate;
    }
  /** All that a pod holds. */
  | { readonly do: 'spend'; readonly pod: number; readonly tokens: boolean }
  | { readonly do: 'applyLate' }
  | { readonly do: 'restart' | 'toggle'; readonly replica: number }
  | { readonly do: 'setMax'; readonly max: number };

const pod = fc.nat(2);
const replica = fc.nat(1);
const amount = fc.oneof(fc.integer({ min: 1, max: 4 }), fc.integer({ min: 1, max: 40 }));
const isMostlyTrue = fc.nat(5).map((n) => n > 0);
const fate: fc.Arbitrary<Fate> = fc.oneof(
  { weight: 12, arbitrary: fc.constant<Fate>('done') },
  { weight: 1, arbitrary: fc.constantFrom<Fate>('unheard', 'failed', 'late') },
);
/** The shorter windows, so that leases, chunks and windows end within a case; waits that nearly reach such an end. */
const windows = [8000, 24_000] as const;
const ms = fc.oneof(
  fc.nat(300),
  fc.constantFrom(490, 510, 980, 1010, 2900, 3010, 6900, 7950, 8050, 8200, 9900, 16_000, 24_100, 25_000),
);

const step: fc.Arbitrary<Step> = fc.oneof(
  { weight: 12, arbitrary: fc.record({ do: fc.constant('wait'), ms }) },
  { weight: 4, arbitrary: fc.record({ do: fc.constantFrom('reserve', 'ask'), pod, amount }) },
  {
    weight: 4,
    arbitrary: fc.record({
      do: fc.constantFrom('commit', 'commit', 'settle', 'release', 'giveBack', 'crash'),
      pod,
      part: fc.constantFrom(0, 0.5, 1),
    }),
  },
  {
    weight: 8,
    arbitrary: fc.record({
      do: fc.constantFrom('deliver', 'hear'),
      which: fc.nat(2),
      replica,
      well: isMostlyTrue,
    }),
  },
  { weight: 4, arbitrary: fc.record({ do: fc.constant('finish'), fate }) },
  { weight: 20, arbitrary: fc.record({ do: fc.constant('converse'), pod, amount, replica, fate }) },
  {
    weight: 14,
    arbitrary: fc.record({ do: fc.constant('spend'), pod, tokens: fc.nat(3).map((n) => n === 0) }),
  },
  { weight: 1, arbitrary: fc.record({ do: fc.constant('applyLate') }) },
  { weight: 1, arbitrary: fc.record({ do: fc.constantFrom('restart', 'toggle'), replica }) },
  { weight: 1, arbitrary: fc.record({ do: fc.constant('setMax'), max: fc.integer({ min: 1, max: 40 }) }) },
);

type Cluster = ReturnType<typeof createSimulatedCluster>;

async function take(cluster: Cluster, each: Step): Promise<void> {
  switch (each.do) {
    case 'wait':
      return cluster.advance(each.ms);
    case 'spend': {
      const spending = cluster.pods[each.pod];
      if (spending !== undefined) cluster.spendAll(spending, each.tokens);
      return;
    }
    case 'reserve':
    case 'ask': {
      const asking = cluster.pods[each.pod];
      if (asking === undefined) return;
      if (each.do === 'reserve') cluster.reserve(asking, each.amount);
      else cluster.ask(asking, [each.amount]);
      return;
    }
    case 'commit':
    case 'settle':
    case 'release':
    case 'giveBack':
    case 'crash': {
      const doing = cluster.pods[each.pod];
      if (doing === undefined) return;
      if (each.do === 'commit') cluster.commit(doing, each.part > 0);
      else if (each.do === 'settle') cluster.settle(doing, each.part);
      else if (each.do === 'release') cluster.release(doing);
      else if (each.do === 'giveBack') cluster.giveBackAll(doing);
      else cluster.crash(doing);
      return;
    }
    case 'deliver':
    case 'hear': {
      // The newest first, and now and then one that is long overdue.
      const message = cluster.messages.at(-1 - each.which);
      const to = cluster.replicas[each.replica];
      if (message === undefined || to === undefined) return;
      if (each.do === 'hear') cluster.hear(message, each.well);
      else await cluster.deliver(message, to);
      return;
    }
    case 'converse': {
      const talking = cluster.pods[each.pod];
      const to = cluster.replicas[each.replica];
      if (talking === undefined || to === undefined) return;
      cluster.ask(talking, [each.amount]);
      const message = cluster.messages.at(-1);
      if (message === undefined || message.pod !== talking) return;
      await cluster.deliver(message, to);
      for (let tries = 0; tries < 4 && message.answer === null; tries += 1) await cluster.finish(each.fate);
      cluster.hear(message, true);
      return;
    }
    case 'finish':
      return cluster.finish(each.fate);
    case 'applyLate':
      return cluster.applyLate();
    case 'restart':
      return cluster.restart(each.replica);
    case 'toggle': {
      const toggled = cluster.replicas[each.replica];
      if (toggled !== undefined) toggled.leads = !toggled.leads;
      return;
    }
    case 'setMax':
      return cluster.setMax(each.max);
  }
}

describe('limits that pods share', () => {
  it('P-13: in no window is more spent than the limit, whatever crashes, fails over, is lost, late or repeated', async () => {
    let spends = 0;
    let fullest = 0;
    await fc.assert(
      fc.asyncProperty(
        fc.array(step, { minLength: 20, maxLength: 80, size: 'max' }),
        fc.constantFrom(...windows),
        fc.integer({ min: 1, max: 40 }),
        async (steps, windowMs, max) => {
          const cluster = createSimulatedCluster({ pods: 3, replicas: 2, max, windowMs });
          for (const each of steps) {
            await take(cluster, each);
            const { spent, max: allowed } = cluster.window();
            assert.ok(spent <= allowed, `${spent} of ${allowed} at ${cluster.now()}`);
            fullest = Math.max(fullest, spent / allowed);
          }
          spends += cluster.spends.length;
          await cluster.stop();
        },
      ),
      { numRuns: 5000 },
    );
    // Otherwise the above would say nothing.
    assert.ok(spends > 5000, `${spends} spends`);
    assert.equal(fullest, 1);
  });
});
