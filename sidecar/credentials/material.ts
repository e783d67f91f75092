// What a source gave, or what was minted from it: secrets by the name of their part. A source of one value has the one
// part `value`.

import type { Secret } from './secret.ts';

export type Material = ReadonlyMap<string, Secret>;

export const onlyPart = 'value';

/** Tells a rotation without opening anything. */
export function isSameMaterial(a: Material, b: Material): boolean {
  return a.size === b.size && [...a].every(([name, secret]) => b.get(name)?.sameAs(secret) === true);
}
