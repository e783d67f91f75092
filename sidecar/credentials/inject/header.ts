// A header of the API's own, such as X-API-Key, or Authorization with another scheme.

import type { HeaderInject } from '../../../policy/ruleset-credential.ts';
import { onlyPart, type Material } from '../material.ts';
import type { Injector } from './injector.ts';
import { partOf } from './part.ts';
import { assertPrintable } from './printable.ts';

/**
 * RFC 9110 section 5.5 without obs-text: spaces belong to a value inside it, and are stripped at its ends, where they
 * are a mistake of storing.
 */
const fieldValue = /^[!-~](?:[ -~]*[!-~])?$/;

export const header: Injector<'header'> = {
  check: (inject, material) => void valueOf(inject, material),
  places: ({ name }) => ({ headers: [name], query: [] }),
  fill: (inject, material) => ({ headers: [[inject.name, valueOf(inject, material)]] }),
};

function valueOf({ kind, prefix = '' }: HeaderInject, material: Material): string {
  const field = 'spec.inject.header';
  const value = assertPrintable(partOf(material, { kind }, onlyPart).open(), fieldValue, field);
  // Looked at again as a whole, for the sake of the prefix.
  return assertPrintable(`${prefix}${value}`, fieldValue, field);
}
