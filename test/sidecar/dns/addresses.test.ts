import assert from 'node:assert/strict';
import { BlockList, isIPv4 } from 'node:net';
import { describe, test } from 'node:test';
import fc from 'fast-check';
import { formatRange, parseRange } from '../../../policy/address-ranges.ts';
import { createAddressGuard, type Opening } from '../../../sidecar/dns/addresses.ts';

const guard = createAddressGuard();
const none: readonly string[] = [];

function words(text: string): string[] {
  return text.trim().split(/\s+/);
}

// First and last address of each range that must never be dialled for a public name, with what is next to it
// where that is public; after smokescreen's table and IANA's registries.
const closed: Record<string, readonly string[]> = {
  'this network': ['0.0.0.0', '0.255.255.255'],
  'private 10/8': ['10.0.0.0', '10.255.255.255'],
  'carrier-grade NAT': ['100.64.0.0', '100.127.255.255'],
  'K-06: metadata of Alibaba Cloud': ['100.100.100.200'],
  loopback: ['127.0.0.1', '127.255.255.255', '::1'],
  'K-06: link-local and cloud metadata': [
    '169.254.0.0',
    '169.254.169.254',
    '169.254.170.2',
    '169.254.170.23',
  ],
  'node-local DNS': ['169.254.20.10'],
  'private 172.16/12': ['172.16.0.0', '172.31.255.255'],
  'K-06: IETF assignments and metadata of Oracle': ['192.0.0.0', '192.0.0.192', '192.0.0.255'],
  documentation: ['192.0.2.0', '192.0.2.255', '198.51.100.7', '203.0.113.255', '2001:db8::1', '3fff::1'],
  '6to4 relays': ['192.88.99.0', '192.88.99.255'],
  'private 192.168/16': ['192.168.0.0', '192.168.255.255'],
  benchmarking: ['198.18.0.0', '198.19.255.255'],
  multicast: ['224.0.0.0', '239.255.255.255', 'ff02::1', 'ff0e::1'],
  'reserved and broadcast': ['240.0.0.0', '255.255.255.255'],
  'K-06: Azure wire server': ['168.63.129.16'],
  unspecified: ['::'],
  'v4-compatible': ['::127.0.0.1', '::a9fe:a9fe'],
  'v4-mapped, whatever it maps': [
    '::ffff:169.254.169.254',
    '::ffff:8.8.8.8',
    '::FFFF:a9fe:a9fe',
    '0:0:0:0:0:ffff:1.1.1.1',
  ],
  'NAT64, which carries IPv4': ['64:ff9b::a9fe:a9fe', '64:ff9b:1::1'],
  'discard only': ['100::1'],
  'Teredo and IETF assignments': ['2001::1', '2001:1ff:ffff::1'],
  '6to4, which carries IPv4': ['2002:a9fe:a9fe::1'],
  'K-06: unique local, with metadata of AWS': ['fc00::1', 'fd00:ec2::254', 'fd00:ec2::23', 'fdff:ffff::1'],
  'link-local of IPv6': ['fe80::1', 'febf::1'],
  'site-local': ['fec0::1', 'feff::1'],
  'not assigned': [
    '1fff::1',
    '4000::1',
    '8000::1',
    'c000::1',
    'dfff::1',
    'e000::1',
    'f000::1',
    'f800::1',
    'fbff::1',
    'fe00::1',
  ],
  'segment routing': ['5f00::1'],
  'no address at all': [
    '',
    'example.com',
    '2130706433',
    '0x7f.1',
    '017700000001',
    '127.1',
    '①②⑦.⓪.⓪.①',
    'fe80::1%eth0',
    '1.1.1.1%lo',
  ],
};

describe('N-11: a public name does not lead to', () => {
  for (const [what, addresses] of Object.entries(closed)) {
    test(`${what}: ${addresses.join(', ')}`, () => {
      for (const address of addresses)
        assert.equal(guard.allows(address, 443, 'public', none), false, address);
    });
  }

  test("the pod's own addresses, in any spelling", () => {
    const own = createAddressGuard({ ownAddresses: ['93.184.216.34', '2606:2800:0220:0001::0001'] });
    assert.equal(own.allows('93.184.216.34', 443, 'public', none), false);
    assert.equal(own.allows('2606:2800:220:1::1', 443, 'public', none), false);
  });
});

