// How long a target is fuzzed, and from where. FUZZ_SECONDS is for each file (3 by default, `npm run fuzz` says more);
// FUZZ_SEED repeats a run.

import type { TestContext } from 'node:test';
import type { Parameters } from 'fast-check';

const seed = Number(process.env['FUZZ_SEED'] ?? Date.now() % 2 ** 31);
const secondsPerFile = Number(process.env['FUZZ_SECONDS'] ?? 3);

/** @param parts that share the time of the file. */
export function fuzzBounds<T>(context: TestContext, parts: number): Parameters<T> {
  context.diagnostic(`FUZZ_SEED=${seed}`);
  return {
    seed,
    numRuns: Number.MAX_SAFE_INTEGER,
    interruptAfterTimeLimit: (secondsPerFile * 1000) / parts,
    markInterruptAsFailure: false,
  };
}
