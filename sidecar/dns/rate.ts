// A token bucket: so many at once, and so many a second. Its lower half is kept for senders that took little lately, so
// that one that asks without end takes nothing from others.

export interface Rate {
  /** Whether there was one left for this sender. */
  take(sender: number): boolean;
}

export interface RateOptions {
  readonly perSecond: number;
  readonly burst: number;
  readonly now?: () => number;
}

/** Of a second: far more than a client asks by one socket. */
const little = 100;
/** Whoever sends by more ports than this counts anew; the map must not grow with them. */
const maxSenders = 1024;

export function createRate({ perSecond, burst, now = () => performance.now() }: RateOptions): Rate {
  let left = burst;
  let atMs = now();
  let countedFromMs = atMs;
  const taken = new Map<number, number>();

  return {
    take: (sender) => {
      const nowMs = now();
      left = Math.min(burst, left + ((nowMs - atMs) / 1000) * perSecond);
      atMs = nowMs;
      if (nowMs - countedFromMs >= 1000 || taken.size >= maxSenders) {
        taken.clear();
        countedFromMs = nowMs;
      }
      const before = taken.get(sender) ?? 0;
      if (left < 1 || (before >= little && left < burst / 2)) return false;
      taken.set(sender, before + 1);
      left -= 1;
      return true;
    },
  };
}
