import assert from 'node:assert/strict';
import { describe, test } from 'node:test';
import fc from 'fast-check';
import {
  checkRotationSettings,
  clockSkewMs,
  planRotation,
  type Generation,
  type RotationPlan,
} from '../../../operator/webhook/rotation.ts';

const minuteMs = 60_000;
const dayMs = 24 * 60 * minuteMs;
const settings = { lifetimeMs: 365 * dayMs, overlapMs: 30 * dayMs };

/** A CA that was minted on a day, as the authority dates it. */
function mintedOn(day: number, number: number): Generation {
  return { number, notBeforeMs: day * dayMs - clockSkewMs, notAfterMs: day * dayMs + settings.lifetimeMs };
}

function planOn(day: number, ...generations: Generation[]): RotationPlan {
  return planRotation(generations, settings, day * dayMs);
}

describe('the rotation of the CA', () => {
  const first = mintedOn(0, 1);
  const second = mintedOn(305, 2);
  const cases: Record<string, { plan: RotationPlan; is: Partial<RotationPlan> }> = {
    'without a CA one is minted, and nothing signs until then': {
      plan: planOn(0),
      is: { bundle: [], signer: null, mint: true },
    },
    'the first CA signs at once': {
      plan: planOn(0, first),
      is: { bundle: [1], signer: 1, mint: false, changesAtMs: 305 * dayMs },
    },
    'nothing happens before two overlaps are left': {
      plan: planOn(304.9, first),
      is: { bundle: [1], signer: 1, mint: false, changesAtMs: 305 * dayMs },
    },
    'the next CA is minted two overlaps before the old one expires': {
      plan: planOn(305, first),
      is: { bundle: [1], signer: 1, mint: true },
    },
    'a CA that was just announced does not sign': {
      plan: planOn(305, first, second),
      is: { bundle: [1, 2], signer: 1, mint: false, changesAtMs: 335 * dayMs },
    },
    'it signs one overlap before the old one expires': {
      plan: planOn(335, first, second),
      is: { bundle: [1, 2], signer: 2, mint: false, changesAtMs: 365 * dayMs },
    },
    'the old one stays in the bundle until it expires': {
      plan: planOn(364.9, first, second),
      is: { bundle: [1, 2], signer: 2 },
    },
    'an expired CA leaves the bundle': {
      plan: planOn(365, first, second),
      is: { bundle: [2], signer: 2, mint: false, changesAtMs: 610 * dayMs },
    },
    'the order in which they are read does not matter': {
      plan: planOn(335, second, first),
      is: { bundle: [1, 2], signer: 2 },
    },
    'a CA that is announced late is still announced for one overlap': {
      plan: planOn(339, first, mintedOn(310, 2)),
      is: { signer: 1, changesAtMs: 340 * dayMs },
    },
    'one that is announced too late is announced for half of what is left': {
      plan: planOn(362.4, first, mintedOn(360, 2)),
      is: { bundle: [1, 2], signer: 1, changesAtMs: 362.5 * dayMs },
    },
    'and then signs, while the old one is still trusted': {
      plan: planOn(362.5, first, mintedOn(360, 2)),
      is: { bundle: [1, 2], signer: 2 },
    },
    'one that an upgrade with a longer overlap calls for at once does not sign at once': {
      plan: planRotation([{ ...first, notAfterMs: 2 * minuteMs }, mintedOn(0, 2)], settings, minuteMs - 1000),
      is: { bundle: [1, 2], signer: 1, changesAtMs: minuteMs },
    },
    'after a long sleep the expired CA is gone and the new one signs at once': {
      plan: planOn(500, first, mintedOn(500, 2)),
      is: { bundle: [2], signer: 2, mint: false },
    },
    'when all have expired, one is minted': {
      plan: planOn(1000, first, second),
      is: { bundle: [], signer: null, mint: true },
    },
  };
  for (const [sentence, { plan, is }] of Object.entries(cases)) {
    test(sentence, () => {
      assert.deepEqual({ ...plan, ...is }, plan);
    });
  }

  test('an overlap that leaves no time in between is refused', () => {
    assert.throws(() => checkRotationSettings({ lifetimeMs: 100, overlapMs: 34 }), /at least three times/);
    assert.throws(() => checkRotationSettings({ lifetimeMs: 100, overlapMs: 0 }), /at least three times/);
    assert.throws(
      () => checkRotationSettings({ lifetimeMs: Number.NaN, overlapMs: 1 }),
      /at least three times/,
    );
    checkRotationSettings({ lifetimeMs: 90, overlapMs: 30 });
  });

  test('over years, whoever looks at least once an overlap never meets a signature it was not told of', () => {
    const shapes = fc.record({
      overlapMs: fc.integer({ min: 1000, max: 60 * dayMs }),
      ratio: fc.integer({ min: 3, max: 40 }),
      steps: fc.array(fc.double({ min: 0.01, max: 0.99, noNaN: true }), { minLength: 50, maxLength: 300 }),
    });
    fc.assert(
      fc.property(shapes, ({ overlapMs, ratio, steps }) => {
        const rotation = { overlapMs, lifetimeMs: ratio * overlapMs };
        let nowMs = 0;
        let generations: Generation[] = [];
        let known: readonly number[] = [];
        for (const step of steps) {
          const before = planRotation(generations, rotation, nowMs);
          if (before.mint) {
            const number = (generations.at(-1)?.number ?? 0) + 1;
            generations = generations.filter((generation) => before.bundle.includes(generation.number));
            const dates = { notBeforeMs: nowMs - clockSkewMs, notAfterMs: nowMs + rotation.lifetimeMs };
            generations.push({ number, ...dates });
          }
          const plan = planRotation(generations, rotation, nowMs);
          assert.equal(plan.mint, false);
          assert.ok(plan.signer !== null && plan.bundle.includes(plan.signer));
          if (known.length > 0) assert.ok(known.includes(plan.signer), `${plan.signer} was not announced`);
          assert.ok(plan.changesAtMs > nowMs);
          known = plan.bundle;
          nowMs += step * overlapMs;
        }
      }),
    );
  });
});
