// What an upstream would see of a secret, since nothing but injection opens one.

import type { RulesetInject } from '../../../policy/ruleset-credential.ts';
import { isRefusal } from '../../../policy/refusal.ts';
import { fill } from '../../../sidecar/credentials/inject/inject.ts';
import type { Filled, Outgoing } from '../../../sidecar/credentials/inject/injector.ts';
import type { Material } from '../../../sidecar/credentials/material.ts';
import { Secret } from '../../../sidecar/credentials/secret.ts';

const plain: Outgoing = {
  method: 'GET',
  host: 'api.example.test',
  path: '/',
  query: null,
  headers: [],
  hasBody: false,
  contentLength: null,
  body: null,
  placeholder: 'outrider-placeholder.research.bot',
};

/** @throws {Error} when the request is refused. */
export function filled(inject: RulesetInject, material: Material, outgoing: Partial<Outgoing> = {}): Filled {
  const outcome = fill(inject, material, { ...plain, ...outgoing }, Date.now());
  if (isRefusal(outcome)) throw new Error(outcome.message);
  return outcome;
}

/** The text of a secret of one part. */
export function opened(material: Material): string {
  const [, value = ''] = filled({ kind: 'bearer' }, material).headers[0] ?? [];
  return value.replace('Bearer ', '');
}

export function materialOf(parts: Readonly<Record<string, string>> | string): Material {
  const named = typeof parts === 'string' ? { value: parts } : parts;
  return new Map(Object.entries(named).map(([name, value]) => [name, new Secret(value)]));
}
