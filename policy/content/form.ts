// Names and values of a query or a form.

import type { Unreadable } from '../reading.ts';

export type Pairs = readonly (readonly [name: string, value: string])[];

export function readPairs(_text: string): Pairs | Unreadable {
  return [];
}
