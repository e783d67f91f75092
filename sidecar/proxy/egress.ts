// The one way out of the sidecar for what agents ask for and for tokens that are minted for them: our own names, checked
// addresses, verified TLS.

import { networkInterfaces } from 'node:os';
import { createAddressGuard } from '../dns/addresses.ts';
import type { Ruleset } from '../../policy/ruleset.ts';
import type { Resolver } from '../dns/resolver.ts';
import { createDialler, type Dial } from './dialler.ts';
import { createOwnPlaces } from './own-places.ts';

export interface Egress {
  readonly dial: Dial;
  /** Ports that we come to listen on; they are never dialled on loopback (N-13). */
  readonly ownPorts: Set<number>;
}

export interface EgressOptions {
  readonly resolver: Resolver;
  /** The one in force when something is dialled. */
  readonly ruleset?: () => Ruleset | null;
  /** `host:port`, where there is one. */
  readonly operator?: string;
}

const noRanges: readonly string[] = [];

export function createEgress({ resolver, ruleset = () => null, operator }: EgressOptions): Egress {
  const ownPorts = new Set<number>();
  const dial = createDialler({
    resolver,
    guard: createAddressGuard({ ownAddresses: addressesOfThisPod(), ownPorts }),
    clusterRanges: () => ruleset()?.clusterRanges ?? noRanges,
    isOwnPlace: createOwnPlaces({ operator: operator ?? null, ruleset }),
  });
  return { dial, ownPorts };
}

function addressesOfThisPod(): string[] {
  return Object.values(networkInterfaces()).flatMap((list) => (list ?? []).map(({ address }) => address));
}
