// Which addresses may be dialled. Names are resolved by us and every answer is checked here, right before the
// connection to that very address: an allowed name must not lead into the cluster, the node or a cloud's metadata.

import { BlockList, isIPv4, isIPv6 } from 'node:net';
import { parseRange } from '../../policy/address-ranges.ts';
import { isOfSpecialPurpose, specialRanges } from '../../policy/special-ranges.ts';

/**
 * What a destination opens: `public`, any address of the Internet; `cluster`, any that a Service or pod may have, and so
 * those of nodes, which pods on the host's network share; a list, exactly these CIDR ranges, but what has a special
 * purpose only by a range of nothing else: whoever writes 0.0.0.0/0 does not think of the metadata service.
 */
export type Opening = 'public' | 'cluster' | readonly string[];

export interface AddressGuard {
  /** @param clusterRanges of the ruleset: they are not public here, though they are elsewhere. */
  allows(address: string, port: number, opening: Opening, clusterRanges: readonly string[]): boolean;
}

export interface AddressGuardOptions {
  /** The pod's own addresses: dialling them would turn the proxy on itself or on a neighbour's port. */
  readonly ownAddresses?: readonly string[];
  /** Ports we listen on; on loopback they stay closed even where a range opens loopback (N-13). */
  readonly ownPorts?: ReadonlySet<number>;
}

export function createAddressGuard({
  ownAddresses = [],
  ownPorts = new Set(),
}: AddressGuardOptions = {}): AddressGuard {
  const special = rangesOf(specialRanges.map(({ range }) => range));
  const neverInCluster = rangesOf(specialRanges.filter(({ cluster }) => !cluster).map(({ range }) => range));
  const loopback = rangesOf(['127.0.0.0/8', '::1/128']);
  const own = new Set(
    ownAddresses.map(canonicalAddress).filter((address) => address !== '' && !isIn(loopback, address)),
  );
  /** A ruleset's lists are reused for as long as it is in force. */
  const listed = new WeakMap<readonly string[], { readonly all: Ranges; readonly special: Ranges }>();

  function rangesIn(list: readonly string[]): { readonly all: Ranges; readonly special: Ranges } {
    const known = listed.get(list) ?? { all: rangesOf(list), special: rangesOf(list.filter(isSpecial)) };
    listed.set(list, known);
    return known;
  }

  return {
    allows: (text, port, opening, clusterRanges) => {
      const address = canonicalAddress(text);
      // DNS answers IPv4 in A records. A v4-mapped address can only be a disguise, which a list of IPv4 ranges would not catch.
      if (address === '' || /^::ffff:/i.test(address)) return false;
      if (own.has(address)) return false;
      if (ownPorts.has(port) && isIn(loopback, address)) return false;
      if (opening === 'public') {
        return !isIn(special, address) && !isIn(rangesIn(clusterRanges).all, address);
      }
      if (opening === 'cluster') return !isIn(neverInCluster, address);
      const { all, special: explicit } = rangesIn(opening);
      return isIn(isIn(neverInCluster, address) ? explicit : all, address);
    },
  };
}

function isSpecial(text: string): boolean {
  const range = parseRange(text);
  return range !== null && isOfSpecialPurpose(range);
}

/** One list per family: a BlockList of both finds every IPv4 address in `::/3`, as v4-mapped. */
interface Ranges {
  readonly four: BlockList;
  readonly six: BlockList;
}

function rangesOf(texts: readonly string[]): Ranges {
  const ranges = { four: new BlockList(), six: new BlockList() };
  for (const text of texts) {
    const [network = '', prefix = ''] = text.split('/');
    if (isIPv4(network)) ranges.four.addSubnet(network, Number(prefix), 'ipv4');
    else ranges.six.addSubnet(network, Number(prefix), 'ipv6');
  }
  return ranges;
}

function isIn({ four, six }: Ranges, address: string): boolean {
  return isIPv4(address) ? four.check(address, 'ipv4') : six.check(address, 'ipv6');
}

/** One spelling per address, or an empty string for what is none; a zone is none. */
function canonicalAddress(text: string): string {
  if (isIPv4(text)) return text;
  if (!isIPv6(text) || text.includes('%')) return '';
  return new URL(`http://[${text}]`).hostname.slice(1, -1);
}
