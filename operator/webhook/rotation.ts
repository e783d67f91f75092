// When the operator's CA is announced, signs and leaves: a pure function of the certificates that there are, the
// settings and the time, so that every replica comes to the same answer without telling the others.
//
//   generation n    ├ minted ─────────── signs from here ──────────────────────────────┤ expires
//   generation n+1                                  ├ minted ──── signs from here ──── …
//                                                   │← overlap →│←     overlap       →│
//
// A CA is in the bundle from being minted until it expires. Whoever learnt the bundle, a sidecar from its ruleset or
// the API server from the webhook's configuration, knows a CA for one overlap before it meets its signature.

export interface RotationSettings {
  /** How long a CA is valid. */
  readonly lifetimeMs: number;
  /** How long a CA is announced before it signs, and how long the last one is still valid by then. */
  readonly overlapMs: number;
}

/** One CA, in the order of their numbers. */
export interface Generation {
  readonly number: number;
  readonly notBeforeMs: number;
  readonly notAfterMs: number;
}

export interface RotationPlan {
  /** Those that may be trusted, the oldest first. */
  readonly bundle: readonly number[];
  /** Whose signature a certificate that is minted now gets; null when there is none. */
  readonly signer: number | null;
  /** The leader mints the next CA. */
  readonly mint: boolean;
  /** When the plan becomes another one without anybody doing anything. */
  readonly changesAtMs: number;
}

/** Clocks of nodes differ, so that a certificate is valid from a little before it was minted. */
export const clockSkewMs = 5 * 60_000;

/** @throws {Error} when a CA would be announced before the last one even signs. */
export function checkRotationSettings({ lifetimeMs, overlapMs }: RotationSettings): void {
  if (!(overlapMs > 0) || !(lifetimeMs >= 3 * overlapMs)) {
    throw new Error('the lifetime of the CA must be at least three times its overlap');
  }
}

export function planRotation(
  generations: readonly Generation[],
  settings: RotationSettings,
  nowMs: number,
): RotationPlan {
  const live = generations
    .filter(({ notAfterMs }) => notAfterMs > nowMs)
    .toSorted((a, b) => a.number - b.number);
  const newest = live.at(-1);
  if (newest === undefined) return { bundle: [], signer: null, mint: true, changesAtMs: nowMs };

  const handovers = live.map((generation, index) => {
    const previous = live[index - 1];
    const signsFromMs = previous === undefined ? -Infinity : handoverMs(previous, generation, settings);
    return { number: generation.number, signsFromMs };
  });
  const mintAtMs = newest.notAfterMs - 2 * settings.overlapMs;
  const times = [
    mintAtMs,
    ...handovers.map(({ signsFromMs }) => signsFromMs),
    ...live.map(({ notAfterMs }) => notAfterMs),
  ];
  return {
    bundle: live.map(({ number }) => number),
    signer: handovers.findLast(({ signsFromMs }) => signsFromMs <= nowMs)?.number ?? null,
    mint: mintAtMs <= nowMs,
    changesAtMs: Math.min(...times.filter((time) => time > nowMs)),
  };
}

/**
 * One overlap before the previous CA expires, or one after it was announced if that is later. Where the previous one
 * has no time for that (the operator was down when the next was due, or an upgrade made the overlap longer), the next
 * is announced for at least half of what is left, and never signs so late that the previous one expires meanwhile.
 */
function handoverMs(previous: Generation, next: Generation, { overlapMs }: RotationSettings): number {
  const announcedMs = next.notBeforeMs + clockSkewMs;
  const planned = Math.max(previous.notAfterMs - overlapMs, announcedMs + overlapMs);
  const margin = Math.min(overlapMs / 10, (previous.notAfterMs - announcedMs) / 2);
  return Math.min(planned, previous.notAfterMs - margin);
}
