// The time that rules go by. A wall clock that somebody sets, or that steps, must not open a window: it is compared
// with the monotonic clock, and with the operator's time at every heartbeat (P-14).

export interface Clock {
  /** Milliseconds since the epoch; null while the clock is in doubt. */
  nowMs(): number | null;
  /** The operator's time, as it arrived. */
  confirm(operatorMs: number): void;
}

/** What NTP corrects without a step, and a slow heartbeat, stay far below. */
const toleranceMs = 60_000;

export interface ClockOptions {
  readonly wallMs?: () => number;
  readonly monotonicMs?: () => number;
}

export function createClock(options: ClockOptions = {}): Clock {
  const { wallMs = Date.now, monotonicMs = () => performance.now() } = options;
  /** The difference of the two clocks when they were last believed. */
  let agreedMs = wallMs() - monotonicMs();
  let isDoubted = false;

  return {
    nowMs: () => {
      const now = wallMs();
      if (!isDoubted && Math.abs(now - monotonicMs() - agreedMs) > toleranceMs) isDoubted = true;
      return isDoubted ? null : now;
    },
    confirm: (operatorMs) => {
      const now = wallMs();
      isDoubted = Math.abs(now - operatorMs) > toleranceMs;
      if (!isDoubted) agreedMs = now - monotonicMs();
    },
  };
}
