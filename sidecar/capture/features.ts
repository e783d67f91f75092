// Which parts of netfilter the kernel lacks, so that a message can name them. Asked only when it did not take the rules.

import {
  accept,
  chain,
  count,
  counter,
  ct,
  is,
  local,
  meta,
  owned,
  redirectTo,
  refuseAny,
  resetTcp,
  rulesOf,
  setMark,
  table,
  tcpNumber,
  type NftObject,
  type Rule,
} from './nft-rule.ts';
import type { Nft } from './nft.ts';

const translating = chain('probe', { type: 'nat', hook: 'output', prio: -100, policy: 'accept' });
const filtering = chain('probe', { type: 'filter', hook: 'output', prio: 0, policy: 'accept' });

function rule(ground: NftObject, ...statements: Rule): readonly NftObject[] {
  return [ground, ...rulesOf('probe', [statements])];
}

/** Each with no more than it needs. */
const features: Readonly<Record<string, readonly NftObject[]>> = {
  'NAT on the output hook of inet tables': [translating],
  'filtering on the output hook': [filtering],
  'filtering on the input hook': [chain('probe', { type: 'filter', hook: 'input', prio: 0 })],
  'filtering on the postrouting hook': [chain('probe', { type: 'filter', hook: 'postrouting', prio: 300 })],
  'named counters': [counter('probed'), ...rule(filtering, count('probed'))],
  redirect: rule(translating, is(meta('l4proto'), tcpNumber), redirectTo(1)),
  fib: rule(filtering, local, accept),
  'meta skuid': rule(filtering, owned, accept),
  'meta skgid': rule(filtering, is(meta('skgid'), 1), accept),
  'ct direction': rule(filtering, is(ct('direction'), 'reply'), accept),
  'ct mark': rule(filtering, is(ct('mark'), 1), setMark(1)),
  'reject with tcp reset': rule(filtering, is(meta('l4proto'), tcpNumber), resetTcp),
  'reject with icmpx': rule(filtering, refuseAny),
};

/** Empty when each is there. */
export async function missingFeatures(nft: Nft): Promise<readonly string[]> {
  if (!(await nft.accepts([{ add: table }]))) return ['nf_tables with inet tables'];
  const missing: string[] = [];
  for (const [name, objects] of Object.entries(features)) {
    const commands = [{ add: table }, { delete: table }, { add: table }, ...objects.map((add) => ({ add }))];
    if (!(await nft.accepts(commands))) missing.push(name);
  }
  return missing;
}
