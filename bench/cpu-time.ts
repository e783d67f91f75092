// User and system time of a whole process tree, from /proc/PID/stat (proc_pid_stat(5)).

import { readFileSync, readdirSync } from 'node:fs';

/** The kernel tells times to user space in units of 1/100 s on every architecture (USER_HZ). */
const microsecondsPerTick = 10_000;

export interface ProcessTimes {
  readonly pid: number;
  readonly parent: number;
  readonly ticks: number;
}

/** The second field, the command's name, may hold spaces and parentheses: fields count from its last one. */
export function parseStat(text: string): ProcessTimes {
  const fields = text.slice(text.lastIndexOf(')') + 2).split(' ');
  const field = (number: number): number => Number(fields[number - 3]);
  // utime, stime, and those of children that have ended and were waited for.
  const ticks = field(14) + field(15) + field(16) + field(17);
  const pid = Number.parseInt(text, 10);
  if (!Number.isInteger(pid) || !Number.isInteger(ticks)) throw new Error(`not a stat line: ${text}`);
  return { pid, parent: field(4), ticks };
}

/** The processes of `all` that descend from `root`, itself included. */
export function treeOf(root: number, all: readonly ProcessTimes[]): readonly ProcessTimes[] {
  const children = Map.groupBy(all, ({ parent }) => parent);
  const tree = all.filter(({ pid }) => pid === root);
  for (const { pid } of tree) tree.push(...(children.get(pid) ?? []));
  return tree;
}

export function treeCpuMicroseconds(root: number): number {
  const tree = treeOf(root, runningProcesses());
  if (tree.length === 0) throw new Error(`process ${root} has ended`);
  return tree.reduce((sum, { ticks }) => sum + ticks, 0) * microsecondsPerTick;
}

function runningProcesses(): ProcessTimes[] {
  return readdirSync('/proc')
    .filter((name) => /^\d+$/.test(name))
    .flatMap((name) => {
      try {
        return [parseStat(readFileSync(`/proc/${name}/stat`, 'utf8'))];
      } catch (error) {
        if (isGone(error)) return [];
        throw error;
      }
    });
}

function isGone(error: unknown): boolean {
  const { code } = error as NodeJS.ErrnoException;
  return code === 'ENOENT' || code === 'ESRCH';
}
