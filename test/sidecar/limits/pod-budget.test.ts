import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import { setImmediate } from 'node:timers/promises';
import fc from 'fast-check';
import { createBook, readBook } from '../../../policy/limits/book.ts';
import { SidecarError } from '../../../sidecar/errors.ts';
import type { Claim } from '../../../sidecar/limits/budget.ts';
import type { KeptCounters } from '../../../sidecar/limits/kept-counters.ts';
import { createPodBudget } from '../../../sidecar/limits/pod-budget.ts';
import { charge } from './charges.ts';

type Fate = 'done' | 'unheard' | 'failed';

/** A disk whose writes end when a test says so, and a process on it that can be killed. */
function createPod(windowMs: number, startMax: number) {
  let nowMs = 0;
  let originMs = 0;
  let max = startMax;
  let allowed: { max: number; untilMs: number }[] = [{ max, untilMs: Infinity }];
  let content: { readonly text: string; readonly atMs: number } | null = null;
  let writes: ((fate: Fate) => void)[] = [];
  const spends: { atMs: number; amount: number }[] = [];

  function start() {
    const now = (): number => nowMs + originMs;
    const kept: KeptCounters = {
      load: () => {
        if (content === null) return createBook();
        return readBook(content.text, { writtenAtMs: content.atMs, spentUntilMs: now }) ?? createBook(now());
      },
      save: (text, atMs) =>
        new Promise((resolve, reject) => {
          writes.push((fate) => {
            if (fate !== 'failed') content = { text, atMs };
            if (fate === 'done') resolve();
            else reject(new SidecarError('COUNTERS_UNWRITABLE'));
          });
        }),
    };
    return createPodBudget({ kept, now, onFailure: () => {} });
  }

  let budget = start();
  let held: Claim[] = [];
  let sent: { readonly claim: Claim; readonly spend: { amount: number } }[] = [];

  return {
    spends,
    advance: (ms: number) => {
      nowMs += ms;
    },
    /** Of what is reserved after it: what was reserved before may still be sent. */
    setMax: (next: number) => {
      for (const claim of held.splice(0)) budget.release(claim);
      const last = allowed.at(-1);
      if (last !== undefined) last.untilMs = nowMs;
      max = next;
      allowed.push({ max, untilMs: Infinity });
    },
    reserve: async (amount: number, counts: 'requests' | 'tokens') => {
      const wanted = charge({ amount, max, windowMs, counts });
      if (amount > max) return;
      const seen = budget.look(wanted);
      if (seen === 'ready') held.push(budget.take(wanted));
      else if (seen === 'wait') void budget.replenish(wanted);
      await setImmediate();
    },
    /** Sends as long as nothing must be waited for. */
    burst: (amount: number, count: number) => {
      const wanted = charge({ amount, max, windowMs });
      for (let sending = 0; sending < count; sending += 1) {
        if (budget.look(wanted) !== 'ready') return;
        budget.send(budget.take(wanted));
        spends.push({ atMs: nowMs, amount });
      }
    },
    release: () => {
      const claim = held.shift();
      if (claim !== undefined) budget.release(claim);
    },
    send: () => {
      const claim = held.shift();
      if (claim === undefined) return;
      assert.ok(budget.isAlive(claim));
      budget.send(claim);
      const spend = { atMs: nowMs, amount: claim.charge.amount };
      spends.push(spend);
      if (claim.charge.counts === 'tokens') sent.push({ claim, spend });
    },
    settle: (part: number) => {
      const settled = sent.shift();
      if (settled === undefined) return;
      settled.spend.amount = Math.floor(settled.spend.amount * part);
      budget.settle(settled.claim, settled.spend.amount);
    },
    write: async (fate: Fate) => {
      writes.shift()?.(fate);
      await setImmediate();
    },
    /** What was on its way to the disk gets there or does not. Another boot has another clock. */
    kill: (isWritten: boolean, isBoot: boolean) => {
      if (isWritten) writes.shift()?.('unheard');
      [writes, held, sent] = [[], [], []];
      // After a boot the ages go on from when the file is read.
      if (isBoot) originMs += 1_000_003;
      if (isBoot && content !== null) content = { text: content.text, atMs: nowMs + originMs };
      budget = start();
    },
    check: () => {
      const spent = spends
        .filter(({ atMs }) => atMs > nowMs - windowMs)
        .reduce((sum, { amount }) => sum + amount, 0);
      allowed = allowed.filter(({ untilMs }) => untilMs > nowMs - windowMs);
      const most = Math.max(...allowed.map((each) => each.max));
      assert.ok(spent <= most, `${spent} of ${most} at ${nowMs}`);
      return spent / most;
    },
  };
}

