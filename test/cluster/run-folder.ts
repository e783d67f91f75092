import { mkdirSync, mkdtempSync, readFileSync, readdirSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { mountsBelow } from './mounts.ts';
import { searchPath } from './packages.ts';

type RunKind = 'test' | 'node';
const prefixOf = (kind: RunKind): string => `outrider-${kind}-`;
const marker = 'OUTRIDER_TEST_RUN';

/**
 * One run's state: data, keys, sockets and logs in a folder of its own, and processes that carry the folder's path in
 * their environment. What a process has there its children inherit, so all of a run is found again by whoever
 * cleans it up, even if the run was killed before it could write anything down.
 */
export interface RunFolder {
  readonly path: string;
  readonly environment: Readonly<Record<string, string>>;
}

export function createRunFolder(kind: RunKind = 'test'): RunFolder {
  const path = mkdtempSync(join(tmpdir(), `${prefixOf(kind)}${process.pid}-`));
  for (const name of ['logs', 'pki', 'home']) mkdirSync(join(path, name), { mode: 0o700 });
  return { path, environment: runEnvironment(path) };
}

// Not the caller's environment: a proxy variable in it would reroute the servers' own calls.
function runEnvironment(path: string): Record<string, string> {
  return {
    PATH: searchPath(),
    HOME: join(path, 'home'),
    [marker]: path,
  };
}

/**
 * Removes what runs left whose process was killed before it could. What a node leaves is more than this knows of, and
 * has its own record.
 */
export async function removeAbandonedRunFolders(): Promise<void> {
  const prefix = prefixOf('test');
  const abandoned = readdirSync(tmpdir()).filter(
    (name) => name.startsWith(prefix) && !isRunning(Number(name.slice(prefix.length).split('-')[0])),
  );
  for (const name of abandoned) {
    // Another user's are not ours to remove, and two runs that start together may remove the same one.
    await removeRunFolder(join(tmpdir(), name)).catch(() => undefined);
  }
}

/** Kills what runs from the folder and removes it. The data is the test's own, so nothing is asked to save it. */
export async function removeRunFolder(path: string): Promise<void> {
  await killProcesses(() => processesOf(path), `of ${path}`);
  const [mounted] = mountsBelow(path);
  // Whatever is mounted, a host's folder perhaps, must not be removed with it.
  if (mounted !== undefined) throw new Error(`${path} is not removed, because ${mounted} is a mount`);
  // A process that has just been killed may still be giving back its files.
  rmSync(path, { recursive: true, force: true, maxRetries: 10, retryDelay: 100 });
}

export async function killProcesses(find: () => readonly number[], what: string): Promise<void> {
  const deadline = Date.now() + 10_000;
  for (let left = find(); left.length > 0; left = find()) {
    if (Date.now() > deadline) throw new Error(`processes ${what} survive SIGKILL: ${left.join(', ')}`);
    for (const pid of left) kill(pid);
    await sleep(20);
  }
}

/** By the environment they were started with; proc(5) shows it to the same user. */
export function processesOf(path: string): readonly number[] {
  const entry = `${marker}=${path}`;
  return runningProcesses().filter(
    (pid) => pid !== process.pid && readProcess(pid, 'environ').split('\0').includes(entry),
  );
}

export function runningProcesses(): readonly number[] {
  return readdirSync('/proc')
    .filter((name) => /^\d+$/.test(name))
    .map(Number);
}

/** A file of proc(5), or nothing when the process has gone or belongs to somebody else. */
export function readProcess(pid: number, file: string): string {
  try {
    return readFileSync(`/proc/${pid}/${file}`, 'utf8');
  } catch {
    return '';
  }
}

function kill(pid: number): void {
  try {
    process.kill(pid, 'SIGKILL');
  } catch {
    // Gone since it was listed.
  }
}

function isRunning(pid: number): boolean {
  try {
    process.kill(pid, 0);
    return true;
  } catch (error) {
    return (error as NodeJS.ErrnoException).code === 'EPERM';
  }
}
