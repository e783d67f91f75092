// All addresses of a name, asked of the given servers and of nothing else: no search list, no /etc/hosts, no HOSTALIASES,
// all of which the pod's author can write (K-26). The chain of aliases is followed by its owners, so that a record that
// was slipped into an answer names nothing (N-12).

import type { ServerAddress } from '../../policy/dns-server-address.ts';
import { dnsError, exchange } from './exchange.ts';
import { classes, rcodeOf, recordTypes, responseCodes, type DnsMessage } from './message.ts';
import { isSameName } from './name.ts';

export interface DnsClient {
  /** @throws with a code: ENOTFOUND, ENODATA, ESERVFAIL, EREFUSED, EBADRESP, ETIMEOUT, ENOSERVER, or a socket's. */
  resolve(name: string, type: 'A' | 'AAAA'): Promise<string[]>;
}

/**
 * Two rounds over the servers, of at most 2 s and then 4 s, end before the 10 s that a connection may take. Everything
 * that one name takes, aliases included, fits into it.
 */
const roundsMs = [2000, 4000] as const;
/** As libc's MAXNS: more would leave none of them time to answer. */
const maxServers = 3;
/** CDNs use up to five. */
const maxAliases = 8;
/**
 * A list is judged whole or not at all, since one bad address condemns the name (N-10); the longest of real names, those
 * of pool.ntp.org and of large headless Services, stay far below.
 */
const maxAddresses = 256;

const codes: Readonly<Record<number, string>> = {
  [responseCodes.FORMERR]: 'EFORMERR',
  [responseCodes.SERVFAIL]: 'ESERVFAIL',
  [responseCodes.NXDOMAIN]: 'ENOTFOUND',
  [responseCodes.NOTIMP]: 'ENOTIMP',
  [responseCodes.REFUSED]: 'EREFUSED',
};

export function createDnsClient({ servers }: { readonly servers: readonly ServerAddress[] }): DnsClient {
  const asked = servers.slice(0, maxServers);

  /** The first answer that says something of the name: another server may know what one that fails does not. */
  async function query(name: string, type: number, endsAtMs: number): Promise<DnsMessage> {
    let failure: unknown = dnsError('ENOSERVER');
    for (const roundMs of roundsMs) {
      for (const server of asked) {
        const leftMs = Math.min(roundMs / asked.length, endsAtMs - performance.now());
        if (leftMs <= 0) throw failure;
        try {
          const answer = await exchange(server, { name, type, class: classes.IN }, leftMs);
          const code = rcodeOf(answer);
          if (code === responseCodes.NOERROR || code === responseCodes.NXDOMAIN) return answer;
          failure = dnsError(codes[code] ?? 'EBADRESP');
        } catch (error) {
          failure = error;
        }
      }
    }
    throw failure;
  }

  return {
    resolve: async (host, family) => {
      const type = recordTypes[family];
      const endsAtMs = performance.now() + roundsMs[0] + roundsMs[1];
      const seen = new Set<string>();
      let name = host;
      for (;;) {
        const answer = await query(name, type, endsAtMs);
        const start = name;
        for (let alias = aliasOf(answer, name); alias !== null; alias = aliasOf(answer, name)) {
          seen.add(name.toLowerCase());
          if (seen.size > maxAliases || seen.has(alias.toLowerCase())) throw dnsError('EBADRESP');
          name = alias;
        }
        const addresses = addressesOf(answer, name, type);
        if (addresses.length > maxAddresses) throw dnsError('EBADRESP');
        if (addresses.length > 0) return addresses;
        if (rcodeOf(answer) === responseCodes.NXDOMAIN) throw dnsError('ENOTFOUND');
        // An alias that leads on, in an answer that does not say where to.
        if (name === start) throw dnsError('ENODATA');
      }
    },
  };
}

function aliasOf({ answers }: DnsMessage, owner: string): string | null {
  for (const { name, type, data } of answers) {
    if (type === recordTypes.CNAME && data.kind === 'name' && isSameName(name, owner)) return data.name;
  }
  return null;
}

function addressesOf({ answers }: DnsMessage, owner: string, wanted: number): string[] {
  const found = answers.flatMap(({ name, type, data }) =>
    type === wanted && data.kind === 'address' && isSameName(name, owner) ? [data.address] : [],
  );
  return [...new Set(found)];
}
