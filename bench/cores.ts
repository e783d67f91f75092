// Two cores: one for the proxy alone, one for all that surrounds it.

import { readFileSync } from 'node:fs';

export interface Cores {
  readonly proxy: number;
  readonly others: number;
  /** The two are threads of one core, so each slows the other down. */
  readonly shared: boolean;
}

/** @throws Error where this process may run on one core only. */
export function chooseCores(): Cores {
  const allowed = /^Cpus_allowed_list:\s*(.*)$/m.exec(readFileSync('/proc/self/status', 'utf8'))?.[1] ?? '';
  const [proxy, ...others] = parseCpuList(allowed);
  if (proxy === undefined || others[0] === undefined) {
    throw new Error(`two cores are needed, one for the proxy and one for the load; here is ${allowed}`);
  }
  const siblings = new Set(parseCpuList(threadSiblings(proxy)));
  const apart = others.find((core) => !siblings.has(core));
  return { proxy, others: apart ?? others[0], shared: apart === undefined };
}

function threadSiblings(core: number): string {
  try {
    return readFileSync(`/sys/devices/system/cpu/cpu${core}/topology/thread_siblings_list`, 'utf8');
  } catch {
    return ''; // some virtual machines do not tell
  }
}

/** `0-2,5` (cpuset(7), "List format"). */
export function parseCpuList(text: string): number[] {
  return text
    .trim()
    .split(',')
    .filter((part) => part !== '')
    .flatMap((part) => {
      const [first = '', last = first] = part.split('-');
      return Array.from({ length: Number(last) - Number(first) + 1 }, (_, index) => Number(first) + index);
    });
}
