// Microseconds of one decision, beside OPA, Cedar and a matcher written by hand, on the same rules and requests. None
// is timed before all agree on every decision.

import type { DecideArguments } from './arguments.ts';
import { startEngine, type EngineClient } from './decide/engine-client.ts';
import { spell, type EngineName } from './decide/engine.ts';
import type { CompileTimes } from './decide/outrider.ts';
import { createReference } from './decide/reference.ts';
import { generateRequests, mix, type WireRequest } from './decide/requests.ts';
import { generateRules, type BenchRule } from './decide/rules.ts';
import { slowRules, type SlowTiming } from './decide/slowest.ts';
import type { Timings } from './decide/messages.ts';
import type { Figure, Table } from './report.ts';
import { median, rounded, spreadOf } from './statistics.ts';

const requestsPerSize = 2000;
/** Compilers and caches come to rest. */
const warmUp = { ms: 400, decisions: 20_000 };
const round = { ms: 60, decisions: requestsPerSize };
/** A slow engine is warm before it has decided so often. */
const warmUpOf: Readonly<Record<EngineName, typeof warmUp>> = {
  outrider: warmUp,
  floor: warmUp,
  opa: warmUp,
  cedar: { ms: 400, decisions: requestsPerSize },
};

interface Entrant {
  readonly name: EngineName;
  readonly client: EngineClient;
  readonly rounds: Timings[];
}

interface SizeResult {
  readonly rules: number;
  readonly entrants: readonly Entrant[];
}

interface Compilation {
  readonly rules: number;
  readonly times: CompileTimes;
}

export async function measureDecide({ rules: sizes, only, rounds }: DecideArguments): Promise<Figure> {
  const results: SizeResult[] = [];
  const compilations: Compilation[] = [];
  for (const count of sizes) {
    const rules = generateRules(count);
    if (only.includes('outrider')) {
      const { times } = await alone((client) => client.ask({ kind: 'compile', rules }));
      compilations.push({ rules: count, times });
    }
    results.push({ rules: count, entrants: await race(rules, only, rounds) });
  }
  const slowest =
    only.includes('outrider') && sizes.includes(slowRules)
      ? (await alone((client) => client.ask({ kind: 'slowest' }))).timings
      : [];
  return figureOf(results, compilations, slowest, rounds);
}

/** In a process of its own, so that the first compilation is the first. */
async function alone<T>(use: (client: EngineClient) => Promise<T>): Promise<T> {
  const client = startEngine('outrider');
  try {
    return await use(client);
  } finally {
    client.end();
  }
}

async function race(
  rules: readonly BenchRule[],
  names: readonly EngineName[],
  rounds: number,
): Promise<readonly Entrant[]> {
  const requests = generateRequests(rules, requestsPerSize);
  const entrants: Entrant[] = names.map((name) => ({ name, client: startEngine(name), rounds: [] }));
  try {
    const answers = new Map([['the rules as written', referenceAnswers(rules, requests)]]);
    for (const { name, client } of entrants) {
      const opened = await client.ask({ kind: 'open', engine: name, rules, requests });
      answers.set(name, opened.answers);
    }
    requireAgreement(answers, requests, rules.length);
    say(`${rules.length} rules: all agree on ${requests.length} requests`);
    for (const { name, client } of entrants) await client.ask({ kind: 'time', least: warmUpOf[name] });
    for (let number = 1; number <= rounds; number++) {
      // Each goes first as often as last, so that none always inherits the other's warm caches.
      for (const entrant of number % 2 === 0 ? entrants : entrants.toReversed()) {
        entrant.rounds.push(await entrant.client.ask({ kind: 'time', least: round }));
      }
    }
    for (const { name, rounds: timings } of entrants) {
      say(`${rules.length} rules: ${name} ${median(timings.map(({ known }) => known.p50Us)).toFixed(2)} µs`);
    }
    return entrants;
  } finally {
    for (const { client } of entrants) client.end();
  }
}

function referenceAnswers(rules: readonly BenchRule[], requests: readonly WireRequest[]): readonly string[] {
  const reference = createReference(rules);
  return requests.map(({ host, method, target }) => {
    const [path = ''] = target.split('?');
    const rule = reference.decide({ host, method, path });
    return spell({
      action: rule?.action === 'Allow' ? 'allow' : 'deny',
      policy: rule?.policy ?? null,
      rule: rule?.name ?? null,
      credential: rule?.credential ?? null,
    });
  });
}

