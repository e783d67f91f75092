// How long single decisions take. The clock is read around each one, and what that costs is taken off: a percentile of
// batches would hide the slow requests among the quick ones.

import { quantile } from '../statistics.ts';
import type { Engine } from './engine.ts';
import type { Reader } from './requests.ts';

export interface Timing {
  readonly p50Us: number;
  readonly p99Us: number;
  /** Of whole batches, without a clock inside: what the percentiles must be near. */
  readonly meanUs: number;
  readonly decisions: number;
}

export interface Least {
  readonly ms: number;
  readonly decisions: number;
}

const batchSize = 256;

/** Goes through all requests, again and again, until both bounds are met. */
export function timeDecisions(engine: Engine, readers: readonly Reader[], least: Least): Timing {
  const samplesUs: number[] = [];
  let batchesMs = 0;
  let batched = 0;
  let kept: unknown;
  const endMs = performance.now() + least.ms;
  while (performance.now() < endMs || samplesUs.length < least.decisions) {
    for (const read of readers) {
      const request = read();
      const startMs = performance.now();
      kept = engine.decide(request);
      samplesUs.push((performance.now() - startMs) * 1000);
    }
    const requests = readers.slice(0, batchSize).map((read) => read());
    const startMs = performance.now();
    for (const request of requests) kept = engine.decide(request);
    batchesMs += performance.now() - startMs;
    batched += requests.length;
  }
  // An answer that nobody looks at might not be computed.
  if (kept === undefined) throw new Error('no answer');
  const clockUs = clockCostUs();
  return {
    p50Us: Math.max(0, quantile(samplesUs, 0.5) - clockUs),
    p99Us: Math.max(0, quantile(samplesUs, 0.99) - clockUs),
    meanUs: (batchesMs * 1000) / batched,
    decisions: samplesUs.length,
  };
}

/** The median of reading the clock with nothing in between: some 40 ns, in steps of 10. */
function clockCostUs(): number {
  const samplesUs = Array.from({ length: 2001 }, () => {
    const startMs = performance.now();
    return (performance.now() - startMs) * 1000;
  });
  return quantile(samplesUs, 0.5);
}
