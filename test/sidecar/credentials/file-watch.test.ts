import assert from 'node:assert/strict';
import { mkdirSync, mkdtempSync, renameSync, rmSync, utimesSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { after, before, describe, test } from 'node:test';
import type { FileSource } from '../../../policy/ruleset-credential.ts';
import { createFileProvider } from '../../../sidecar/credentials/file.ts';
import { createVolume } from './volume.ts';

let directory = '';
before(() => {
  directory = mkdtempSync(join(tmpdir(), 'outrider-watch-'));
});
after(() => rmSync(directory, { recursive: true, force: true }));

interface Watching {
  /** Waits for this many calls in all, at most 5 s. */
  until(calls: number): Promise<void>;
  calls(): number;
  stop(): void;
}

/** @param pollMs far beyond the test's end where the kernel alone must tell. */
function watch(source: Omit<FileSource, 'kind'>, pollMs: number, from: string | null = directory): Watching {
  let calls = 0;
  const provider = createFileProvider({ directory: from, pollMs });
  const stop =
    provider.watch?.({ kind: 'file', ...source }, () => (calls += 1)) ?? assert.fail('does not watch');
  return {
    async until(count) {
      const deadline = performance.now() + 5000;
      const isDone = (): boolean => calls >= count || performance.now() > deadline;
      while (!isDone()) await sleep(10);
      assert.equal(calls, count);
    },
    calls: () => calls,
    stop,
  };
}

const never = 3_600_000;
const quick = 50;

describe('a file that is watched', () => {
  const ways: Record<string, [name: string, pollMs: number, change: (file: string) => void]> = {
    'is written in place': ['in-place', never, (file) => writeFileSync(file, 'second')],
    'is replaced by a rename': [
      'renamed',
      never,
      (file) => {
        writeFileSync(`${file}.new`, 'second');
        renameSync(`${file}.new`, file);
      },
    ],
    'goes away': ['gone', never, (file) => rmSync(file)],
    'lies deeper, where only looking helps': ['deep/er', quick, (file) => writeFileSync(file, 'second')],
    'is rewritten to the same size and time': [
      'deep/touched',
      quick,
      (file) => {
        writeFileSync(file, 'f1rst');
        utimesSync(file, 1, 1);
      },
    ],
    'is replaced by one of the same size and time': [
      'deep/same',
      quick,
      (file) => {
        writeFileSync(`${file}.new`, 'f1rst');
        utimesSync(`${file}.new`, 1, 1);
        renameSync(`${file}.new`, file);
      },
    ],
  };
  for (const [what, [path, pollMs, change]] of Object.entries(ways)) {
    test(`tells once when it ${what}`, async () => {
      const file = join(directory, path);
      mkdirSync(join(file, '..'), { recursive: true });
      writeFileSync(file, 'first');
      utimesSync(file, 1, 1);
      const watching = watch({ path }, pollMs);
      try {
        await sleep(150);
        assert.equal(watching.calls(), 0);
        change(file);
        await watching.until(1);
        await sleep(250);
        assert.equal(watching.calls(), 1);
      } finally {
        watching.stop();
      }
    });
  }

  for (const [what, pollMs] of [
    ['by the kernel', never],
    ['by looking', quick],
  ] as const) {
    test(`P-20: tells of each swap of a volume, ${what}`, async () => {
      const name = `swap-${pollMs}`;
      const volume = createVolume(join(directory, `secret.${name}`), { token: 'first' });
      const watching = watch({ volume: { secret: name }, path: 'token' }, pollMs);
      try {
        for (const round of [1, 2, 3]) {
          volume.swap({ token: `value ${round}` });
          await watching.until(round);
          await sleep(150);
        }
        assert.equal(watching.calls(), 3);
      } finally {
        watching.stop();
      }
    });
  }

  test('tells when its volume comes, goes and comes again', async () => {
    const root = join(directory, 'csi.late');
    const watching = watch({ volume: { csi: 'late' }, path: 'token' }, quick);
    try {
      mkdirSync(root);
      writeFileSync(join(root, 'token'), 'first');
      await watching.until(1);
      rmSync(root, { recursive: true });
      await watching.until(2);
      mkdirSync(root);
      writeFileSync(join(root, 'token'), 'first');
      await watching.until(3);
    } finally {
      watching.stop();
    }
  });

  test('tells nothing of other files, nor after it was stopped', async () => {
    writeFileSync(join(directory, 'quiet'), 'first');
    const watching = watch({ path: 'quiet' }, quick);
    writeFileSync(join(directory, 'other'), 'x');
    await sleep(250);
    watching.stop();
    writeFileSync(join(directory, 'quiet'), 'second');
    await sleep(250);
    assert.equal(watching.calls(), 0);
  });

  test('tells one change of a burst of writes, or few', async () => {
    const file = join(directory, 'burst');
    writeFileSync(file, 'first');
    const watching = watch({ path: 'burst' }, never);
    try {
      for (let round = 0; round < 200; round += 1) writeFileSync(file, `${round}`);
      await sleep(400);
      assert.ok(watching.calls() >= 1 && watching.calls() <= 3, `${watching.calls()} calls`);
    } finally {
      watching.stop();
    }
  });

  test('is none where the sidecar was given no directory, or where the path names nothing', async () => {
    for (const watching of [watch({ path: 'x' }, quick, null), watch({ path: 'absent/x\0' }, quick)]) {
      await sleep(120);
      assert.equal(watching.calls(), 0);
      watching.stop();
    }
  });
});
