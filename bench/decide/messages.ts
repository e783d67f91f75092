// What is said to an engine's process, and what it answers.

import type { EngineName } from './engine.ts';
import type { CompileTimes } from './outrider.ts';
import type { WireRequest } from './requests.ts';
import type { BenchRule } from './rules.ts';
import type { SlowTiming } from './slowest.ts';
import type { Least, Timing } from './stopwatch.ts';

export type EngineOrder =
  | {
      readonly kind: 'open';
      readonly engine: EngineName;
      readonly rules: readonly BenchRule[];
      readonly requests: readonly WireRequest[];
    }
  | { readonly kind: 'time'; readonly least: Least }
  /** These two are of Outrider alone. */
  | { readonly kind: 'compile'; readonly rules: readonly BenchRule[] }
  | { readonly kind: 'slowest' };

export interface Timings {
  /** Of requests that were read before the run, and are decided again and again. */
  readonly known: Timing;
  /** Of requests that are read from bytes just before. */
  readonly fresh: Timing;
}

export type EngineReport =
  /** One answer for each request, spelled out. */
  | { readonly kind: 'opened'; readonly answers: readonly string[] }
  | ({ readonly kind: 'timed' } & Timings)
  | { readonly kind: 'compiled'; readonly times: CompileTimes }
  | { readonly kind: 'slow'; readonly timings: readonly SlowTiming[] }
  | { readonly kind: 'failed'; readonly message: string };
