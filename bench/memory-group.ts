// A control group of one process, and its memory as the kubelet counts it: what eviction looks at and what
// `kubectl top` shows is usage less inactive file pages
// (https://kubernetes.io/docs/concepts/scheduling-eviction/node-pressure-eviction/#eviction-signals).

import { existsSync, mkdirSync, readFileSync, readdirSync, rmdirSync } from 'node:fs';
import { join } from 'node:path';
import { waitFor } from '../test/cluster/deadline.ts';

export interface MemoryUse {
  readonly workingSetBytes: number;
  readonly usageBytes: number;
  /** Heaps, stacks and tmpfs; then file pages that are in use. The rest is the kernel's: sockets, page tables. */
  readonly anonymousBytes: number;
  readonly fileBytes: number;
}

export interface MemoryGroup {
  /** A process joins by writing its pid here. */
  readonly processesPath: string;
  readonly version: 1 | 2;
  read(): MemoryUse;
}

const mount = '/sys/fs/cgroup';
const prefix = 'outrider-bench-';

export function createMemoryGroup(name: string): MemoryGroup {
  const place = groupPlace();
  const path = join(place.path, prefix + name);
  mkdirSync(path);
  const file = (fileName: string): string => readFileSync(join(path, fileName), 'utf8');
  if (!existsSync(join(path, usageFile[place.version]))) {
    rmdirSync(path);
    throw new Error(`${place.path} gives its groups no memory controller`);
  }
  return {
    processesPath: join(path, 'cgroup.procs'),
    version: place.version,
    read: () => memoryUse(place.version, file(usageFile[place.version]), file('memory.stat')),
  };
}

/** All of them. Only an empty group can be removed, and processes that were just killed may take a moment to leave. */
export async function removeMemoryGroups(): Promise<void> {
  const { path } = groupPlace();
  const names = readdirSync(path).filter((name) => name.startsWith(prefix));
  await waitFor({ what: 'the removal of control groups', timeoutMs: 10_000 }, async () => {
    for (const name of names) if (existsSync(join(path, name))) rmdirSync(join(path, name));
    return true;
  });
}

const usageFile = { 1: 'memory.usage_in_bytes', 2: 'memory.current' } as const;

export function memoryUse(version: 1 | 2, usage: string, stat: string): MemoryUse {
  const values = new Map(
    stat
      .trim()
      .split('\n')
      .map((line) => line.split(' ') as [string, string]),
  );
  const value = (name: string): number => {
    const bytes = Number(values.get(name));
    if (!Number.isSafeInteger(bytes)) throw new Error(`memory.stat has no ${name}`);
    return bytes;
  };
  const usageBytes = Number(usage);
  const inactiveFileBytes = value(version === 2 ? 'inactive_file' : 'total_inactive_file');
  return {
    usageBytes,
    workingSetBytes: Math.max(0, usageBytes - inactiveFileBytes),
    // tmpfs pages are counted among the file pages in `cache` and `file`, but are as much in use as a heap.
    anonymousBytes:
      version === 2 ? value('anon') + value('shmem') : value('total_rss') + value('total_shmem'),
    fileBytes: value(version === 2 ? 'active_file' : 'total_active_file'),
  };
}

export interface GroupPlace {
  readonly version: 1 | 2;
  /** Where groups with a memory controller can be made. */
  readonly path: string;
}

function groupPlace(): GroupPlace {
  return findGroupPlace(readFileSync('/proc/self/cgroup', 'utf8'), (path) => {
    try {
      return readFileSync(join(path, 'cgroup.subtree_control'), 'utf8');
    } catch {
      return '';
    }
  });
}

/**
 * Version 1: below our own group. Version 2: below the nearest ancestor that hands the controller on, since a group
 * that holds processes cannot (cgroups(7), "no internal processes").
 */
export function findGroupPlace(groups: string, subtreeControl: (path: string) => string): GroupPlace {
  const lines = groups
    .trim()
    .split('\n')
    .map((line) => /^\d+:([^:]*):(.*)$/.exec(line) ?? []);
  const one = lines.find(([, controllers]) => controllers?.split(',').includes('memory'));
  if (one !== undefined) return { version: 1, path: join(mount, 'memory', one[2] ?? '/') };
  const two = lines.find(([, controllers]) => controllers === '');
  for (let path = join(mount, two?.[2] ?? '/'); path.startsWith(mount); path = join(path, '..')) {
    if (subtreeControl(path).split(/\s/).includes('memory')) return { version: 2, path };
  }
  throw new Error(`no control group below ${mount} offers the memory controller`);
}
