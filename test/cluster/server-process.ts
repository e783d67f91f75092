import { spawn } from 'node:child_process';
import { closeSync, openSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { waitFor } from './deadline.ts';
import type { RunFolder } from './run-folder.ts';

export interface ServerProcess {
  readonly name: string;
  readonly pid: number;
  readonly logPath: string;
  logTail(): string;
  /** SIGTERM, and SIGKILL for one that has not ended after `graceMs`. */
  stop(graceMs?: number): Promise<void>;
  kill(): Promise<void>;
  /** waitFor, with this server's log as evidence, and given up as soon as it ends. */
  waitFor<T>(what: string, timeoutMs: number, probe: () => Promise<T | undefined | false>): Promise<T>;
}

export function startServer(
  run: RunFolder,
  name: string,
  command: string,
  args: readonly string[],
  environment: Readonly<Record<string, string>> = {},
): ServerProcess {
  const logPath = join(run.path, 'logs', `${name}.log`);
  const log = openSync(logPath, 'a', 0o600);
  // A signal for the parent's death (prctl(2)), so that a test that is killed leaves nothing running; and a session of
  // its own, so that Ctrl-C reaches the test alone, which then stops its servers in order.
  const child = spawn('setpriv', ['--pdeathsig', 'KILL', '--', command, ...args], {
    cwd: run.path,
    env: { ...run.environment, ...environment },
    stdio: ['ignore', log, log],
    detached: true,
  });
  closeSync(log);
  // A test that forgets to stop its servers ends all the same, and they with it.
  child.unref();
  let end: string | undefined;
  const ended = new Promise<void>((resolve) => {
    child.once('exit', (code, signal) => resolve(void (end = `ended with ${signal ?? code}`)));
    child.once('error', (error) => resolve(void (end = `did not start: ${error.message}`)));
  });

  const logTail = (): string => `the end of ${name}'s log:\n${lastLines(logPath)}`;
  const signal = async (name_: NodeJS.Signals, timeoutMs: number): Promise<boolean> => {
    if (end !== undefined) return true;
    child.kill(name_);
    const timeout = new AbortController();
    const late = sleep(timeoutMs, undefined, { signal: timeout.signal }).catch(() => undefined);
    await Promise.race([ended, late]);
    timeout.abort();
    return end !== undefined;
  };
  const kill = async (): Promise<void> => {
    if (!(await signal('SIGKILL', 10_000))) throw new Error(`${name} survives SIGKILL\n${logTail()}`);
  };

  return {
    name,
    pid: child.pid ?? 0,
    logPath,
    logTail,
    kill,
    stop: async (graceMs = 10_000) => {
      if (!(await signal('SIGTERM', graceMs))) await kill();
    },
    waitFor: (what, timeoutMs, probe) =>
      waitFor({ what, timeoutMs, evidence: logTail, hopeless: () => end && `${name} ${end}` }, probe),
  };
}

function lastLines(path: string): string {
  return readFileSync(path, 'utf8').split('\n').slice(-30).join('\n').slice(-6000);
}
