// The one way out of the sidecar for what agents ask for and for tokens that are minted for them: our own names, checked
// addresses, verified TLS.

import { networkInterfaces } from 'node:os';
import { createAddressGuard } from '../dns/addresses.ts';
import type { Resolver } from '../dns/resolver.ts';
import { createDialler, type Dial } from './dialler.ts';

export interface Egress {
  readonly dial: Dial;
  /** Ports that we come to listen on; they are never dialled on loopback (N-13). */
  readonly ownPorts: Set<number>;
}

export function createEgress({ resolver }: { readonly resolver: Resolver }): Egress {
  const ownPorts = new Set<number>();
  const guard = createAddressGuard({ ownAddresses: addressesOfThisPod(), ownPorts });
  return { dial: createDialler({ resolver, guard }), ownPorts };
}

function addressesOfThisPod(): string[] {
  return Object.values(networkInterfaces()).flatMap((list) => (list ?? []).map(({ address }) => address));
}
