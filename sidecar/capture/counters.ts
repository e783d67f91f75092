// What the kernel has counted so far.

import { tableName, type NftObject } from './nft-rule.ts';
import type { Nft } from './nft.ts';
import { counterNames, type CounterName } from './rules.ts';

export type Counters = Readonly<Record<CounterName, number>>;

/** Null when one of them is not there. */
export async function readCounters(nft: Nft): Promise<Counters | null> {
  const listed = (await nft.list(tableName)) ?? [];
  const packets = (name: string): number | undefined => {
    for (const { counter } of listed as readonly { counter?: NftObject }[]) {
      if (counter?.['name'] === name) return Number(counter['packets']);
    }
    return undefined;
  };
  const counters = Object.fromEntries(counterNames.map((name) => [name, packets(name)]));
  return Object.values(counters).includes(undefined) ? null : (counters as Counters);
}
