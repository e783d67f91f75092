// What each way into the sidecar adds to a request, beside the same request without it: one connection, one request at a time,
// the ways in turns, and only what was measured in the same round is subtracted.

import type { RunFolder } from '../test/cluster/run-folder.ts';
import type { LatencyArguments } from './arguments.ts';
import type { Cores } from './cores.ts';
import type { Load } from './load-client.ts';
import { startOutrider } from './outrider.ts';
import type { Figure } from './report.ts';
import { setScene } from './scene.ts';
import type { SidecarImage } from './sidecar-image.ts';
import { rounded, spreadOf, type Spread } from './statistics.ts';
import { ways, type Way } from './tunnel.ts';

/** A p99 needs some ten values above it. */
const least = { requests: 1000, ms: 500 };
const warmUp = { requests: 3000, ms: 1000 };
const roundTimeoutMs = 60_000;

interface Latency {
  readonly p50Ms: number;
  readonly p99Ms: number;
}

/** What each way is compared with. */
const direct = {
  connect: 'direct_tls',
  absolute: 'direct_tls',
  captured_tls: 'direct_tls',
  captured_http: 'direct_http',
} as const;
const entries = Object.keys(direct) as (keyof typeof direct)[];

export async function measureLatency(
  run: RunFolder,
  cores: Cores,
  image: SidecarImage,
  { rounds }: LatencyArguments,
): Promise<Figure> {
  const scene = await setScene(run);
  const { neighbours } = scene;
  const outrider = await startOutrider({
    run,
    core: cores.proxy,
    image,
    neighbours,
    group: null,
    profiled: false,
    captured: true,
  });
  const loads = new Map<Way, Load>();
  for (const way of ways) loads.set(way, await scene.loadBy(way, outrider.ca));
  for (const load of loads.values()) await load.closed(warmUp, roundTimeoutMs);
  const seen = new Map<Way, Latency[]>(ways.map((way) => [way, []]));
  for (let round = 1; round <= rounds; round++) {
    // Each way comes first, and after each other, about as often.
    const order = [...ways.slice(round % ways.length), ...ways.slice(0, round % ways.length)];
    for (const way of order) {
      const result = await loads.get(way)?.closed(least, roundTimeoutMs);
      if (result !== undefined) seen.get(way)?.push(result);
    }
    process.stderr.write(`bench: round ${round} of ${rounds}\n`);
  }
  return figureOf(seen, rounds);
}

function figureOf(seen: ReadonlyMap<Way, readonly Latency[]>, rounds: number): Figure {
  const of = (way: Way, what: keyof Latency): Spread =>
    spreadOf((seen.get(way) ?? []).map((each) => each[what]));
  const added = (way: keyof typeof direct, what: keyof Latency): Spread => {
    const without = seen.get(direct[way]) ?? [];
    return spreadOf(
      (seen.get(way) ?? []).map((each, index) => each[what] - (without[index]?.[what] ?? Number.NaN)),
    );
  };
  const both = (spread: (what: keyof Latency) => Spread): Latency => ({
    p50Ms: rounded(spread('p50Ms').median, 3),
    p99Ms: rounded(spread('p99Ms').median, 3),
  });
  const text = ({ median, least: from, most: to }: Spread): string =>
    `${median.toFixed(2)} (${from.toFixed(2)} – ${to.toFixed(2)})`;
  return {
    json: {
      direct: {
        https: both((what) => of('direct_tls', what)),
        http: both((what) => of('direct_http', what)),
      },
      added: Object.fromEntries(entries.map((way) => [way, both((what) => added(way, what))])),
    },
    title: 'latency that a way into the sidecar adds to a request',
    columns: ['way', 'p50 ms', 'p99 ms', 'added p50 ms', 'added p99 ms'],
    rows: ways.map((way) => [
      way,
      of(way, 'p50Ms').median.toFixed(2),
      of(way, 'p99Ms').median.toFixed(2),
      ...(way in direct
        ? (['p50Ms', 'p99Ms'] as const).map((what) => text(added(way as keyof typeof direct, what)))
        : ['', '']),
    ]),
    notes: [
      `one connection each, closed loop; medians of ${rounds} rounds, with the least and the most`,
      'added: less the direct request of the same round; captured_http has no TLS on either side and no credential',
    ],
  };
}
