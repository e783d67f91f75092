// A token bucket: so many at once, and so many a second.

export interface Rate {
  /** Whether there was one left. */
  take(): boolean;
}

export interface RateOptions {
  readonly perSecond: number;
  readonly burst: number;
  readonly now?: () => number;
}

export function createRate({ perSecond, burst, now = () => performance.now() }: RateOptions): Rate {
  let left = burst;
  let atMs = now();
  return {
    take: () => {
      const nowMs = now();
      left = Math.min(burst, left + ((nowMs - atMs) / 1000) * perSecond);
      atMs = nowMs;
      if (left < 1) return false;
      left -= 1;
      return true;
    },
  };
}
