// What an honest agent sees while another one of its pod misbehaves: its p99 under each flood beside the usual one of the same
// minute. Agents, origin and sidecar are those of test/sidecar/flood; the sidecar has a core of its own.

import { execFileSync } from 'node:child_process';
import { join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { attacks } from '../test/sidecar/flood/attacks.ts';
import type { Honesty } from '../test/sidecar/flood/honest-agent.ts';
import { useOf } from '../test/sidecar/flood/process-use.ts';
import { startFloodScene, type FloodScene } from '../test/sidecar/flood/scene.ts';
import type { FloodArguments } from './arguments.ts';
import { startConversation } from './conversation.ts';
import { chooseCores } from './cores.ts';
import type { FloodOrder } from './flood-agent.ts';
import type { Figure } from './report.ts';
import { quantile, rounded } from './statistics.ts';

/** Caches and compilers come to rest. */
const warmUpMs = 2000;
const sampleEveryMs = 50;
/** Connections that were held are gone, and what they left is collected. */
const restMs = 1000;

interface Row {
  readonly p50Ms: number;
  readonly p99Ms: number;
  readonly answers: number;
  readonly failures: number;
  readonly privateMiB: number;
  readonly stallMs: number;
}

export async function measureFlood({ seconds, only }: FloodArguments): Promise<Figure> {
  const cores = chooseCores();
  pin(process.pid, cores.others);
  const usual: Row[] = [];
  const rows: (readonly [name: string, usual: Row, flooded: Row])[] = [];
  for (const name of only ?? Object.keys(attacks)) {
    // A process of its own each, so that none inherits what another left.
    const scene = await startFloodScene();
    try {
      pin(scene.pid, cores.proxy);
      await measure(scene, null, warmUpMs);
      const quiet = await measure(scene, null, seconds * 1000);
      const flooded = await measure(scene, name, seconds * 1000);
      usual.push(quiet);
      rows.push([name, quiet, flooded]);
      process.stderr.write(
        `bench: ${name}: p99 ${flooded.p99Ms.toFixed(2)} ms, usually ${quiet.p99Ms.toFixed(2)} ms\n`,
      );
    } finally {
      await scene.close();
    }
  }
  return figureOf(rows);
}

function pin(pid: number, core: number): void {
  execFileSync('taskset', ['-a', '-p', '-c', String(core), String(pid)], { stdio: 'ignore' });
}

async function measure(scene: FloodScene, attack: string | null, lengthMs: number): Promise<Row> {
  const script = join(import.meta.dirname, 'flood-agent.ts');
  const [honest, hostile] = ['honest', 'hostile'].map((name) =>
    startConversation<Honesty>(`the ${name} agent`, script),
  );
  const order = (name: string | null): FloodOrder => ({ target: scene.target, attack: name, lengthMs });
  await scene.stalls();
  let privateMiB = 0;
  const sampler = setInterval(() => {
    privateMiB = Math.max(privateMiB, useOf(scene.pid).privateMiB);
  }, sampleEveryMs);
  try {
    const flooding = attack === null ? null : hostile?.ask(order(attack), lengthMs + 60_000);
    const seen = await honest?.ask(order(null), lengthMs + 60_000);
    await flooding;
    const { maxMs: stallMs } = await scene.stalls();
    if (seen === undefined || seen.latenciesMs.length === 0)
      throw new Error('the honest agent had no answer');
    await sleep(restMs);
    return {
      p50Ms: quantile(seen.latenciesMs, 0.5),
      p99Ms: quantile(seen.latenciesMs, 0.99),
      answers: seen.latenciesMs.length,
      failures: seen.failures.length + seen.freshFailures.length,
      privateMiB,
      stallMs,
    };
  } finally {
    clearInterval(sampler);
    honest?.end();
    hostile?.end();
  }
}

function figureOf(rows: readonly (readonly [name: string, usual: Row, flooded: Row])[]): Figure {
  const ratio = (usual: Row, flooded: Row): number => rounded(flooded.p99Ms / usual.p99Ms, 2);
  return {
    json: Object.fromEntries(
      rows.map(([name, usual, flooded]) => [
        name,
        {
          usualP99Ms: rounded(usual.p99Ms, 2),
          p99Ms: rounded(flooded.p99Ms, 2),
          ratio: ratio(usual, flooded),
          failures: flooded.failures,
          privateMiB: flooded.privateMiB,
          stallMs: flooded.stallMs,
        },
      ]),
    ),
    title: 'an honest agent while another one floods the sidecar',
    columns: [
      'flood',
      'usual p99 ms',
      'p50 ms',
      'p99 ms',
      'ratio',
      'answers',
      'failed',
      'private MiB',
      'stall ms',
    ],
    rows: rows.map(([name, usual, flooded]) => [
      name,
      usual.p99Ms.toFixed(2),
      flooded.p50Ms.toFixed(2),
      flooded.p99Ms.toFixed(2),
      ratio(usual, flooded).toFixed(2),
      String(flooded.answers),
      String(flooded.failures),
      flooded.privateMiB.toFixed(1),
      String(flooded.stallMs),
    ]),
    notes: [
      'ratio: p99 under the flood by the usual one of the same minute; at most 2 is the goal',
      "private: the most memory that was the process's alone; stall: the longest time that its event loop stood still",
      "the agents and the origin share a core, so a flood also takes from the honest agent's own",
    ],
  };
}
