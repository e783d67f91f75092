// Where a run takes place: Linux namespaces of its own (unshare(1)) for mounts, network and processes. The sidecar's
// paths and ports are fixed, and two of them must not meet; and when the room's first process ends, the kernel
// ends all others and takes mounts and addresses back, whatever went wrong.

import { execFileSync, spawn } from 'node:child_process';
import { mkdirSync, realpathSync, writeFileSync } from 'node:fs';
import { dirname, join } from 'node:path';
import type { RunFolder } from '../test/cluster/run-folder.ts';

/** Stands in for the pod's address. */
export const podAddress = '10.0.0.2';

export interface RoomOptions {
  readonly run: RunFolder;
  readonly core: number;
  readonly script: string;
  readonly args: readonly string[];
  readonly timeoutMs: number;
}

/** Runs a script as the first process of a room. Resolves with its exit code. */
export function enterRoom({ run, core, script, args, timeoutMs }: RoomOptions): Promise<number> {
  const unshare = ['unshare', '--mount', '--net', '--pid', '--fork', '--kill-child', '--mount-proc'];
  const command = ['taskset', '-c', String(core), ...unshare, process.execPath, script, ...args];
  // Nothing outlives the bench, even if it is killed: the signal of the parent's death goes down the line.
  const child = spawn('setpriv', ['--pdeathsig', 'KILL', '--', ...command], {
    env: run.environment,
    stdio: ['ignore', 2, 2],
  });
  const signals = ['SIGINT', 'SIGTERM', 'SIGHUP'] as const;
  return new Promise((resolve, reject) => {
    const giveUp = (why: string): void => {
      child.kill('SIGKILL');
      reject(new Error(why));
    };
    const interrupt = (signal: NodeJS.Signals): void => giveUp(`interrupted by ${signal}`);
    const timer = setTimeout(() => giveUp(`the run is not done after ${timeoutMs / 1000} s`), timeoutMs);
    for (const signal of signals) process.once(signal, interrupt);
    child.on('error', reject);
    child.on('exit', (code) => {
      clearTimeout(timer);
      for (const signal of signals) process.off(signal, interrupt);
      resolve(code ?? 1);
    });
  });
}

/** What the room needs before anything can run in it. */
export function furnishRoom(folder: string): void {
  const run = (command: string, ...args: string[]): void => {
    execFileSync(command, args, { stdio: ['ignore', 'ignore', 'inherit'] });
  };
  run('ip', 'link', 'set', 'lo', 'up');
  run('ip', 'address', 'add', `${podAddress}/32`, 'dev', 'lo');
  // Names are answered by our own server; a link may lead below /run, which is covered next.
  const resolverConfig = realpathSync('/etc/resolv.conf');
  run('mount', '-t', 'tmpfs', '-o', 'mode=0755', 'tmpfs', realpathSync('/var/run'));
  run('mount', '-t', 'tmpfs', '-o', 'mode=1777', 'tmpfs', '/dev/shm');
  const ours = join(folder, 'resolv.conf');
  writeFileSync(ours, 'nameserver 127.0.0.1\n');
  mkdirSync(dirname(resolverConfig), { recursive: true });
  if (resolverConfig.startsWith(realpathSync('/var/run'))) writeFileSync(resolverConfig, '');
  run('mount', '--bind', ours, resolverConfig);
}
