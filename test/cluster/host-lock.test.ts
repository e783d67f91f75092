import assert from 'node:assert/strict';
import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { join } from 'node:path';
import { describe, it } from 'node:test';
import { acquireHostLock } from './host-lock.ts';

describe('the lock on the host', () => {
  const name = `test ${process.pid}`;

  it('is refused, with its holder, when the deadline passes', async () => {
    const lock = await acquireHostLock({ name, timeoutMs: 0 });
    try {
      await assert.rejects(
        acquireHostLock({ name, timeoutMs: 300 }),
        new RegExp(`"${name}" is still in use by process ${process.pid} `),
      );
    } finally {
      await lock.release();
    }
  });

  it('goes to one that waits as soon as it is released', async () => {
    const lock = await acquireHostLock({ name, timeoutMs: 0 });
    const waits: string[] = [];
    const next = acquireHostLock({ name, timeoutMs: 10_000, onWait: (holder) => waits.push(holder) });
    setTimeout(() => void lock.release(), 300);
    await (await next).release();
    assert.equal(waits.length, 1);
  });

  it('is free again when its holder is killed', async () => {
    const script = `
      import { acquireHostLock } from ${JSON.stringify(join(import.meta.dirname, 'host-lock.ts'))};
      await acquireHostLock({ name: ${JSON.stringify(name)}, timeoutMs: 0 });
      console.log('held');
      setInterval(() => {}, 1000);`;
    const holder = spawn(process.execPath, ['--input-type=module', '--eval', script], {
      stdio: ['ignore', 'pipe', 'inherit'],
    });
    await once(holder.stdout, 'data');
    await assert.rejects(
      acquireHostLock({ name, timeoutMs: 0 }),
      new RegExp(`in use by process ${holder.pid} `),
    );
    holder.kill('SIGKILL');
    await once(holder, 'exit');
    await (await acquireHostLock({ name, timeoutMs: 5_000 })).release();
  });
});
