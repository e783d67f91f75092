import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import { chooseDnsServers } from '../../operator/dns-servers.ts';

describe('the DNS servers of sidecars', () => {
  it('K-26: without one that a pod can reach, the operator does not start', () => {
    for (const own of [[], ['127.0.0.53'], ['::1', 'fe80::1%eth0'], ['127.0.0.1:5353']]) {
      assert.throws(() => chooseDnsServers([], own), {
        code: 'CONFIG_INVALID',
        message: /OUTRIDER_DNS_SERVERS/,
      });
    }
  });

  it('K-26: are those that the platform names, whatever the operator’s own resolv.conf says', () => {
    assert.deepEqual(chooseDnsServers(['10.0.0.1:5353'], ['10.96.0.10']), ['10.0.0.1:5353']);
  });

  it('are else the operator’s own, the node’s cache included', () => {
    assert.deepEqual(chooseDnsServers([], ['127.0.0.1', '169.254.20.10', 'fd00::a']), [
      '169.254.20.10',
      'fd00::a',
    ]);
  });
});
