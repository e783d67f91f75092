import assert from 'node:assert/strict';
import { BlockList } from 'node:net';
import { describe, test } from 'node:test';
import fc from 'fast-check';
import {
  aggregateRanges,
  containsRange,
  formatRange,
  parseRange,
  type AddressRange,
} from '../../policy/address-ranges.ts';
import { isOfSpecialPurpose, reachesPublic } from '../../policy/special-ranges.ts';

function range(text: string): AddressRange {
  const read = parseRange(text);
  assert.ok(read !== null, text);
  return read;
}

const aggregated = (texts: readonly string[], most?: number): string[] =>
  aggregateRanges(texts.map(range), most).map(formatRange);

describe('a range', () => {
  for (const text of [
    '',
    '10.0.0.0/33',
    '::/129',
    '10.0.0/8',
    'fe80::1%eth0/64',
    '10.0.0.0/',
    '10.0.0.0/8/8',
    'node-1',
  ]) {
    test(`is not '${text}'`, () => assert.equal(parseRange(text), null));
  }

  const spellings: Readonly<Record<string, string>> = {
    '10.1.2.3': '10.1.2.3/32',
    '10.1.2.3/8': '10.0.0.0/8',
    '0.0.0.0/0': '0.0.0.0/0',
    'FD00:0::1/16': 'fd00::/16',
    '::': '::/128',
    '2001:db8:0:0:1:0:0:1': '2001:db8::1:0:0:1/128',
    '::ffff:1.2.3.4/128': '::ffff:102:304/128',
  };
  for (const [text, expected] of Object.entries(spellings)) {
    test(`${text} is ${expected}`, () => assert.equal(formatRange(range(text)), expected));
  }

  test('holds another of its family alone', () => {
    assert.equal(containsRange(range('0.0.0.0/0'), range('10.0.0.0/8')), true);
    assert.equal(containsRange(range('10.0.0.0/8'), range('10.0.0.0/8')), true);
    assert.equal(containsRange(range('10.0.0.0/9'), range('10.0.0.0/8')), false);
    assert.equal(containsRange(range('::/0'), range('10.0.0.0/8')), false);
  });
});

describe('ranges together', () => {
  test('are sorted, without what another holds, and halves made whole', () => {
    assert.deepEqual(
      aggregated([
        'fd00::/64',
        '10.0.0.128/25',
        '9.0.0.0/8',
        '10.0.0.0/26',
        '10.0.0.64/26',
        '10.0.0.7/32',
        'fd00:0:0:1::/64',
      ]),
      ['9.0.0.0/8', '10.0.0.0/24', 'fd00::/63'],
    );
  });

  test('beyond their bound close their neighbours too, the nearest first', () => {
    const nodes = ['52.1.0.1/32', '52.1.0.2/32', '52.9.0.0/32', '34.0.0.0/16', '2600::1/128'];
    assert.deepEqual(aggregated(nodes, 3), ['34.0.0.0/16', '52.1.0.0/30', '52.9.0.0/31', '2600::1/128']);
  });

  const some = fc.array(
    fc
      .tuple(fc.constantFrom(4 as const, 6 as const), fc.nat(255), fc.nat(12))
      .map(([family, low, wide]) =>
        family === 4 ? `10.0.0.${low}/${32 - Math.min(wide, 8)}` : `fd00::${low.toString(16)}/${128 - wide}`,
      ),
    { maxLength: 12 },
  );

  test('hold the same addresses as before, or more where they are bounded', () => {
    fc.assert(
      fc.property(some, fc.nat(255), (texts, low) => {
        const check = (list: readonly string[], address: string): boolean => {
          const family = address.includes(':') ? 'ipv6' : 'ipv4';
          const ranges = new BlockList();
          for (const text of list) {
            const [network = '', prefix = ''] = text.split('/');
            if (network.includes(':') === (family === 'ipv6'))
              ranges.addSubnet(network, Number(prefix), family);
          }
          return ranges.check(address, family);
        };
        const [exact, bounded] = [aggregated(texts), aggregated(texts, 2)];
        assert.ok(bounded.length <= 4);
        for (const address of [`10.0.0.${low}`, `fd00::${low.toString(16)}`]) {
          assert.equal(check(exact, address), check(texts, address));
          if (check(texts, address)) assert.equal(check(bounded, address), true);
        }
      }),
    );
  });

  test('of the same addresses are the same ranges, in whatever order they come', () => {
    fc.assert(
      fc.property(some, (texts) => {
        const once = aggregated(texts);
        assert.deepEqual(aggregated(texts.toReversed()), once);
        assert.deepEqual(aggregated(once), once);
      }),
    );
  });
});

describe('N-11: a range', () => {
  test('is not public where a registry sets it aside', () => {
    for (const text of [
      '10.0.0.0/8',
      '10.96.0.0/12',
      'fd00::/64',
      '192.168.1.1',
      '100.64.0.0/10',
      '127.0.0.1',
    ]) {
      assert.equal(reachesPublic(range(text)), false, text);
    }
  });

  test('is public where any part of it may be', () => {
    for (const text of ['34.118.224.0/20', '10.0.0.0/7', '2600:1f18::/56', '0.0.0.0/0']) {
      assert.equal(reachesPublic(range(text)), true, text);
    }
  });

  test('K-06: is of special purpose when it holds nothing that a Service could have', () => {
    assert.equal(isOfSpecialPurpose(range('169.254.169.254/32')), true);
    assert.equal(isOfSpecialPurpose(range('127.0.0.0/8')), true);
    assert.equal(isOfSpecialPurpose(range('fd00:ec2::/32')), true);
    for (const text of ['0.0.0.0/0', '10.0.0.0/8', 'fd00::/8', '8.8.8.8', '100.64.0.0/10']) {
      assert.equal(isOfSpecialPurpose(range(text)), false, text);
    }
  });
});
