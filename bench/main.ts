// Measures what is promised of the sidecar's cost, beside a peer in the same run; README.md says how to read it.
// Run: npm run bench -- intercept, or memory, decide, latency, flood

import { execFileSync } from 'node:child_process';
import { readFileSync } from 'node:fs';
import { join, resolve } from 'node:path';
import { acquireHostLock } from '../test/cluster/host-lock.ts';
import { requireCommands } from '../test/cluster/packages.ts';
import { createRunFolder, removeAbandonedRunFolders, removeRunFolder } from '../test/cluster/run-folder.ts';
import {
  parseArguments,
  usage,
  UsageError,
  type Arguments,
  type DecideArguments,
  type FloodArguments,
} from './arguments.ts';
import { chooseCores } from './cores.ts';
import { measureDecide } from './decide.ts';
import { measureFlood } from './flood.ts';
import { removeMemoryGroups } from './memory-group.ts';
import { renderFigure, type Figure } from './report.ts';
import { enterRoom } from './room.ts';
import { repository } from './sidecar-image.ts';
import { certificateGenerator } from './squid.ts';

/** Long after a run of the largest bounds would be done. */
const timeoutMs = 8 * 60_000;

type RoomArguments = Exclude<Arguments, DecideArguments | FloodArguments>;

async function main(argv: readonly string[]): Promise<void> {
  const args = parseArguments(argv);
  print(await figureOf(args, argv), args);
}

function figureOf(args: Arguments, argv: readonly string[]): Promise<Figure> {
  if (args.command === 'decide') return undisturbed(() => measureDecide(args));
  if (args.command === 'flood') return undisturbed(() => measureFlood(args));
  return inRoom(args, argv);
}

async function inRoom(args: RoomArguments, argv: readonly string[]): Promise<Figure> {
  if (process.getuid?.() !== 0) {
    throw new Error('the bench needs root: for namespaces, control groups and a core of its own');
  }
  await requireCommands(['openssl', 'setpriv', 'ip', 'mount'], {
    '/usr/sbin/nginx': 'nginx-light',
    [certificateGenerator]: 'squid-openssl',
  });
  return undisturbed(async () => {
    bundle(args);
    return measure(args, argv);
  });
}

/** One run at a time. */
async function undisturbed(run: () => Promise<Figure>): Promise<Figure> {
  const lock = await acquireHostLock({
    name: 'bench',
    timeoutMs,
    onWait: (holder) => process.stderr.write(`bench: waiting for ${holder}\n`),
  });
  try {
    return await run();
  } finally {
    await lock.release();
  }
}

/** Each time, so that the figure is of the sources as they are; a profile without names would say nothing. */
function bundle(args: RoomArguments): void {
  process.stderr.write('bench: bundling the sidecar\n');
  const profiled = args.command === 'intercept' && args.profile !== null;
  const build = ['run', '--silent', 'build', ...(profiled ? ['--', '--no-minify'] : [])];
  try {
    const options = { cwd: repository, stdio: 'pipe', encoding: 'utf8', timeout: 120_000 } as const;
    execFileSync('npm', build, options);
  } catch (error) {
    const { stdout = '', stderr = '' } = error as { stdout?: string; stderr?: string };
    throw new Error(`npm run build failed:\n${stdout}${stderr}`, { cause: error });
  }
}

async function measure(args: RoomArguments, argv: readonly string[]): Promise<Figure> {
  // What a run left that was killed before it could clean up; no other is under way, since the lock is ours.
  await removeAbandonedRunFolders();
  await removeMemoryGroups();
  const cores = chooseCores();
  if (cores.shared) process.stderr.write('bench: the two cores are threads of one, which adds noise\n');
  const run = createRunFolder();
  try {
    const code = await enterRoom({
      run,
      core: cores.others,
      script: join(import.meta.dirname, 'run.ts'),
      args: [run.path, JSON.stringify(cores), ...withAbsoluteProfile(args, argv)],
      timeoutMs,
    });
    if (code !== 0) throw new Error(`the run failed (${code}); what went wrong stands above`);
    return JSON.parse(readFileSync(join(run.path, 'figure.json'), 'utf8')) as Figure;
  } finally {
    await removeRunFolder(run.path);
    await removeMemoryGroups();
  }
}

/** The room works in another folder than the caller. */
function withAbsoluteProfile(args: RoomArguments, argv: readonly string[]): readonly string[] {
  if (args.command !== 'intercept' || args.profile === null) return argv;
  return [...argv, `--profile=${resolve(args.profile)}`];
}

function print(figure: Figure, { json }: Arguments): void {
  const text = renderFigure(figure);
  if (!json) return void process.stdout.write(text);
  process.stderr.write(text);
  process.stdout.write(`${JSON.stringify(figure.json)}\n`);
}

try {
  await main(process.argv.slice(2));
} catch (error) {
  process.stderr.write(`bench: ${(error as Error).message}\n`);
  if (error instanceof UsageError) process.stderr.write(`\n${usage}\n`);
  process.exitCode = error instanceof UsageError ? 2 : 1;
}
