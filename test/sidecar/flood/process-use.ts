// What a process takes of the machine, as Linux tells it.

import { readdirSync, readFileSync } from 'node:fs';

export interface ProcessUse {
  /** All that is resident, Node's own binary included. */
  readonly residentMiB: number;
  /** The most of it since the process began. */
  readonly peakMiB: number;
  /** What belongs to this process alone: heap, buffers, stacks. */
  readonly privateMiB: number;
  readonly descriptors: number;
}

export function useOf(pid: number): ProcessUse {
  const status = readFileSync(`/proc/${pid}/status`, 'latin1');
  const mebibytes = (name: string): number =>
    Math.round(Number(new RegExp(`^${name}:\\s*(\\d+) kB$`, 'm').exec(status)?.[1]) / 102.4) / 10;
  return {
    residentMiB: mebibytes('VmRSS'),
    peakMiB: mebibytes('VmHWM'),
    privateMiB: mebibytes('RssAnon'),
    descriptors: readdirSync(`/proc/${pid}/fd`).length,
  };
}
