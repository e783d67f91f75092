// What the sidecar costs a node in memory, as the kubelet counts it: idle, and at 1,000 requests a second, beside an
// empty Node process.

import { closeSync, openSync, readSync } from 'node:fs';
import { setTimeout as sleep } from 'node:timers/promises';
import type { RunFolder } from '../test/cluster/run-folder.ts';
import { startServer } from '../test/cluster/server-process.ts';
import type { MemoryArguments } from './arguments.ts';
import type { Cores } from './cores.ts';
import { createMemoryGroup, type MemoryGroup, type MemoryUse } from './memory-group.ts';
import { startOutrider } from './outrider.ts';
import type { Figure } from './report.ts';
import { setScene } from './scene.ts';
import type { SidecarImage } from './sidecar-image.ts';
import { median, rounded } from './statistics.ts';

const requestsPerSecond = 1000;
/** Start-up garbage is collected, or never will be while nothing happens. */
const restMs = 10_000;
const idleMs = 10_000;
const sampleEveryMs = 250;

export async function measureMemory(
  run: RunFolder,
  cores: Cores,
  image: SidecarImage,
  { seconds, connections }: MemoryArguments,
): Promise<Figure> {
  warmPageCache(process.execPath);
  const bareGroup = createMemoryGroup('bare');
  const group = createMemoryGroup('sidecar');
  startBareNode(run, bareGroup);
  const scene = await setScene(run);
  const outrider = await startOutrider({
    run,
    core: cores.proxy,
    image,
    neighbours: scene.neighbours,
    group,
    profiled: false,
  });
  process.stderr.write('bench: the sidecar is ready; letting it rest\n');
  await sleep(restMs);
  const idle = await sample([group, bareGroup], sleep(idleMs));
  const load = await scene.load(outrider, connections);
  process.stderr.write(`bench: ${requestsPerSecond} requests a second for ${seconds} s\n`);
  const pace = load.paced({ perSecond: requestsPerSecond, ms: seconds * 1000 }, seconds * 1000 + 30_000);
  const loaded = await sample([group], pace);
  const { completed, lengthMs, p50Ms, p99Ms, reopened } = await pace;
  const rate = (completed / lengthMs) * 1000;
  if (rate < requestsPerSecond * 0.99)
    throw new Error(`only ${rate.toFixed(0)} requests a second went through`);

  const idleUse = middle(idle, 0);
  const bareUse = middle(idle, 1);
  const loadedUse = highest(loaded, 0);
  return {
    json: { idleMiB: mebibytes(idleUse), loadedMiB: mebibytes(loadedUse), bareMiB: mebibytes(bareUse) },
    title: "memory of the container's control group as the kubelet counts it (usage − inactive file pages)",
    columns: ['state', 'MiB', 'anonymous and tmpfs', 'file in use', 'kernel'],
    rows: [
      rowOf('bare Node', bareUse),
      rowOf('sidecar, idle', idleUse),
      rowOf(`sidecar, ${requestsPerSecond} requests/s`, loadedUse),
    ],
    notes: [
      `idle and bare: median of ${idleMs / 1000} s after ${restMs / 1000} s of rest; loaded: the highest of ${seconds} s`,
      `the sidecar holds ${scene.neighbours.rules} rules and one credential, read from Vault through node-vault`,
      `load: ${rate.toFixed(0)} requests/s through ${connections} tunnels, p50 ${p50Ms} ms, p99 ${p99Ms} ms, ${reopened} reopened`,
      `Node's own binary was in the page cache before, as on a node where another pod runs it; control groups version ${group.version}`,
    ],
  };
}

function startBareNode(run: RunFolder, group: MemoryGroup): void {
  startServer(run, 'bare', 'sh', [
    '-c',
    'echo $$ >"$1" && shift && exec "$@"',
    'sh',
    group.processesPath,
    process.execPath,
    '-e',
    'setInterval(() => {}, 2 ** 30)',
  ]);
}

/** A page is charged to the group that first touches it; read here, the binary's are charged to nobody measured. */
function warmPageCache(path: string): void {
  const buffer = Buffer.alloc(1024 * 1024);
  const file = openSync(path, 'r');
  while (readSync(file, buffer) > 0);
  closeSync(file);
}

/** Of each group, until `end`. */
async function sample(
  groups: readonly MemoryGroup[],
  end: Promise<unknown>,
): Promise<readonly MemoryUse[][]> {
  const ended = end.then(
    () => true,
    () => true,
  );
  const samples: MemoryUse[][] = groups.map(() => []);
  do {
    groups.forEach((group, index) => samples[index]?.push(group.read()));
  } while (!(await Promise.race([ended, sleep(sampleEveryMs, false)])));
  return samples;
}

function middle(samples: readonly MemoryUse[][], index: number): MemoryUse {
  const sorted = (samples[index] ?? []).toSorted((a, b) => a.workingSetBytes - b.workingSetBytes);
  const limit = median(sorted.map(({ workingSetBytes }) => workingSetBytes));
  return sorted.find(({ workingSetBytes }) => workingSetBytes >= limit) ?? none();
}

function highest(samples: readonly MemoryUse[][], index: number): MemoryUse {
  return (samples[index] ?? []).toSorted((a, b) => b.workingSetBytes - a.workingSetBytes)[0] ?? none();
}

function none(): never {
  throw new Error('nothing was sampled');
}

function mebibytes({ workingSetBytes }: { readonly workingSetBytes: number }): number {
  return rounded(workingSetBytes / 2 ** 20, 1);
}

function rowOf(state: string, use: MemoryUse): string[] {
  const { workingSetBytes, anonymousBytes, fileBytes } = use;
  const parts = [workingSetBytes, anonymousBytes, fileBytes, workingSetBytes - anonymousBytes - fileBytes];
  return [state, ...parts.map((bytes) => (bytes / 2 ** 20).toFixed(1))];
}
