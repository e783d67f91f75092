// Which DNS servers sidecars ask: those of the platform's choice, else the operator's own. Never a pod's, whose author
// writes its resolv.conf.

import { getServers } from 'node:dns';
import { parseServerAddress } from '../policy/dns-server-address.ts';
import { OperatorError } from './errors.ts';

/** What an agent's network namespace has of its own; 169.254.20.10, the node's cache, is in reach of every pod. */
const loopback = /^(?:127\.|::1$|0\.|::$)/;

/**
 * @param configured `address[:port]`; empty: those of /etc/resolv.conf.
 * @throws {OperatorError} CONFIG_INVALID when there is none that a pod could reach.
 */
export function chooseDnsServers(
  configured: readonly string[],
  own: readonly string[] = getServers(),
): readonly string[] {
  if (configured.length > 0) return configured;
  const servers = own.filter((text) => {
    const server = parseServerAddress(text);
    return server !== null && !loopback.test(server.address) && !server.address.includes('%');
  });
  if (servers.length > 0) return servers;
  throw new OperatorError('CONFIG_INVALID', {
    detail: 'OUTRIDER_DNS_SERVERS must be set, since /etc/resolv.conf names no server that a pod can reach.',
  });
}
