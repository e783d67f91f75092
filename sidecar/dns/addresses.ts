// Which addresses may be dialled. Names are resolved by us and every answer is checked here, right before the
// connection to that very address: an allowed name must not lead into the cluster, the node or a cloud's metadata.

import { BlockList, isIPv4, isIPv6 } from 'node:net';

/**
 * What a destination opens: `public`, any address of the Internet; `cluster`, any that a Service or pod may
 * have; a list, exactly these CIDR ranges.
 */
export type Opening = 'public' | 'cluster' | readonly string[];

export interface AddressGuard {
  allows(address: string, port: number, opening: Opening): boolean;
}

export interface AddressGuardOptions {
  /** The pod's own addresses: dialling them would turn the proxy on itself or on a neighbour's port. */
  readonly ownAddresses?: readonly string[];
  /** Ports we listen on; on loopback they stay closed even where a range opens loopback (N-13). */
  readonly ownPorts?: ReadonlySet<number>;
}

/**
 * Special ranges (IANA's IPv4 and IPv6 special-purpose registries, and the metadata services of clouds that
 * live elsewhere). `cluster` tells whether a Service or pod can have such an address.
 */
const specialRanges: readonly { readonly range: string; readonly what: string; readonly cluster?: true }[] = [
  { range: '0.0.0.0/8', what: 'this network; 0.0.0.0 reaches loopback' },
  { range: '10.0.0.0/8', what: 'private', cluster: true },
  { range: '100.64.0.0/10', what: 'carrier-grade NAT; also pods on some clouds', cluster: true },
  { range: '127.0.0.0/8', what: 'loopback' },
  { range: '169.254.0.0/16', what: 'link-local; metadata of AWS, GCP, Azure, EKS Pod Identity' },
  { range: '172.16.0.0/12', what: 'private', cluster: true },
  { range: '192.0.0.0/24', what: 'IETF protocol assignments; metadata of Oracle at 192.0.0.192' },
  { range: '192.0.2.0/24', what: 'documentation' },
  { range: '192.31.196.0/24', what: 'AS112' },
  { range: '192.52.193.0/24', what: 'AMT' },
  { range: '192.88.99.0/24', what: '6to4 relays' },
  { range: '192.168.0.0/16', what: 'private', cluster: true },
  { range: '192.175.48.0/24', what: 'AS112' },
  { range: '198.18.0.0/15', what: 'benchmarking; also pods on some clouds', cluster: true },
  { range: '198.51.100.0/24', what: 'documentation' },
  { range: '203.0.113.0/24', what: 'documentation' },
  { range: '224.0.0.0/4', what: 'multicast' },
  { range: '240.0.0.0/4', what: 'reserved, broadcast' },
  { range: '100.100.100.200/32', what: 'metadata of Alibaba Cloud' },
  { range: '168.63.129.16/32', what: 'Azure wire server, a public address that answers on every node' },
  // Global unicast is 2000::/3; whatever lies outside is special or not assigned.
  { range: 'fc00::/7', what: 'unique local', cluster: true },
  { range: 'fd00:ec2::/32', what: 'metadata and Pod Identity of AWS, inside unique local' },
  { range: '::/3', what: 'unspecified, loopback, v4-compatible, v4-mapped, NAT64, discard' },
  { range: '4000::/2', what: 'not assigned' },
  { range: '8000::/2', what: 'not assigned' },
  { range: 'c000::/3', what: 'not assigned' },
  { range: 'e000::/4', what: 'not assigned' },
  { range: 'f000::/5', what: 'not assigned' },
  { range: 'f800::/6', what: 'not assigned' },
  { range: 'fe00::/9', what: 'not assigned' },
  { range: 'fe80::/10', what: 'link-local' },
  { range: 'fec0::/10', what: 'site-local' },
  { range: 'ff00::/8', what: 'multicast' },
  { range: '2001::/23', what: 'IETF protocol assignments; Teredo carries IPv4 addresses' },
  { range: '2001:db8::/32', what: 'documentation' },
  { range: '2002::/16', what: '6to4 carries IPv4 addresses' },
  { range: '2620:4f:8000::/48', what: 'AS112' },
  { range: '3fff::/20', what: 'documentation' },
  { range: '5f00::/16', what: 'segment routing' },
];

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
  const opened = new WeakMap<readonly string[], Ranges>();

  function openedBy(list: readonly string[]): Ranges {
    const known = opened.get(list) ?? rangesOf(list);
    opened.set(list, known);
    return known;
  }

  return {
    allows: (text, port, opening) => {
      const address = canonicalAddress(text);
      // DNS answers IPv4 in A records. A v4-mapped address can only be a disguise, which a list of IPv4 ranges would not catch.
      if (address === '' || /^::ffff:/i.test(address)) return false;
      if (own.has(address)) return false;
      if (ownPorts.has(port) && isIn(loopback, address)) return false;
      if (opening === 'public') return !isIn(special, address);
      if (opening === 'cluster') return !isIn(neverInCluster, address);
      return isIn(openedBy(opening), address);
    },
  };
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
