import assert from 'node:assert/strict';
import { spawn } from 'node:child_process';
import { mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { after, afterEach, before, beforeEach, describe, it } from 'node:test';
import { fileURLToPath } from 'node:url';
import { createBook, counterIn, renderBook } from '../../../policy/limits/book.ts';
import { hasRoom, spend } from '../../../policy/limits/counter.ts';
import { createKeptCounters } from '../../../sidecar/limits/kept-counters.ts';

const minute = 60_000;
let folder = '';
let directory = '';
let codes: string[] = [];

before(() => {
  folder = mkdtempSync(join(tmpdir(), 'outrider-counters-'));
});
after(() => rmSync(folder, { recursive: true, force: true }));
beforeEach(() => {
  directory = mkdtempSync(join(folder, 'state-'));
});
afterEach(() => {
  codes = [];
});

function keptAt(nowMs: number, boot: string | null = 'boot-1') {
  const clock = { now: () => nowMs, boot };
  return createKeptCounters({ directory, onFailure: ({ code }) => codes.push(code), clock });
}

/** Five units of ten, spent at one second, and two ahead. */
async function keepFive(boot: string | null = 'boot-1'): Promise<void> {
  const book = createBook();
  const counter = counterIn(book, 'p/r/l', minute, 1000);
  if (counter !== null) spend(counter, 5, 1000);
  await keptAt(1000, boot).save(
    renderBook(book, () => 2, 1000),
    1000,
  );
}

/** How much of ten is left. */
function leftAt(nowMs: number, boot: string | null = 'boot-1', key = 'p/r/l'): number {
  const counter = counterIn(keptAt(nowMs, boot).load(), key, minute, nowMs);
  const amounts = [10, 9, 8, 7, 6, 5, 4, 3, 2, 1, 0];
  return amounts.find((amount) => counter !== null && hasRoom(counter, amount, 10, nowMs)) ?? NaN;
}

describe('what cannot be read is full for one window', () => {
  const garbage: Readonly<Record<string, string>> = {
    'an empty file': '',
    'half a file': '{"boot":"boot-1","atMs":1000}\n{"format":1,"lostAgeMs":nu',
    'no header': '{"format":1,"lostAgeMs":null,"counters":{}}',
    'another format': '{"boot":"boot-1","atMs":1000}\n{"format":2,"lostAgeMs":null,"counters":{}}',
    'a counter that is none':
      '{"boot":"boot-1","atMs":1000}\n{"format":1,"lostAgeMs":null,"counters":{"p/r/l":{}}}',
    'bytes that are no text': '\u0000\u0001',
  };
  for (const [what, text] of Object.entries(garbage)) {
    it(`${what}: nothing is left, whatever the counter, until the window ends (P-13)`, () => {
      writeFileSync(join(directory, 'counters.json'), text);
      const book = keptAt(5000).load();
      assert.deepEqual(codes, ['COUNTERS_UNREADABLE']);
      const counter = counterIn(book, 'any/other/one', minute, 5000);
      assert.ok(counter !== null && !hasRoom(counter, 1, 1e12, 5000 + minute - 1));
      assert.ok(hasRoom(counter, 10, 10, 5000 + 2 * minute));
    });
  }

  it('and stays so over another restart', async () => {
    writeFileSync(join(directory, 'counters.json'), 'garbage');
    const kept = keptAt(5000);
    const book = kept.load();
    await kept.save(
      renderBook(book, () => 0, 6000),
      6000,
    );
    assert.equal(leftAt(30_000), 0);
    assert.equal(leftAt(5000 + 2 * minute), 10);
  });
});

describe('ages after a restart', () => {
  it('a new pod has spent nothing', () => assert.equal(leftAt(0), 10));

  it('P-13: on the same boot they go on, and what was stored ahead was spent just now', async () => {
    await keepFive();
    assert.equal(leftAt(2000), 3);
    assert.equal(leftAt(1000 + 1.5 * minute), 8, 'the five have expired, the two count from the restart');
  });

  it('P-13: after another boot nothing has aged, whatever the clocks say', async () => {
    await keepFive();
    assert.equal(leftAt(1e12, 'boot-2'), 3);
    assert.equal(leftAt(0, 'boot-2'), 3);
  });

  it('P-13: a clock that is behind the file is another boot’s', async () => {
    await keepFive();
    assert.equal(leftAt(10), 3);
  });

  it('without a boot id nothing ages', async () => {
    await keepFive(null);
    assert.equal(leftAt(1e12, null), 3);
  });
});

it('a directory that cannot be written is a failure with a code', async () => {
  const kept = createKeptCounters({ directory: join(directory, 'none'), onFailure: () => {} });
  await assert.rejects(kept.save('', 0), { code: 'COUNTERS_UNWRITABLE' });
});

it(
  'P-13: a process that is killed again and again spends no more than the limit',
  { timeout: 60_000 },
  async (t) => {
    const max = 2000;
    let spent = 0;
    let kills = 0;
    for (let isDone = false; !isDone;) {
      const child = spawn(
        process.execPath,
        [fileURLToPath(new URL('./spender.ts', import.meta.url)), directory, String(max)],
        { stdio: ['ignore', 'pipe', 'inherit'] },
      );
      const exit = new Promise((resolve) => child.on('exit', resolve));
      const chunks: Buffer[] = [];
      child.stdout.once('data', () => setTimeout(() => child.kill('SIGKILL'), Math.random() * 30));
      child.stdout.on('data', (chunk: Buffer) => chunks.push(chunk));
      await Promise.all([exit, new Promise((resolve) => child.stdout.on('close', resolve))]);
      const output = chunks.join('');
      isDone = output.endsWith('!');
      kills += isDone ? 0 : 1;
      spent += output.replace('!', '').length;
    }
    t.diagnostic(`${spent} of ${max} were sent over ${kills} kills`);
    assert.ok(spent <= max && spent > 0, `${spent}`);
    assert.match(readFileSync(join(directory, 'counters.json'), 'utf8'), /"support\/refund\/rate"/);
  },
);
