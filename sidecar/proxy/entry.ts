// How a connection came in, and with that what its requests may name. From here on there is one path for all.

import type { Authority } from '../../policy/canonical.ts';

export type Entry =
  /** The proxy port: each request names its place in its target. */
  | { readonly kind: 'absolute' }
  | TlsEntry
  /** Redirected by netfilter: Host names the place, whose port is the one that was dialled. */
  | { readonly kind: 'captured_http'; readonly port: number };

export interface TlsEntry {
  readonly kind: 'connect' | 'captured_tls';
  /** What CONNECT named; of a captured connection the name in SNI, and the port that was dialled. */
  readonly authority: Authority;
  /** What the TLS handshake named, canonical. */
  readonly serverName: string;
}

/** Of what never became an entry: as much as is known. */
export interface Origin {
  readonly kind: Entry['kind'] | 'captured_tcp';
  readonly authority?: Authority | null;
}

export function authorityOf(entry: Entry): Authority | null {
  return 'authority' in entry ? entry.authority : null;
}
