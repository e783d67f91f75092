// The denial-of-service table (threats D): while one agent misbehaves, another one in the pod is answered, and the sidecar
// stays within its memory and gives back what it held. Latencies are printed, and measured by `npm run bench -- flood`: on a
// busy machine they say more of the machine.

import assert from 'node:assert/strict';
import { describe, test } from 'node:test';
import { setTimeout as sleep } from 'node:timers/promises';
import { waitFor } from '../../cluster/deadline.ts';
import { attacks, type Attack } from './attacks.ts';
import { open, openTls } from './connection.ts';
import { startHonestAgent } from './honest-agent.ts';
import { run } from '../tls/program.ts';
import { useOf, type ProcessUse } from './process-use.ts';
import { startFloodScene, type FloodScene } from './scene.ts';

/** Of the container that injection writes. Pages of Node's binary are shared by a node's pods, so they do not count. */
const limitMiB = 128;
const attackMs = 2000;

describe('D: an honest agent is answered, and memory stays within its limit, under a flood of', () => {
  for (const [title, attack] of Object.entries(attacks)) {
    test(title, { timeout: 60_000 }, async (context) => {
      const scene = await startFloodScene();
      context.after(() => scene.close());
      await flood(scene, attack, (line) => context.diagnostic(line));
    });
  }
});

async function flood(scene: FloodScene, attack: Attack, say: (line: string) => void): Promise<void> {
  const before = scene.use();
  await scene.stalls();
  const honest = await startHonestAgent(scene.target, { path: '/plain', expected: 'hello' });
  const over = new AbortController();
  const attacking = attack(scene.target, over.signal);
  const uses: ProcessUse[] = [];
  for (const endsAtMs = performance.now() + attackMs; performance.now() < endsAtMs; await sleep(50)) {
    assert.equal(scene.pod.process.exitCode ?? scene.pod.process.signalCode, null, scene.pod.stderr());
    uses.push(useOf(scene.pid));
  }
  const { latenciesMs, freshMs, failures, freshFailures } = await honest.stop();
  over.abort();
  await attacking;
  const { maxMs } = await scene.stalls();
  const most = (name: keyof ProcessUse): number => Math.max(...uses.map((use) => use[name]));
  const sorted = latenciesMs.toSorted((a, b) => a - b);
  const quantile = (share: number): string => (sorted[Math.floor(sorted.length * share)] ?? 0).toFixed(1);
  say(
    `${sorted.length} answers, p50 ${quantile(0.5)} ms, p99 ${quantile(0.99)} ms; ${freshMs.length} on new connections, ` +
      `${freshFailures.length} not; private ${before.privateMiB} to ${most('privateMiB')} MiB (resident ` +
      `${most('residentMiB')}), ${most('descriptors')} descriptors; longest stall ${maxMs} ms`,
  );
  assert.deepEqual(failures, [], 'the kept connection');
  assert.ok(freshMs.length > freshFailures.length, `new connections: ${freshFailures.join()}`);
  assert.ok(most('privateMiB') < limitMiB, `${most('privateMiB')} MiB`);
  const wait = { what: 'the end of all connections', timeoutMs: 25_000, everyMs: 50 };
  await waitFor(wait, async () => scene.use().descriptors <= before.descriptors + 8);
}

test(
  'D: a process that may open no more descriptors refuses, lives on, and serves again',
  { timeout: 60_000 },
  async (context) => {
    const scene = await startFloodScene();
    context.after(() => scene.close());
    const { descriptors } = scene.use();
    const limit = (soft: string): Promise<string> =>
      run('prlimit', ['--pid', String(scene.pid), `--nofile=${soft}:`]);
    await limit(String(descriptors + 10));
    const sockets = await Promise.all(Array.from({ length: 100 }, () => open(scene.target.proxyPort)));
    const hungry = await Promise.all(Array.from({ length: 5 }, () => openTls(scene.target)));
    await sleep(500);
    assert.equal(scene.pod.process.exitCode ?? scene.pod.process.signalCode, null, scene.pod.stderr());
    for (const socket of [...sockets, ...hungry]) socket?.destroy();
    await limit('1024');
    const wait = { what: 'an answer', timeoutMs: 20_000, everyMs: 100, evidence: () => scene.pod.stderr() };
    await waitFor(wait, async () => {
      const honest = await startHonestAgent(scene.target, { path: '/plain', expected: 'hello' });
      await sleep(200);
      const { latenciesMs, failures } = await honest.stop();
      return failures.length === 0 && latenciesMs.length > 0;
    });
  },
);
