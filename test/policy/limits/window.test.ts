import assert from 'node:assert/strict';
import { describe, test } from 'node:test';
import fc from 'fast-check';
import {
  createWindow,
  expiryMs,
  parseWindow,
  place,
  remove,
  serialiseWindow,
  used,
} from '../../../policy/limits/window.ts';

const minute = 60_000;
const day = 24 * 60 * minute;

describe('a window', () => {
  test('P-13: counts a spend for the whole of its length, and a forty-eighth longer at most', () => {
    for (const windowMs of [1000, minute, day, 744 * 3_600_000]) {
      const window = createWindow(windowMs);
      place(window, 3, 1);
      assert.equal(used(window, windowMs), 3, 'just before its end');
      assert.equal(used(window, windowMs + 1 + Math.ceil(windowMs / 48)), 0);
    }
  });

  test('P-13: a clock that steps back frees nothing, and what is spent then counts from the latest time seen', () => {
    const window = createWindow(minute);
    place(window, 1, 10 * minute);
    assert.equal(used(window, 10 * minute), 1);
    assert.equal(used(window, -5 * minute), 1);
    place(window, 2, -5 * minute);
    assert.equal(used(window, 11 * minute - 1), 3);
  });

  test('says when there is room again, and null for what never fits', () => {
    const window = createWindow(minute);
    place(window, 5, 0);
    place(window, 5, 30_000);
    assert.equal(expiryMs(window, 0, 30_000), 0);
    assert.equal(expiryMs(window, 5, 30_000), 30_000);
    assert.equal(expiryMs(window, 6, 30_000), 60_000);
    assert.equal(expiryMs(window, 11, 30_000), null);
  });

  test('takes nothing back from others when what it should take back has expired', () => {
    const window = createWindow(minute);
    const end = place(window, 5, 0);
    place(window, 7, minute);
    assert.equal(used(window, minute), 7);
    remove(window, 5, end);
    assert.equal(used(window, minute), 7);
  });

  const garbage: Readonly<Record<string, unknown>> = {
    nothing: undefined,
    null: null,
    'a list': [],
    'no length': { buckets: [] },
    'a length of 0': { windowMs: 0, buckets: [] },
    'a length that is text': { windowMs: '60000', buckets: [] },
    'no buckets': { windowMs: 1 },
    'too many buckets': { windowMs: 1, buckets: Array.from({ length: 65 }, () => [0, 1]) },
    'a bucket of one number': { windowMs: 1, buckets: [[0]] },
    'a bucket of three': { windowMs: 1, buckets: [[0, 1, 2]] },
    'a negative amount': { windowMs: 1, buckets: [[0, -1]] },
    'half an amount': { windowMs: 1, buckets: [[0, 0.5]] },
    'an age that is text': { windowMs: 1, buckets: [['0', 1]] },
    'an age far in the future': { windowMs: 1, buckets: [[-1e12, 1]] },
  };
  for (const [what, value] of Object.entries(garbage)) {
    test(`says of ${what} that it is no window`, () => assert.equal(parseWindow(value, 0), null));
  }
});

type Step =
  | { readonly do: 'wait'; readonly ms: number }
  | { readonly do: 'place'; readonly amount: number; readonly aheadMs: number }
  | { readonly do: 'remove'; readonly which: number; readonly part: number }
  | { readonly do: 'keep'; readonly outageMs: number; readonly buckets: number };

const step: fc.Arbitrary<Step> = fc.oneof(
  { weight: 3, arbitrary: fc.record({ do: fc.constant('wait'), ms: fc.integer({ min: 0, max: 9000 }) }) },
  {
    weight: 5,
    arbitrary: fc.record({
      do: fc.constant('place'),
      amount: fc.integer({ min: 0, max: 100 }),
      aheadMs: fc.oneof(fc.constant(0), fc.integer({ min: 0, max: 8000 })),
    }),
  },
  {
    weight: 3,
    arbitrary: fc.record({
      do: fc.constant('remove'),
      which: fc.nat(200),
      part: fc.double({ min: 0, max: 1, noNaN: true }),
    }),
  },
  {
    weight: 1,
    arbitrary: fc.record({
      do: fc.constant('keep'),
      outageMs: fc.integer({ min: 0, max: 5000 }),
      buckets: fc.integer({ min: 1, max: 64 }),
    }),
  },
);

test('P-13: whatever is placed, taken back, merged and kept across restarts, nothing counts less than it must', () => {
  fc.assert(
    fc.property(
      fc.array(step, { maxLength: 150, size: 'max' }),
      fc.integer({ min: 50, max: 60_000 }),
      (steps, windowMs) => {
        let window = createWindow(windowMs);
        let now = 0;
        /** Of this process's clock from the true one: each process has an origin of its own. */
        let origin = 0;
        let entries: { atMs: number; amount: number; end: number | null }[] = [];
        for (const each of steps) {
          if (each.do === 'wait') now += each.ms;
          else if (each.do === 'place') {
            const atMs = now + each.aheadMs;
            entries.push({ atMs, amount: each.amount, end: place(window, each.amount, atMs + origin) });
          } else if (each.do === 'remove') {
            const entry = entries[each.which % Math.max(1, entries.length)];
            if (entry === undefined || entry.end === null) continue;
            const part = Math.floor(entry.amount * each.part);
            remove(window, part, entry.end);
            entry.amount -= part;
          } else {
            const text = JSON.stringify(serialiseWindow(window, now + origin, each.buckets));
            now += each.outageMs;
            origin = (each.outageMs * 7919) % 100_003;
            const read = parseWindow(JSON.parse(text), now + origin);
            assert.ok(read !== null);
            window = read;
            entries = entries.map((entry) => ({ ...entry, end: null }));
          }
          const counted = entries.filter(({ atMs }) => atMs + windowMs > now);
          const exact = counted.reduce((sum, { amount }) => sum + amount, 0);
          assert.ok(used(window, now + origin) >= exact, `${used(window, now + origin)} < ${exact}`);
          assert.ok(window.buckets.length <= 64);
        }
      },
    ),
    { numRuns: 10_000 },
  );
});
