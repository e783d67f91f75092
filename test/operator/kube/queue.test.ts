import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import { setTimeout as sleep } from 'node:timers/promises';
import fastify from 'fastify';
import { createQueue, type Next, type Queue } from '../../../operator/kube/queue.ts';
import { waitFor } from '../../cluster/deadline.ts';

const { log } = fastify({ logger: { level: 'silent' } });
const forget: Next = { kind: 'forget' };

function start(work: (key: string) => Promise<Next>, concurrency = 2): Queue {
  const queue = createQueue({ work, concurrency, log });
  queue.start();
  return queue;
}

describe('the work queue', () => {
  it('takes nothing before it is started and nothing after it is stopped', async () => {
    const worked: string[] = [];
    const queue = createQueue({ work: async (key) => (worked.push(key), forget), concurrency: 1, log });
    queue.add('early');
    queue.start();
    await queue.stop();
    queue.add('late');
    await sleep(20);
    assert.deepEqual(worked, []);
  });

  it('works on a key once, however often it was added before', async () => {
    const worked: string[] = [];
    const queue = start(async (key) => (worked.push(key), forget));
    for (let count = 0; count < 100; count += 1) queue.add('a');
    await sleep(20);
    assert.deepEqual(worked, ['a']);
    await queue.stop();
  });

  it('works again on a key that was added while it was worked on, but never twice at the same time', async () => {
    let now = 0;
    let most = 0;
    let count = 0;
    const queue = start(async () => {
      now += 1;
      most = Math.max(most, now);
      count += 1;
      await sleep(20);
      now -= 1;
      return forget;
    });
    queue.add('a');
    await sleep(10);
    queue.add('a');
    await sleep(80);
    assert.deepEqual({ most, count }, { most: 1, count: 2 });
    await queue.stop();
  });

  it('works on no more keys at once than it may', async () => {
    let now = 0;
    let most = 0;
    const queue = start(async () => {
      now += 1;
      most = Math.max(most, now);
      await sleep(5);
      now -= 1;
      return forget;
    }, 3);
    for (let key = 0; key < 20; key += 1) queue.add(String(key));
    await waitFor({ what: 'an empty queue', timeoutMs: 2_000 }, async () => queue.depth === 0 && now === 0);
    assert.equal(most, 3);
    await queue.stop();
  });

  it('O-06: a key that fails, even by throwing, waits longer each time and holds up no other', async () => {
    const times: number[] = [];
    const worked: string[] = [];
    const queue = start(async (key) => {
      if (key !== 'bad') return (worked.push(key), forget);
      times.push(performance.now());
      throw new Error('a defect');
    }, 1);
    queue.add('bad');
    queue.add('good');
    await waitFor({ what: 'four attempts', timeoutMs: 5_000 }, async () => times.length >= 4);
    assert.deepEqual(worked, ['good']);
    const gaps = times.slice(1).map((time, index) => time - (times[index] ?? 0));
    assert.ok((gaps[0] ?? 0) >= 20, `the first wait was ${gaps[0]} ms`);
    assert.ok((gaps[2] ?? 0) >= 95, `the third wait was ${gaps[2]} ms`);
    await queue.stop();
  });

  it('a change brings a failed key back at once', async () => {
    let attempts = 0;
    const queue = start(async () => {
      attempts += 1;
      return { kind: 'later', afterMs: 60_000 };
    });
    queue.add('a');
    await sleep(10);
    queue.add('a');
    await sleep(10);
    assert.equal(attempts, 2);
    await queue.stop();
  });

  it('of two delays the earlier counts', async () => {
    const startedAt = performance.now();
    let workedAfterMs = 0;
    const queue = start(async () => {
      workedAfterMs = performance.now() - startedAt;
      return forget;
    });
    queue.add('a', 60_000);
    queue.add('a', 30);
    queue.add('a', 50_000);
    await waitFor({ what: 'the work', timeoutMs: 2_000 }, async () => workedAfterMs > 0);
    assert.ok(workedAfterMs >= 28, `after ${workedAfterMs} ms`);
    await queue.stop();
  });

  it('stops only when the work that had begun is done', async () => {
    let done = false;
    const queue = start(async () => {
      await sleep(50);
      done = true;
      return forget;
    });
    queue.add('a');
    await sleep(10);
    await queue.stop();
    assert.equal(done, true);
  });
});
