// Good examples, damaged at random: whatever comes of it, the API server and local mode agree whether it is a resource,
// and which one. `FC_SEED` repeats a run.

import assert from 'node:assert/strict';
import { after, before, it } from 'node:test';
import fc from 'fast-check';
import { isParsed, parseResource } from '../../../policy/parse.ts';
import type { KindName } from '../../../policy/resources/kinds.ts';
import { startCrdServer, type CrdServer } from './api.ts';
import { allGood } from './examples/table.ts';
import type { Manifest } from './examples.ts';

let server: CrdServer;
before(async () => {
  server = await startCrdServer('current');
});
after(() => server?.stop());

type Path = readonly (string | number)[];

/** Every place in the value, its members before itself. */
function placesIn(value: unknown, path: Path = []): Path[] {
  const below = Array.isArray(value)
    ? value.flatMap((item, index) => placesIn(item, [...path, index]))
    : typeof value === 'object' && value !== null
      ? Object.entries(value).flatMap(([key, member]) => placesIn(member, [...path, key]))
      : [];
  return [...below, path];
}

function valueAt(value: unknown, path: Path): unknown {
  return path.reduce<unknown>((inner, key) => (inner as Record<string | number, unknown>)[key], value);
}

const goodSpecs = Object.values(allGood).map(({ spec }) => spec);
const pieces = goodSpecs.flatMap((spec) => placesIn(spec).map((path) => valueAt(spec, path)));
const texts = [
  '',
  ' ',
  '*',
  '**',
  '/',
  '//',
  '/..',
  '/a/**/b',
  'a..b',
  'A',
  'a b',
  '0s',
  '24:00',
  '1e3',
  '-0',
  'Ki',
];
const odd = [
  '\u{1f600}',
  '\u{1f600}'.repeat(256),
  'x'.repeat(257),
  'x'.repeat(64),
  '[',
  '\\',
  '%',
  '\u0000',
  '\n',
  '~',
];
const others = [0, -1, 0.5, 1e15, 2 ** 60, true, false, null, [], {}, [null], { '': {} }, ['a', 'a']];
const keys = [...new Set(goodSpecs.flatMap((spec) => placesIn(spec).flat()))].filter(
  (key) => typeof key === 'string',
);

interface Damage {
  readonly where: number;
  readonly what: 'replace' | 'remove' | 'add' | 'append';
  readonly value: unknown;
  readonly key: string;
}

const damage: fc.Arbitrary<Damage> = fc.record({
  where: fc.nat(),
  what: fc.constantFrom('replace', 'remove', 'add', 'append'),
  value: fc.oneof(fc.constantFrom<unknown>(...texts, ...odd, ...others), fc.constantFrom(...pieces)),
  key: fc.constantFrom(...keys),
});

function damaged(resource: Manifest, { where, what, value, key }: Damage): Manifest {
  const copy = structuredClone(resource);
  const places = placesIn(copy.spec, ['spec']);
  const path = places[where % places.length] ?? ['spec'];
  const target = valueAt(copy, path);
  if (what === 'append' && Array.isArray(target)) target.push(structuredClone(value));
  else if (what === 'add' && typeof target === 'object' && target !== null && !Array.isArray(target)) {
    (target as Manifest)[key] = structuredClone(value);
  } else {
    const parent = valueAt(copy, path.slice(0, -1)) as Record<string | number, unknown>;
    const last = path.at(-1) ?? 'spec';
    if (what !== 'remove') parent[last] = structuredClone(value);
    else if (Array.isArray(parent)) parent.splice(Number(last), 1);
    else delete parent[last];
  }
  return copy;
}

it('whatever becomes of a good example, both validators agree on it (O-06)', async (t) => {
  let accepted = 0;
  let total = 0;
  const good = Object.values(allGood).map((resource) => JSON.parse(JSON.stringify(resource)) as Manifest);
  await fc.assert(
    fc.asyncProperty(
      fc.constantFrom(...good),
      fc.array(damage, { minLength: 1, maxLength: 2 }),
      async (start, damages) => {
        const resource = JSON.parse(JSON.stringify(damages.reduce(damaged, start))) as Manifest;
        const { message, object } = await server.create(resource);
        const parsed = parseResource(resource.kind as KindName, resource);
        const locally = isParsed(parsed)
          ? ''
          : parsed.map(({ field, message: why }) => `${field}: ${why}`).join('; ');
        assert.equal(
          locally === '',
          message === '',
          `the API server says "${message}", local mode "${locally}"`,
        );
        if (isParsed(parsed)) assert.deepEqual(object.spec, parsed.spec);
        accepted += message === '' ? 1 : 0;
        total += 1;
      },
    ),
    { numRuns: 2000, ...(process.env.FC_SEED === undefined ? {} : { seed: Number(process.env.FC_SEED) }) },
  );
  t.diagnostic(`${total} resources, ${accepted} of them accepted by both`);
});
