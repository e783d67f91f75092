// RFC 5849 section 3.4.1: what of a request is signed.

import type { Pairs } from '../../../../policy/content/form.ts';
import type { Outgoing } from '../injector.ts';
import { percentEncode } from '../query-parameters.ts';

/** @param parameters decoded: of the query, of a form, and those of the protocol but for signature and realm. */
export function baseString(
  { method, host, path }: Pick<Outgoing, 'method' | 'host' | 'path'>,
  parameters: Pairs,
): string {
  // A request with a credential is https, whose default port is left out.
  const uri = `https://${host.toLowerCase().replace(/:443$/, '')}${path}`;
  const normalised = parameters
    .map(([name, value]) => [percentEncode(name), percentEncode(value)] as const)
    .toSorted(([a, x], [b, y]) => compare(a, b) || compare(x, y))
    .map((pair) => pair.join('='))
    .join('&');
  return [method.toUpperCase(), uri, normalised].map(percentEncode).join('&');
}

/** By bytes, which is by code units once everything is ASCII. */
function compare(a: string, b: string): number {
  return a < b ? -1 : a > b ? 1 : 0;
}
