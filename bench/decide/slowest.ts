// What takes Outrider longest: rules and requests made to be slow, the worst that the property tests and their authors
// came upon. Nothing here is common; it shows what the bound on steps is worth in time.

import { createReader, type WireRequest } from './requests.ts';
import { inputOf } from './resources.ts';
import { createOutriderOf } from './outrider.ts';
import { timeDecisions } from './stopwatch.ts';

interface SlowCase {
  readonly name: string;
  readonly rules: readonly object[];
  /** Asked in turn. */
  readonly requests: readonly WireRequest[];
}

export interface SlowTiming {
  readonly name: string;
  readonly rules: number;
  readonly p50Us: number;
  readonly p99Us: number;
  /** Of the last request. */
  readonly steps: number;
}

/** As long as a request line may be that a sidecar reads. */
const longestPath = 8000;
/** As long as a pattern in a rule may be. */
const longestPattern = 512;
export const slowRules = 1000;

const least = { ms: 100, decisions: 4 };

const host = 'api.slow.example';

export function timeSlowest(): SlowTiming[] {
  return slowCases().map(({ name, rules, requests }) => {
    const engine = createOutriderOf(inputOf(rules.map((rule, index) => ({ ...named(index), ...rule }))));
    const readers = requests.map(createReader);
    timeDecisions(engine, readers, least);
    const { p50Us, p99Us } = timeDecisions(engine, readers, least);
    return { name, rules: rules.length, p50Us, p99Us, steps: engine.steps?.() ?? 0 };
  });
}

function named(index: number): object {
  return { name: `rule-${String(index % 64).padStart(2, '0')}`, action: 'Allow' };
}

function slowCases(): SlowCase[] {
  const on = (paths: (index: number) => readonly string[], more: object = {}): readonly object[] =>
    times(slowRules, (index) => ({ hosts: [host], paths: paths(index), ...more }));
  const deny = (paths: (index: number) => readonly string[]): readonly object[] =>
    times(slowRules, (index) => ({ action: 'Deny', paths: paths(index) }));
  const longest = '/a'.repeat(longestPath / 2);
  return [
    {
      name: 'all rules on one host, one path each',
      rules: on((index) => [`/v1/things-${index}/*`]),
      requests: times(slowRules, (index) => get(`/v1/things-${index}/x`)),
    },
    {
      name: 'all rules on one path, another method asked',
      rules: on(() => ['/v1/things'], { methods: ['POST'] }),
      requests: [get('/v1/things')],
    },
    {
      name: 'all rules allow the request',
      rules: on(() => ['/v1/**']),
      requests: [get('/v1/things')],
    },
    {
      name: 'a glob inside one segment, another one in each rule',
      rules: on((index) => [`/v1/*-${index}-*`]),
      requests: [get('/v1/things-none-of-them')],
    },
    {
      name: 'the same, and the segment as long as a path can be',
      rules: on((index) => [`/v1/*-${index}-*`]),
      requests: [get(`/v1/${'-'.repeat(longestPath)}`)],
    },
    {
      name: 'one glob that nearly matches at every letter of the longest path',
      rules: [{ hosts: [host], paths: [`/*${'a'.repeat(longestPattern - 3)}b`] }],
      requests: [get(`/${'a'.repeat(longestPath)}`)],
    },
    {
      name: 'one pattern of as many ** as fit, the longest path',
      rules: [{ hosts: [host], paths: [`${'/**/a'.repeat(Math.floor(longestPattern / 5) - 1)}/b`] }],
      requests: [get(longest)],
    },
    {
      name: 'sixteen ** in each rule, the longest path',
      rules: on((index) => [`${`/**/a`.repeat(15)}/**/b${index}`]),
      requests: [get(longest)],
    },
    {
      name: 'guards on every host, each with ** and a glob',
      rules: deny((index) => [`/**/*-${index}/**`]),
      requests: [get('/v1/customers/cus-9s8d7f/payments')],
    },
    {
      name: 'guards on every host, a path of escaped percent signs',
      rules: deny((index) => [`/**/internal-${index}/**`]),
      requests: [get('/%25a'.repeat(longestPath / 4))],
    },
    {
      name: 'every request to a host that nobody knows',
      rules: times(slowRules, (index) => ({ hosts: [`**.site-${index}.example`], paths: ['/v1/**'] })),
      requests: times(5000, (index) => ({ ...get('/v1/things'), host: `api.unknown-${index}.example` })),
    },
    {
      name: 'as many ** as fit in the hosts of each rule, the longest host',
      rules: times(slowRules, (index) => ({ hosts: [`${'**.a.'.repeat(20)}b${index}.example`] })),
      requests: [{ ...get('/v1/things'), host: `${'a.'.repeat(120)}b1.example` }],
    },
  ];
}

function get(target: string): WireRequest {
  return { host, method: 'GET', target, headers: ['accept', '*/*'], placeholder: null };
}

function times<T>(count: number, make: (index: number) => T): T[] {
  return Array.from({ length: count }, (_, index) => make(index));
}
