import assert from 'node:assert/strict';
import { describe, test } from 'node:test';
import { createAddressGuard, type Opening } from '../../../sidecar/dns/addresses.ts';

const guard = createAddressGuard();

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
      for (const address of addresses) assert.equal(guard.allows(address, 443, 'public'), false, address);
    });
  }

  test("the pod's own addresses, in any spelling", () => {
    const own = createAddressGuard({ ownAddresses: ['93.184.216.34', '2606:2800:0220:0001::0001'] });
    assert.equal(own.allows('93.184.216.34', 443, 'public'), false);
    assert.equal(own.allows('2606:2800:220:1::1', 443, 'public'), false);
  });
});

test('N-11: neighbours of special ranges that are public stay open', () => {
  const open = words(`
    1.0.0.1 9.255.255.255 11.0.0.0 100.63.255.255 100.128.0.0 126.255.255.255 128.0.0.0
    169.253.255.255 169.255.0.0 172.15.255.255 172.32.0.0 192.0.1.1 192.0.3.0 192.88.98.255
    192.167.255.255 192.169.0.0 198.17.255.255 198.20.0.0 223.255.255.255 168.63.129.15
    2606:4700::1111 2001:4860:4860::8888 2001:200::1 2003::1 2a00:1450::1 3ffe::1
  `);
  for (const address of open) assert.equal(guard.allows(address, 443, 'public'), true, address);
});

describe('K-06: a Service of the cluster', () => {
  test('does not lead to loopback, link-local, metadata, unspecified, multicast or a disguise of them', () => {
    const refused = words(`
    127.0.0.1 ::1 0.0.0.0 :: 169.254.169.254 169.254.170.23 fe80::1 fd00:ec2::254 fd00:ec2::23
    100.100.100.200 192.0.0.192 168.63.129.16 224.0.0.1 ff02::1 255.255.255.255 ::ffff:10.0.0.1
    ::ffff:127.0.0.1 64:ff9b::7f00:1 2002:7f00:1::1
  `);
    for (const address of refused) assert.equal(guard.allows(address, 8443, 'cluster'), false, address);
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
      assert.equal(guard.allows(address, 8443, 'cluster'), true, address);
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
      assert.equal(guard.allows(address, 443, loopback), false, address);
    }
  });

  test('N-13: does not open the ports that we listen on', () => {
    const own = createAddressGuard({ ownPorts: new Set([15001]) });
    assert.equal(own.allows('127.0.0.1', 15001, loopback), false);
    assert.equal(own.allows('127.8.8.8', 15001, loopback), false);
    assert.equal(own.allows('127.0.0.1', 8443, loopback), true);
  });

  test("N-13: does not open the pod's own address", () => {
    const own = createAddressGuard({ ownAddresses: ['10.20.0.5', '127.0.0.1', 'fe80::1%eth0'] });
    assert.equal(own.allows('10.20.0.5', 443, loopback), false);
    assert.equal(own.allows('10.20.0.6', 443, loopback), true);
    assert.equal(own.allows('127.0.0.1', 443, loopback), true);
  });

  test('opens them', () => {
    for (const address of ['127.0.0.1', '10.20.255.255', 'fd00:20::5']) {
      assert.equal(guard.allows(address, 443, loopback), true, address);
    }
  });
});
