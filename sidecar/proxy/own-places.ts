// Where the sidecar itself goes: the operator, the Vaults that hold secrets, the collector of spans. A rule's `hosts` opens
// none of them to an agent, however public its address is (K-21); an AgentDestination does, and then the platform meant it.

import type { Ruleset } from '../../policy/ruleset.ts';

export interface OwnPlacesOptions {
  /** `host:port`; null in local mode. */
  readonly operator: string | null;
  /** The one in force. */
  readonly ruleset: () => Ruleset | null;
}

export type IsOwnPlace = (place: { readonly host: string; readonly port: number }) => boolean;

/** AWS's endpoints are not among them: they answer only to who signs with keys, and an agent may have a grant for S3. */
export function createOwnPlaces({ operator, ruleset }: OwnPlacesOptions): IsOwnPlace {
  const fixed = operator === null ? [] : [`https://${operator}`];
  const known = new WeakMap<Ruleset, ReadonlySet<string>>();

  function placesOf(current: Ruleset): ReadonlySet<string> {
    const stores = Object.values(current.stores).flatMap((store) =>
      store.kind === 'vault' ? [store.address] : [],
    );
    const collectors = current.telemetry === null ? [] : [current.telemetry.endpoint];
    return new Set([...fixed, ...stores, ...collectors].flatMap(placeOf));
  }

  return ({ host, port }) => {
    const current = ruleset();
    if (current === null) return false;
    const places = known.get(current) ?? placesOf(current);
    known.set(current, places);
    return places.has(`${host} ${port}`);
  };
}

/** In the words of a request: IPv6 without brackets, no trailing dot. */
function placeOf(address: string): string[] {
  const url = URL.parse(address);
  if (url === null) return [];
  const host = url.hostname.replace(/^\[(.*)\]$/, '$1').replace(/\.$/, '');
  return [`${host} ${url.port === '' ? (url.protocol === 'http:' ? 80 : 443) : url.port}`];
}
