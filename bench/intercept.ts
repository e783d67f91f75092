// CPU per intercepted HTTPS request, beside Squid's ssl-bump. Hosts are noisy, so the contestants alternate in short
// rounds and only what was measured side by side is compared.

import type { RunFolder } from '../test/cluster/run-folder.ts';
import type { InterceptArguments } from './arguments.ts';
import type { Contestant } from './contestant.ts';
import type { Cores } from './cores.ts';
import { treeCpuMicroseconds } from './cpu-time.ts';
import type { Load } from './load-client.ts';
import { keepProfile, startOutrider, type Outrider } from './outrider.ts';
import type { Figure } from './report.ts';
import { setScene, type Scene } from './scene.ts';
import type { SidecarImage } from './sidecar-image.ts';
import { startSquid } from './squid.ts';
import { median, overlaps, rounded, spreadOf } from './statistics.ts';

/** A round is long enough for ticks of 10 ms to be told to half a percent. */
const least = { requests: 25_000, ms: 2000 };
/** Compilers, caches and pools come to rest. */
const warmUp = { requests: 40_000, ms: 4000 };
const roundTimeoutMs = 60_000;

interface Round {
  readonly requests: number;
  readonly cpuUsPerRequest: number;
  readonly requestsPerSecond: number;
  readonly p50Ms: number;
  readonly p99Ms: number;
}

interface Entrant {
  readonly contestant: Contestant;
  readonly load: Load;
  readonly rounds: Round[];
}

export async function measureIntercept(
  run: RunFolder,
  cores: Cores,
  image: SidecarImage,
  { rounds, connections, profile }: InterceptArguments,
): Promise<Figure> {
  const scene = await setScene(run);
  const { origin, token, neighbours } = scene;
  const outrider = await startOutrider({
    run,
    core: cores.proxy,
    image,
    neighbours,
    group: null,
    profiled: profile !== null,
  });
  const squid = await startSquid(run, cores.proxy, origin, token);
  const entrants: Entrant[] = [];
  for (const contestant of [outrider, squid]) {
    entrants.push({ contestant, load: await scene.load(contestant, connections), rounds: [] });
  }
  for (const { contestant, load } of entrants) {
    await load.closed(warmUp, roundTimeoutMs);
    await contestant.settle();
  }
  const before = await recordsOf(outrider, scene);
  for (let number = 1; number <= rounds; number++) {
    // Each goes first as often as the other, so that neither always inherits the other's warm caches.
    for (const entrant of number % 2 === 0 ? entrants : entrants.toReversed()) {
      const round = await measureRound(entrant);
      entrant.rounds.push(round);
      process.stderr.write(
        `bench: round ${number} of ${rounds}: ${entrant.contestant.name} ${round.cpuUsPerRequest.toFixed(1)} µs\n`,
      );
    }
  }
  const after = await recordsOf(outrider, scene);
  if (profile !== null) await keepProfile(run, outrider, profile);
  return figureOf(
    entrants,
    {
      linesPerRequest: (after.lines - before.lines) / requestsOf(entrants, outrider),
      spansPerRequest: (after.spans - before.spans) / requestsOf(entrants, outrider),
      rules: neighbours.rules,
    },
    { connections, profiled: profile !== null },
  );
}

/** From rest to rest: what a proxy does after its answers, such as sending spans, belongs to their price. */
async function measureRound({ contestant, load }: Entrant): Promise<Round> {
  const beforeUs = treeCpuMicroseconds(contestant.process.pid);
  const result = await load.closed(least, roundTimeoutMs);
  await contestant.settle();
  const usedUs = treeCpuMicroseconds(contestant.process.pid) - beforeUs;
  if (result.reopened > 0) throw new Error(`${contestant.name} closed ${result.reopened} tunnels`);
  return {
    requests: result.completed,
    cpuUsPerRequest: usedUs / result.completed,
    requestsPerSecond: (result.completed / result.lengthMs) * 1000,
    p50Ms: result.p50Ms,
    p99Ms: result.p99Ms,
  };
}

interface Records {
  readonly lines: number;
  readonly spans: number;
}

async function recordsOf(outrider: Outrider, { neighbours }: Scene): Promise<Records> {
  return { lines: outrider.decisionLines.lines(), spans: (await neighbours.received()).spans };
}

function requestsOf(entrants: readonly Entrant[], contestant: Contestant): number {
  return entrants
    .filter((entrant) => entrant.contestant === contestant)
    .flatMap((entrant) => entrant.rounds)
    .reduce((sum, { requests }) => sum + requests, 0);
}

interface Doings {
  readonly linesPerRequest: number;
  readonly spansPerRequest: number;
  readonly rules: number;
}

function figureOf(
  entrants: readonly Entrant[],
  doings: Doings,
  { connections, profiled }: { readonly connections: number; readonly profiled: boolean },
): Figure {
  const spreads = entrants.map(({ rounds }) => spreadOf(rounds.map((round) => round.cpuUsPerRequest)));
  const [ours, theirs] = spreads;
  if (ours === undefined || theirs === undefined) throw new Error('two contestants are needed');
  const ratio = rounded(ours.median / theirs.median, 3);
  const rows = entrants.map(({ contestant, load, rounds }, index) => {
    const { median: middle, least: from, most: to } = spreads[index] ?? ours;
    return [
      contestant.name,
      middle.toFixed(1),
      `${from.toFixed(1)} – ${to.toFixed(1)}`,
      median(rounds.map((round) => round.requestsPerSecond)).toFixed(0),
      median(rounds.map((round) => round.p50Ms)).toFixed(2),
      median(rounds.map((round) => round.p99Ms)).toFixed(2),
      load.tls,
    ];
  });
  return {
    json: {
      cpuUsPerRequest: { outrider: rounded(ours.median, 1), squid: rounded(theirs.median, 1) },
      ratio,
    },
    title: 'CPU per intercepted HTTPS request (user + system, whole process tree)',
    columns: ['proxy', 'µs/request', 'spread', 'requests/s', 'p50 ms', 'p99 ms', 'TLS'],
    rows,
    notes: [
      `ratio ${ratio} of medians of ${entrants[0]?.rounds.length} rounds; ${connections} tunnels in a closed loop`,
      ...(overlaps(ours, theirs) ? ['the spreads overlap: no difference is shown'] : []),
      `outrider decided by ${doings.rules} rules, put Vault's secret on each request, and left ` +
        `${doings.linesPerRequest.toFixed(2)} decision lines and ${doings.spansPerRequest.toFixed(2)} delivered spans for each`,
      ...(profiled ? ['PROFILED: these figures mean nothing'] : []),
    ],
  };
}