/** @throws Error that names the first request on which they differ, and what each says. */
export function requireAgreement(
  answers: ReadonlyMap<string, readonly string[]>,
  requests: readonly WireRequest[],
  rules: number,
): void {
  for (const [at, { method, host, target }] of requests.entries()) {
    const said = [...answers].map(([name, all]) => ({ name, answer: all[at] ?? 'nothing' }));
    if (new Set(said.map(({ answer }) => answer)).size <= 1) continue;
    const each = said.map(({ name, answer }) => `${name}: ${answer}`).join('; ');
    throw new Error(`no agreement on ${method} https://${host}${target} by ${rules} rules: ${each}`);
  }
}

function say(line: string): void {
  process.stderr.write(`bench: ${line}\n`);
}

function figureOf(
  results: readonly SizeResult[],
  compilations: readonly Compilation[],
  slowest: readonly SlowTiming[],
  rounds: number,
): Figure {
  const names = results[0]?.entrants.map(({ name }) => name) ?? [];
  const json = Object.fromEntries(
    names.map((name) => [
      name,
      Object.fromEntries(
        results.map(({ rules, entrants }) => [rules, sizeJson(name, rules, entrants, compilations)]),
      ),
    ]),
  );
  const shares = Object.entries(mix).map(([kind, share]) => `${Math.round(share * 100)} % ${kind}`);
  return {
    json,
    title: 'Microseconds of one decision',
    columns: [
      'rules',
      'engine',
      'p50',
      'spread',
      'p99',
      'spread',
      'batch mean',
      'fresh p50',
      'fresh p99',
      'decisions',
    ],
    rows: results.flatMap(({ rules, entrants }) => entrants.map((entrant) => rowOf(rules, entrant))),
    notes: [
      `medians of ${rounds} alternating rounds; spread is the least and the most of them`,
      `${requestsPerSize} requests for each number of rules: ${shares.join(', ')}; all agreed on each first`,
      'the requests were read before; fresh: each was read from bytes just before its decision, so that no string has a hash yet',
      'batch mean has no clock inside',
    ],
    further: [...compileTable(compilations), ...slowestTable(slowest)],
  };
}

function sizeJson(
  name: EngineName,
  rules: number,
  entrants: readonly Entrant[],
  compilations: readonly Compilation[],
): object {
  const timings = entrants.find((entrant) => entrant.name === name)?.rounds ?? [];
  const times = name === 'outrider' ? compilations.find((each) => each.rules === rules)?.times : undefined;
  const [known, fresh] = (['known', 'fresh'] as const).map((which) => ({
    p50Us: rounded(median(timings.map((timing) => timing[which].p50Us)), 2),
    p99Us: rounded(median(timings.map((timing) => timing[which].p99Us)), 2),
  }));
  return {
    ...known,
    fresh,
    ...(times === undefined ? {} : { compileMs: rounded(times.rulesetMs + times.deciderMs, 1) }),
  };
}

function rowOf(rules: number, { name, rounds }: Entrant): string[] {
  const p50 = spreadOf(rounds.map(({ known }) => known.p50Us));
  const p99 = spreadOf(rounds.map(({ known }) => known.p99Us));
  return [
    String(rules),
    name,
    p50.median.toFixed(2),
    `${p50.least.toFixed(2)} – ${p50.most.toFixed(2)}`,
    p99.median.toFixed(2),
    `${p99.least.toFixed(2)} – ${p99.most.toFixed(2)}`,
    median(rounds.map(({ known }) => known.meanUs)).toFixed(2),
    median(rounds.map(({ fresh }) => fresh.p50Us)).toFixed(2),
    median(rounds.map(({ fresh }) => fresh.p99Us)).toFixed(2),
    String(rounds.reduce((sum, { known, fresh }) => sum + known.decisions + fresh.decisions, 0)),
  ];
}

function compileTable(compilations: readonly Compilation[]): Table[] {
  if (compilations.length === 0) return [];
  return [
    {
      title: 'Milliseconds to compile, outrider',
      columns: ['rules', 'resources to ruleset', 'ruleset to decider', 'sum', 'first in a process'],
      rows: compilations.map(({ rules, times: { rulesetMs, deciderMs, firstMs } }) => [
        String(rules),
        rulesetMs.toFixed(1),
        deciderMs.toFixed(1),
        (rulesetMs + deciderMs).toFixed(1),
        firstMs.toFixed(1),
      ]),
      notes: ['the operator does the first, each sidecar the second; medians but for the last column'],
    },
  ];
}

function slowestTable(slowest: readonly SlowTiming[]): Table[] {
  if (slowest.length === 0) return [];
  return [
    {
      title: 'Microseconds of the slowest decisions known, outrider',
      columns: ['what', 'rules', 'p50', 'p99', 'steps'],
      rows: slowest.map(({ name, rules, p50Us, p99Us, steps }) => [
        name,
        String(rules),
        p50Us.toFixed(1),
        p99Us.toFixed(1),
        String(steps),
      ]),
      notes: ['steps are what the engine counts, and what its bound is stated in'],
    },
  ];
}
