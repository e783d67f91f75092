// Every name that the sidecar dials on an agent's behalf is resolved here, by our own DNS client.

import { getServers } from 'node:dns';
import { isIP } from 'node:net';
import { parseServerAddress } from '../../policy/dns-server-address.ts';
import { createDnsClient } from './client.ts';

export interface Resolver {
  /**
   * All addresses of a canonical host, IPv4 first; a literal is its own.
   * @throws an error with a code of `DnsClient`, when there is none.
   */
  resolve(host: string): Promise<string[]>;
}

export interface ResolverOptions {
  /** `address[:port]`; the servers of /etc/resolv.conf when absent. */
  readonly servers?: readonly string[];
  /** Canonical names whose address is given: `outrider run --resolve HOST:ADDRESS`. */
  readonly overrides?: Readonly<Record<string, string>>;
}

/** @throws {Error} for a server that is no address. */
export function createResolver({ servers, overrides = {} }: ResolverOptions = {}): Resolver {
  const client = createDnsClient({
    servers: (servers ?? getServers()).map((text) => {
      const server = parseServerAddress(text);
      if (server === null) throw new Error(`${text} is no address of a DNS server`);
      return server;
    }),
  });
  const overridden = new Map(Object.entries(overrides));
  /** A burst of new connections asks once. Answers are not kept: upstream connections are. */
  const underWay = new Map<string, Promise<string[]>>();

  async function ask(host: string): Promise<string[]> {
    const [four, six] = await Promise.allSettled([client.resolve(host, 'A'), client.resolve(host, 'AAAA')]);
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
