// RFC 6750: a token in the Authorization header.

import type { Injector } from './injector.ts';
import { onlyPart, type Material } from '../material.ts';
import { assertPrintable } from './printable.ts';
import { partOf } from './part.ts';

/** RFC 6750 section 2.1; a space would end the token for some servers and not for others. */
const pattern = /^Bearer [!-~]+$/;

export const bearer: Injector<'bearer'> = {
  check: (_inject, material) => void valueOf(material),
  places: () => ({ headers: ['authorization'], query: [] }),
  fill: (_inject, material) => ({ headers: [['authorization', valueOf(material)]] }),
};

function valueOf(material: Material): string {
  const secret = partOf(material, { kind: 'bearer' }, onlyPart);
  return assertPrintable(`Bearer ${secret.open()}`, pattern, 'spec.inject.bearer');
}
