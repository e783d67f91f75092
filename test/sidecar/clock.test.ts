import assert from 'node:assert/strict';
import { beforeEach, describe, test } from 'node:test';
import { createClock, type Clock } from '../../sidecar/clock.ts';

const minute = 60_000;
const start = Date.parse('2026-11-23T09:00:00Z');

let wall = start;
let monotonic = 1000;
let clock: Clock;

/** Time passes, for both clocks. */
function pass(ms: number): void {
  wall += ms;
  monotonic += ms;
}

beforeEach(() => {
  wall = start;
  monotonic = 1000;
  clock = createClock({ wallMs: () => wall, monotonicMs: () => monotonic });
});

describe('P-14: the clock is in doubt', () => {
  for (const [title, ms] of Object.entries({ ahead: 10 * minute, back: -10 * minute })) {
    test(`once the wall clock steps ${title}, and stays so although it steps back`, () => {
      wall += ms;
      assert.equal(clock.nowMs(), null);
      wall -= ms;
      assert.equal(clock.nowMs(), null);
    });
  }

  test('once small steps have added up', () => {
    for (let at = 0; at < 3; at += 1) {
      assert.notEqual(clock.nowMs(), null);
      wall += 25_000;
    }
    assert.equal(clock.nowMs(), null);
  });

  test('after the machine has slept, which the monotonic clock does not count', () => {
    wall += 60 * minute;
    assert.equal(clock.nowMs(), null);
  });

  test('when the operator says another time, although nothing has stepped', () => {
    clock.confirm(wall + 2 * minute);
    assert.equal(clock.nowMs(), null);
  });

  test('until the operator says the same time, not merely any', () => {
    wall += 10 * minute;
    assert.equal(clock.nowMs(), null);
    clock.confirm(start);
    assert.equal(clock.nowMs(), null);
    clock.confirm(wall);
    assert.equal(clock.nowMs(), wall);
  });

  test('again at a step after it was confirmed', () => {
    clock.confirm(wall);
    wall += 2 * minute;
    assert.equal(clock.nowMs(), null);
  });
});

describe('the clock is believed', () => {
  test('from the start, and however long time passes for both clocks', () => {
    for (let at = 0; at < 100; at += 1) {
      assert.equal(clock.nowMs(), wall);
      pass(24 * 60 * minute);
    }
  });

  test('while it drifts less than a minute', () => {
    wall += 50_000;
    assert.equal(clock.nowMs(), wall);
    wall -= 100_000;
    assert.equal(clock.nowMs(), wall);
  });

  test('while the operator corrects what drift adds up to', () => {
    for (let at = 0; at < 10; at += 1) {
      pass(10_000);
      wall += 30_000;
      clock.confirm(wall - 1000);
      assert.equal(clock.nowMs(), wall);
    }
  });

  test('with the time of this machine when nobody says otherwise', () => {
    const now = createClock().nowMs();
    assert.ok(now !== null && Math.abs(now - Date.now()) < minute);
  });
});
