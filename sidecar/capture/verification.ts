// Whether the kernel holds what was written. An exit code says that a program believes so; this reads it back.

import type { NftObject } from './nft-rule.ts';

/** The first object that is missing, other or too much, in nft's JSON; null when all are there and nothing else. */
export function firstDifference(
  written: readonly NftObject[],
  listed: readonly NftObject[] | null,
): string | null {
  if (listed === null) return 'there is no table';
  const found = sorted(listed);
  const wanted = sorted(written);
  for (const [index, object] of wanted.entries()) {
    if (found[index] !== object) return `${found[index] ?? 'nothing'} instead of ${object}`;
  }
  const surplus = found[wanted.length];
  return surplus === undefined ? null : `${surplus} besides`;
}

/** Order counts among the rules of one chain; the rest nft may list as it likes. */
function sorted(objects: readonly NftObject[]): readonly string[] {
  return objects
    .filter((object) => !('metainfo' in object) && !('table' in object))
    .map((object) => ({ place: placeOf(object), text: canonical(object) }))
    .toSorted((a, b) => (a.place < b.place ? -1 : Number(a.place > b.place)))
    .map(({ text }) => text);
}

function placeOf(object: NftObject): string {
  const kind = Object.keys(object)[0] ?? '';
  const { chain, name } = (object[kind] ?? {}) as { readonly chain?: string; readonly name?: string };
  return `${kind} ${chain ?? name}`;
}

/** What the kernel adds of its own: a number, and what was counted. */
const unwritten = new Set(['handle', 'packets', 'bytes']);

function canonical(object: NftObject): string {
  return JSON.stringify(object, (key, value: unknown) => {
    if (unwritten.has(key)) return undefined;
    // nft before and after 1.1.4 writes one flag as a list and as itself.
    if (key === 'flags' && Array.isArray(value) && value.length === 1) return value[0] as unknown;
    if (typeof value !== 'object' || value === null || Array.isArray(value)) return value;
    return Object.fromEntries(Object.entries(value).toSorted(([a], [b]) => (a < b ? -1 : 1)));
  });
}
