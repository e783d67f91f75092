// How long to wait after failures: exponential with full jitter, so that replicas and keys that failed together
// do not come back together (AWS Architecture Blog, "Exponential Backoff And Jitter").

export interface Backoff {
  readonly baseMs: number;
  readonly maxMs: number;
}

/**
 * @param failures in a row, from 1.
 * @returns between half and all of the step: never zero, so that a failure cannot become a tight loop.
 */
export function backoffMs(failures: number, { baseMs, maxMs }: Backoff): number {
  const stepMs = Math.min(maxMs, baseMs * 2 ** Math.min(failures - 1, 30));
  return stepMs / 2 + (Math.random() * stepMs) / 2;
}