describe('K-31: what the operator says lies in the cluster', () => {
  const ranges = ['34.118.224.0/20', '52.1.2.3/32', '2600:1f18::/56'];
  const inside = ['34.118.224.0', '34.118.239.255', '52.1.2.3', '2600:1f18::1'];

  test('is no place that a public name may lead to, and its neighbours are', () => {
    for (const address of inside) {
      assert.equal(guard.allows(address, 443, 'public', ranges), false, address);
      assert.equal(guard.allows(address, 443, 'public', none), true, address);
    }
    for (const address of ['34.118.223.255', '34.118.240.0', '52.1.2.4', '2600:1f18:0:100::1']) {
      assert.equal(guard.allows(address, 443, 'public', ranges), true, address);
    }
  });

  test('is where a Service may lead', () => {
    for (const address of inside) assert.equal(guard.allows(address, 443, 'cluster', ranges), true, address);
  });

  test('K-06: opens no metadata, whatever it holds', () => {
    const wide = ['168.63.0.0/16', '0.0.0.0/0', 'fd00::/8'];
    for (const address of ['168.63.129.16', '169.254.169.254', 'fd00:ec2::254']) {
      assert.equal(guard.allows(address, 80, 'cluster', wide), false, address);
    }
  });
});

describe('N-11: the guard agrees with the table of ranges, read by another hand', () => {
  // Of smokescreen (pkg/smokescreen, its rule ranges) and IANA's registries, as first and last address.
  const never = [
    ...words('0.0.0.0/8 127.0.0.0/8 169.254.0.0/16 192.0.0.0/24 192.0.2.0/24 192.88.99.0/24 198.51.100.0/24'),
    ...words('203.0.113.0/24 224.0.0.0/4 240.0.0.0/4 255.255.255.255/32'),
    ...words('10.0.0.0/8 100.64.0.0/10 172.16.0.0/12 192.168.0.0/16 198.18.0.0/15'),
    ...words('::/128 ::1/128 ::ffff:0:0/96 64:ff9b::/96 64:ff9b:1::/48 100::/64 2001::/32 2001:db8::/32'),
    ...words('2001:2::/48 2001:10::/28 2001:20::/28 2002::/16 fc00::/7 fe80::/10 fec0::/10 ff00::/8'),
  ].map((text) => {
    const [network = '', prefix = ''] = text.split('/');
    return {
      text,
      family: isIPv4(network) ? ('ipv4' as const) : ('ipv6' as const),
      network,
      prefix: Number(prefix),
    };
  });

  const four = fc.ipV4();
  const six = fc.ipV6().filter((text) => !text.includes('.'));
  /** An address of a range: its first bits, and any others. */
  const within = fc
    .tuple(fc.constantFrom(...never), fc.bigInt(0n, 2n ** 128n - 1n))
    .map(([{ text }, noise]) => {
      const range = parseRange(text);
      assert.ok(range !== null);
      const bits = range.family === 4 ? 32 : 128;
      const first = range.first | (noise & ((1n << BigInt(bits - range.prefix)) - 1n));
      return { text, address: formatRange({ ...range, first, prefix: bits }).replace(/\/\d+$/, '') };
    });

  test('no address of such a range is public', () => {
    fc.assert(
      fc.property(within, ({ address }) => {
        assert.equal(guard.allows(address, 443, 'public', none), false, address);
      }),
      { numRuns: 5000 },
    );
  });

  test('an address that is public lies in none of them', () => {
    const list = { ipv4: new BlockList(), ipv6: new BlockList() };
    for (const { network, prefix, family } of never) list[family].addSubnet(network, prefix, family);
    fc.assert(
      fc.property(fc.oneof(four, six), (address) => {
        if (!guard.allows(address, 443, 'public', none)) return;
        const family = isIPv4(address) ? 'ipv4' : 'ipv6';
        assert.equal(list[family].check(address, family), false, address);
      }),
      { numRuns: 5000 },
    );
  });
});

test('N-11: neighbours of special ranges that are public stay open', () => {
  const open = words(`
    1.0.0.1 9.255.255.255 11.0.0.0 100.63.255.255 100.128.0.0 126.255.255.255 128.0.0.0
    169.253.255.255 169.255.0.0 172.15.255.255 172.32.0.0 192.0.1.1 192.0.3.0 192.88.98.255
    192.167.255.255 192.169.0.0 198.17.255.255 198.20.0.0 223.255.255.255 168.63.129.15
    2606:4700::1111 2001:4860:4860::8888 2001:200::1 2003::1 2a00:1450::1 3ffe::1
  `);
  for (const address of open) assert.equal(guard.allows(address, 443, 'public', none), true, address);
});

