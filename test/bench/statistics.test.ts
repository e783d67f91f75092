import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import { median, overlaps, quantile, rounded, spreadOf } from '../../bench/statistics.ts';

describe('what is said of repeated measurements', () => {
  it('says nothing of nothing', () => {
    assert.throws(() => median([]), RangeError);
  });

  it('takes the middle, or the mean of the two middle ones, in any order', () => {
    assert.equal(median([9]), 9);
    assert.equal(median([30, 10, 20]), 20);
    assert.equal(median([40, 10, 30, 20]), 25);
  });

  it('interpolates quantiles between the closest ranks', () => {
    assert.equal(quantile([1, 2, 3, 4, 5], 0), 1);
    assert.equal(quantile([1, 2, 3, 4, 5], 1), 5);
    assert.equal(quantile([0, 10], 0.99), 9.9);
  });

  it('leaves what it was given in its order', () => {
    const values = [3, 1, 2];
    median(values);
    assert.deepEqual(values, [3, 1, 2]);
  });

  it('finds no difference inside the spreads', () => {
    const slow = spreadOf([80, 84, 82]);
    assert.deepEqual(slow, { median: 82, least: 80, most: 84 });
    assert.ok(overlaps(slow, spreadOf([70, 75, 80])));
    assert.ok(!overlaps(slow, spreadOf([70, 75, 79])));
  });

  it('keeps as many digits as are meant', () => {
    assert.equal(rounded(0.98765, 3), 0.988);
    assert.equal(rounded(82, 1), 82);
  });
});
