import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import {
  bookStored,
  counterIn,
  createBook,
  maxCounters,
  readBook,
  renderBook,
} from '../../../policy/limits/book.ts';
import {
  createCounter,
  drop,
  isCovered,
  notStored,
  restoreCounter,
  snapshot,
  spend,
  stored,
  take,
} from '../../../policy/limits/counter.ts';
import { place, used } from '../../../policy/limits/window.ts';

const minute = 60_000;

/** The most that may be taken now. */
function coveredBy(counter: ReturnType<typeof createCounter>): number {
  let amount = -1;
  while (amount < 1000 && isCovered(counter, amount + 1)) amount += 1;
  return amount;
}

describe('what storage counts ahead', () => {
  it('P-13: nothing may be taken before anything was stored', () => {
    assert.equal(coveredBy(createCounter(minute)), 0);
  });

  it('P-13: while a smaller chunk is being stored, the smaller one holds; when that failed, still', () => {
    for (const ends of [stored, notStored]) {
      const counter = createCounter(minute);
      snapshot(counter, 50, 0);
      assert.equal(coveredBy(counter), 0, 'not yet');
      stored(counter);
      assert.equal(coveredBy(counter), 50);
      snapshot(counter, 4, 0);
      assert.equal(coveredBy(counter), 4);
      spend(counter, 3, 0);
      assert.equal(coveredBy(counter), 1);
      ends(counter);
      assert.equal(coveredBy(counter), 1);
    }
  });

  it('P-13: while a larger one is being stored, or when nobody knows whether it was, the old one holds', () => {
    const counter = createCounter(minute);
    snapshot(counter, 5, 0);
    stored(counter);
    snapshot(counter, 50, 0);
    assert.equal(coveredBy(counter), 5);
    notStored(counter);
    assert.equal(coveredBy(counter), 5);
  });

  it('what is dropped can be taken again, what is spent cannot', () => {
    const counter = createCounter(minute);
    snapshot(counter, 5, 0);
    stored(counter);
    take(counter, 5);
    assert.equal(coveredBy(counter), 0);
    drop(counter, 2);
    spend(counter, 3, 0);
    drop(counter, 3);
    assert.equal(coveredBy(counter), 2);
  });

  it('P-13: after a crash, all that was pending or ahead was spent at the last moment at which it can have been', () => {
    const counter = createCounter(minute);
    counter.covered = 10;
    take(counter, 2);
    spend(counter, 3, 1000);
    const kept = JSON.parse(JSON.stringify(snapshot(counter, 4, 2000))) as unknown;
    const restored = restoreCounter(kept, 2000, 90_000);
    assert.ok(restored !== null);
    assert.equal(used(restored.window, 2000), 9);
    assert.equal(used(restored.window, 89_000), 6);
    assert.equal(used(restored.window, 149_000), 6);
    assert.equal(coveredBy(restored), 0);
  });
});

describe('a book', () => {
  it('holds so many counters and no more, and forgets those on which nothing counts', () => {
    const book = createBook();
    for (let index = 0; index < maxCounters; index += 1) {
      const counter = counterIn(book, `p/r/l${index}`, minute, 0);
      if (counter !== null) place(counter.window, 1, index === 0 ? 0 : minute);
    }
    assert.equal(counterIn(book, 'one/too/many', minute, 0), null);
    assert.notEqual(counterIn(book, 'one/too/many', minute, minute + 2000), null);
  });

  it('reads back what it wrote, names of any kind included', () => {
    const book = createBook();
    for (const key of ['p/r/l', '__proto__', 'constructor']) {
      const counter = counterIn(book, key, minute, 0);
      if (counter !== null) spend(counter, 7, 0);
    }
    const text = renderBook(book, () => 1, 1000);
    bookStored(book);
    const read = readBook(text, { writtenAtMs: 5_000_000, spentUntilMs: () => 5_000_000 });
    assert.deepEqual([...(read?.counters.keys() ?? [])].toSorted(), ['__proto__', 'constructor', 'p/r/l']);
    for (const { window } of read?.counters.values() ?? []) assert.equal(used(window, 5_000_000), 8);
  });

  it('keeps below what an object of etcd may be', () => {
    const book = createBook();
    for (let index = 0; index < maxCounters; index += 1) {
      const counter = counterIn(book, `${'p'.repeat(253)}/${'r'.repeat(63)}/${index}`, minute, 0);
      assert.ok(counter !== null);
      for (let at = 0; at < 64; at += 1) place(counter.window, 1e12, at * 1250);
    }
    assert.ok(renderBook(book, () => 1e12, 0, 16).length < 1024 * 1024);
  });
});