describe('K-06: a Service of the cluster', () => {
  test('does not lead to loopback, link-local, metadata, unspecified, multicast or a disguise of them', () => {
    const refused = words(`
    127.0.0.1 ::1 0.0.0.0 :: 169.254.169.254 169.254.170.23 fe80::1 fd00:ec2::254 fd00:ec2::23
    100.100.100.200 192.0.0.192 168.63.129.16 224.0.0.1 ff02::1 255.255.255.255 ::ffff:10.0.0.1
    ::ffff:127.0.0.1 64:ff9b::7f00:1 2002:7f00:1::1
  `);
    for (const address of refused) assert.equal(guard.allows(address, 8443, 'cluster', none), false, address);
  });

  test('may have any address that pods and Services have', () => {
    for (const address of [
      '10.96.0.10',
      '100.64.3.4',
      '172.20.0.1',
      '192.168.7.7',
      '198.18.0.4',
      'fd12:3456::1',
      '34.1.2.3',
    ]) {
      assert.equal(guard.allows(address, 8443, 'cluster', none), true, address);
    }
  });
});

describe('a destination with ranges', () => {
  const loopback: Opening = ['127.0.0.0/8', '10.20.0.0/16', 'fd00:20::/64'];

  test('opens nothing beside them, not even public addresses', () => {
    for (const address of [
      '10.21.0.1',
      '8.8.8.8',
      'fd00:21::1',
      '::1',
      '::ffff:127.0.0.1',
      '::ffff:10.20.0.1',
    ]) {
      assert.equal(guard.allows(address, 443, loopback, none), false, address);
    }
  });

  test('N-13: does not open the ports that we listen on', () => {
    const own = createAddressGuard({ ownPorts: new Set([15001]) });
    assert.equal(own.allows('127.0.0.1', 15001, loopback, none), false);
    assert.equal(own.allows('127.8.8.8', 15001, loopback, none), false);
    assert.equal(own.allows('127.0.0.1', 8443, loopback, none), true);
  });

  test("N-13: does not open the pod's own address", () => {
    const own = createAddressGuard({ ownAddresses: ['10.20.0.5', '127.0.0.1', 'fe80::1%eth0'] });
    assert.equal(own.allows('10.20.0.5', 443, loopback, none), false);
    assert.equal(own.allows('10.20.0.6', 443, loopback, none), true);
    assert.equal(own.allows('127.0.0.1', 443, loopback, none), true);
  });

  test('K-06: a range of everything opens what is public or private, and nothing of special purpose', () => {
    const all: Opening = ['0.0.0.0/0', '::/0', 'fd00::/8', '100.64.0.0/10'];
    for (const address of ['8.8.8.8', '10.1.2.3', '100.64.1.1', '2606:4700::1111', 'fd00:1::1']) {
      assert.equal(guard.allows(address, 8443, all, none), true, address);
    }
    for (const address of words(`
      127.0.0.1 ::1 0.0.0.0 :: 169.254.169.254 169.254.170.2 169.254.170.23 fe80::1 fd00:ec2::254 fd00:ec2::23
      100.100.100.200 192.0.0.192 168.63.129.16 224.0.0.1 ff02::1 255.255.255.255 64:ff9b::a9fe:a9fe
    `)) {
      assert.equal(guard.allows(address, 8443, all, none), false, address);
    }
  });

  test('K-06: a metadata address is opened by a range of its own', () => {
    const own: Readonly<Record<string, string>> = {
      '169.254.169.254': '169.254.169.254/32',
      '169.254.170.23': '169.254.0.0/16',
      'fd00:ec2::254': 'fd00:ec2::254/128',
      '100.100.100.200': '100.100.100.200/32',
      '168.63.129.16': '168.63.129.16/32',
    };
    for (const [address, range] of Object.entries(own)) {
      assert.equal(guard.allows(address, 80, [range], none), true, address);
    }
  });

  test('opens them, also among those of the cluster', () => {
    assert.equal(guard.allows('10.20.0.9', 443, loopback, ['10.20.0.0/16']), true);
    assert.equal(guard.allows('34.1.2.3', 443, ['34.1.2.0/24'], ['34.1.0.0/16']), true);
    for (const address of ['127.0.0.1', '10.20.255.255', 'fd00:20::5']) {
      assert.equal(guard.allows(address, 443, loopback, none), true, address);
    }
  });
});