type Step =
  | { readonly do: 'wait'; readonly ms: number }
  | { readonly do: 'reserve'; readonly amount: number; readonly tokens: boolean }
  | { readonly do: 'burst'; readonly amount: number; readonly count: number }
  | { readonly do: 'send' | 'release' }
  | { readonly do: 'settle'; readonly part: number }
  | { readonly do: 'write'; readonly fate: Fate }
  | { readonly do: 'kill'; readonly isWritten: boolean; readonly isBoot: boolean }
  | { readonly do: 'setMax'; readonly max: number };

const windowMs = 8000;
const step: fc.Arbitrary<Step> = fc.oneof(
  {
    weight: 4,
    arbitrary: fc.record({
      do: fc.constant('wait'),
      ms: fc.oneof(fc.nat(200), fc.constantFrom(990, 1010, 4000, 7900, 8000, 8200)),
    }),
  },
  {
    weight: 14,
    arbitrary: fc.record({
      do: fc.constant('reserve'),
      amount: fc.integer({ min: 1, max: 8 }),
      tokens: fc.nat(3).map((n) => n === 0),
    }),
  },
  {
    weight: 10,
    arbitrary: fc.record({
      do: fc.constant('burst'),
      amount: fc.integer({ min: 1, max: 3 }),
      count: fc.integer({ min: 1, max: 60 }),
    }),
  },
  { weight: 10, arbitrary: fc.record({ do: fc.constantFrom('send', 'send', 'send', 'release') }) },
  { weight: 2, arbitrary: fc.record({ do: fc.constant('settle'), part: fc.constantFrom(0, 0.5, 1) }) },
  {
    weight: 10,
    arbitrary: fc.record({
      do: fc.constant('write'),
      fate: fc.constantFrom<Fate>('done', 'done', 'done', 'done', 'done', 'unheard', 'failed'),
    }),
  },
  {
    weight: 3,
    arbitrary: fc.record({ do: fc.constant('kill'), isWritten: fc.boolean(), isBoot: fc.boolean() }),
  },
  { weight: 1, arbitrary: fc.record({ do: fc.constant('setMax'), max: fc.integer({ min: 1, max: 60 }) }) },
);

describe('counters of one pod', () => {
  it('P-13: killed at any moment, whatever the disk did, no window holds more than the limit', async () => {
    let fullest = 0;
    let spends = 0;
    await fc.assert(
      fc.asyncProperty(
        fc.array(step, { minLength: 20, maxLength: 120, size: 'max' }),
        fc.integer({ min: 1, max: 60 }),
        async (steps, max) => {
          const pod = createPod(windowMs, max);
          for (const each of steps) {
            if (each.do === 'wait') pod.advance(each.ms);
            else if (each.do === 'reserve')
              await pod.reserve(each.amount, each.tokens ? 'tokens' : 'requests');
            else if (each.do === 'burst') pod.burst(each.amount, each.count);
            else if (each.do === 'send') pod.send();
            else if (each.do === 'settle') pod.settle(each.part);
            else if (each.do === 'write') await pod.write(each.fate);
            else if (each.do === 'kill') pod.kill(each.isWritten, each.isBoot);
            else if (each.do === 'setMax') pod.setMax(each.max);
            else pod.release();
            fullest = Math.max(fullest, pod.check());
          }
          spends += pod.spends.length;
        },
      ),
      { numRuns: 5000 },
    );
    assert.ok(spends > 15_000, `${spends} spends`);
    assert.equal(fullest, 1);
  });

  it('nothing is written per request: thousands of requests are a few writes', async () => {
    let writes = 0;
    const kept: KeptCounters = {
      load: () => createBook(),
      save: () => {
        writes += 1;
        return Promise.resolve();
      },
    };
    const budget = createPodBudget({ kept, now: () => performance.now(), onFailure: () => {} });
    const many = charge({ max: 100_000 });
    if (budget.look(many) === 'wait') await budget.replenish(many);
    let waited = 0;
    for (let request = 0; request < 20_000; request += 1) {
      if (budget.look(many) === 'wait') {
        waited += 1;
        await budget.replenish(many);
      }
      budget.send(budget.take(many));
    }
    assert.ok(writes <= 8, `${writes} writes`);
    assert.ok(waited <= 4, `${waited} waits`);
    await budget.close();
  });
});
