// The sidecar's own DNS client. c-ares reads neither /etc/hosts nor the search list nor HOSTALIASES, all of which
// the pod's author can write (K-26); it only asks the servers it is given.

import { Resolver as DnsClient } from 'node:dns/promises';
import { isIP } from 'node:net';

export interface Resolver {
  /**
   * All addresses of a canonical host, IPv4 first; a literal is its own.
   * @throws the DNS client's error, with its code, when there is none.
   */
  resolve(host: string): Promise<string[]>;
}

export interface ResolverOptions {
  /** `address[:port]`; the servers of /etc/resolv.conf when absent. */
  readonly servers?: readonly string[];
  /** Canonical names whose address is given: `outrider run --resolve HOST:ADDRESS`. */
  readonly overrides?: Readonly<Record<string, string>>;
}

/** Two tries of at most 2 s and 4 s (c-ares doubles) end before the 10 s that a connection may take. */
const attempt = { timeout: 2000, tries: 2 };

export function createResolver({ servers, overrides = {} }: ResolverOptions = {}): Resolver {
  const client = new DnsClient(attempt);
  if (servers !== undefined) client.setServers(servers);
  const overridden = new Map(Object.entries(overrides));
  /** A burst of new connections asks once. Answers are not kept: upstream connections are. */
  const underWay = new Map<string, Promise<string[]>>();

  async function ask(host: string): Promise<string[]> {
    const [four, six] = await Promise.allSettled([client.resolve4(host), client.resolve6(host)]);
    const addresses = [four, six].flatMap((answer) => (answer.status === 'fulfilled' ? answer.value : []));
    if (addresses.length > 0) return addresses;
    // The IPv4 question tells more: servers without IPv6 often answer the other with an error of their own.
    if (four.status === 'rejected') throw four.reason;
    throw six.status === 'rejected' ? six.reason : new Error('no addresses');
  }

  return {
    resolve: (host) => {
      if (isIP(host) !== 0) return Promise.resolve([host]);
      const override = overridden.get(host);
      if (override !== undefined) return Promise.resolve([override]);
      const known = underWay.get(host);
      if (known !== undefined) return known;
      const answer = ask(host).finally(() => underWay.delete(host));
      underWay.set(host, answer);
      return answer;
    },
  };
}
