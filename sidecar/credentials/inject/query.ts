// A parameter of the query, where an API has no header for its key.

import { onlyPart, type Material } from '../material.ts';
import type { Injector } from './injector.ts';
import { partOf } from './part.ts';
import { assertPrintable } from './printable.ts';
import { withoutParameters, withParameter } from './query-parameters.ts';

export const query: Injector<'query'> = {
  check: (_inject, material) => void valueOf(material),
  places: ({ name }) => ({ headers: [], query: [name] }),
  fill({ name }, material, outgoing) {
    const rest = withoutParameters(outgoing.query, [name]);
    if (rest !== null && typeof rest !== 'string') return rest;
    return { headers: [], query: withParameter(rest, name, valueOf(material)) };
  },
};

/** All of it could be escaped; a space or a line end is a mistake of storing all the same. */
function valueOf(material: Material): string {
  return assertPrintable(
    partOf(material, { kind: 'query' }, onlyPart).open(),
    /^[!-~]+$/,
    'spec.inject.query',
  );
}
