// Addresses that are not of the public Internet, though a public name may lead to them: IANA's IPv4 and IPv6
// special-purpose registries, and the metadata services of clouds that live elsewhere.

import { containsRange, parseRange, type AddressRange } from './address-ranges.ts';

export interface SpecialRange {
  readonly range: string;
  readonly what: string;
  /** A Service, pod or node can have such an address. */
  readonly cluster?: true;
}

export const specialRanges: readonly SpecialRange[] = [
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

const special = specialRanges.map(({ range }) => parsed(range));
const neverInCluster = specialRanges
  .filter(({ cluster }) => cluster !== true)
  .map(({ range }) => parsed(range));

/** Whether any of its addresses may be taken for a public one. */
export function reachesPublic(range: AddressRange): boolean {
  return !special.some((each) => containsRange(each, range));
}

/** Whether it names nothing but what lies in one such range: loopback, link-local, metadata and the like. */
export function isOfSpecialPurpose(range: AddressRange): boolean {
  return neverInCluster.some((each) => containsRange(each, range));
}

function parsed(text: string): AddressRange {
  const range = parseRange(text);
  if (range === null) throw new Error(`${text} is no range`);
  return range;
}
