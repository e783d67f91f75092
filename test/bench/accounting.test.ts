// What the bench reads from the kernel, from text as the kernel writes it.

import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import { parseCpuList } from '../../bench/cores.ts';
import { parseStat, treeCpuMicroseconds, treeOf } from '../../bench/cpu-time.ts';
import { findGroupPlace, memoryUse } from '../../bench/memory-group.ts';

describe('CPU time', () => {
  it('is refused for a process that has ended', () => {
    assert.throws(() => treeCpuMicroseconds(2 ** 30), /has ended/);
  });

  it('refuses a line that is none of stat', () => {
    assert.throws(() => parseStat('nonsense'), /not a stat line/);
  });

  it("is read past a command's name with spaces and parentheses", () => {
    const line =
      '42 (a) b (c) S 7 42 42 0 -1 4194560 100 0 0 0 250 50 20 10 20 0 1 0 5000 1000 200 18446744073709551615';
    assert.deepEqual(parseStat(line), { pid: 42, parent: 7, ticks: 330 });
  });

  it('counts all descendants and nobody else', () => {
    const all = [
      { pid: 5, parent: 4, ticks: 1 },
      { pid: 2, parent: 1, ticks: 10 },
      { pid: 4, parent: 2, ticks: 100 },
      { pid: 3, parent: 1, ticks: 1000 },
    ];
    const pids = new Set(treeOf(2, all).map(({ pid }) => pid));
    assert.deepEqual(pids, new Set([2, 4, 5]));
  });

  it('grows with what this process does', () => {
    const before = treeCpuMicroseconds(process.pid);
    // Of CPU, not of the clock: on a busy machine a process gets little of what passes.
    const start = process.cpuUsage();
    for (let spent = 0; spent < 60_000;) {
      const { user, system } = process.cpuUsage(start);
      spent = user + system;
    }
    assert.ok(treeCpuMicroseconds(process.pid) - before >= 20_000);
  });
});

describe('memory of a control group', () => {
  const one =
    'cache 1000\nrss 3000\ninactive_file 1\ntotal_rss 3000\ntotal_shmem 100\ntotal_inactive_file 700\ntotal_active_file 200\n';
  const two = 'anon 3000\nfile 1000\nshmem 100\ninactive_file 700\nactive_file 200\n';
  const counted = { usageBytes: 5000, workingSetBytes: 4300, anonymousBytes: 3100, fileBytes: 200 };

  it('is refused when the kernel does not tell the inactive pages', () => {
    assert.throws(() => memoryUse(2, '5000\n', 'anon 1\n'), /memory.stat has no inactive_file/);
  });

  it('is usage less inactive file pages, in both versions of control groups', () => {
    assert.deepEqual(memoryUse(1, '5000\n', one), counted);
    assert.deepEqual(memoryUse(2, '5000\n', two), counted);
  });

  it('is never negative', () => {
    assert.equal(memoryUse(2, '100\n', two).workingSetBytes, 0);
  });
});

describe('where a control group is made', () => {
  it('is refused where nothing hands the memory controller on', () => {
    assert.throws(() => findGroupPlace('0::/session\n', () => 'cpu io'), /no control group/);
  });

  it('is below our own group in version 1', () => {
    assert.deepEqual(
      findGroupPlace('5:cpu,cpuacct:/a\n4:memory:/b/c\n0::/d\n', () => ''),
      {
        version: 1,
        path: '/sys/fs/cgroup/memory/b/c',
      },
    );
  });

  it('is below the nearest ancestor that hands the controller on in version 2', () => {
    const control: Record<string, string> = {
      '/sys/fs/cgroup': 'cpu memory',
      '/sys/fs/cgroup/user.slice': 'memory pids\n',
    };
    const place = findGroupPlace('0::/user.slice/session-1.scope\n', (path) => control[path] ?? '');
    assert.deepEqual(place, { version: 2, path: '/sys/fs/cgroup/user.slice' });
  });
});

describe('a list of cores', () => {
  it('is read in the kernel’s form', () => {
    assert.deepEqual(parseCpuList(''), []);
    assert.deepEqual(parseCpuList('0-2,5,8-9\n'), [0, 1, 2, 5, 8, 9]);
  });
});
