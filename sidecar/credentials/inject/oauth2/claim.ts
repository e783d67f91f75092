// Who is refreshing: a random id and a time, in a field of the secret. A pod that dies leaves its claim behind, and pods'
// clocks differ, so others wait for as long as they themselves have seen the same claim, as leader election in
// Kubernetes does; the time in it only tells a claim of long ago.

export interface SeenClaim {
  /** Id of the last one that this pod wrote, or tried to. */
  own: string | null;
  claim: string | null;
  /** Monotonic. */
  sinceMs: number;
}

const claimMs = 30_000;
/** What reading it late, and writing late, add. */
const graceMs = 10_000;
/** What a pod's clock may be off by before the sidecar doubts it. */
const clockToleranceMs = 60_000;

const pattern = /^(\S{1,64}) (\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d(?:\.\d+)?Z)$/;

export function writeClaim(seen: SeenClaim, nowMs: number, id: string): string {
  seen.own = id;
  return `${id} ${new Date(nowMs + claimMs).toISOString()}`;
}

export function isClaimed(
  claim: string | undefined,
  seen: SeenClaim,
  nowMs: number,
  monotonicMs: number,
): boolean {
  const [, id, until = ''] = pattern.exec(claim ?? '') ?? [];
  // One of this pod's own is left over from a write whose answer was lost: it does one thing at a time.
  if (claim === undefined || id === undefined || id === seen.own) return false;
  const isOld = nowMs > Date.parse(until) + clockToleranceMs;
  if (isOld) return false;
  if (seen.claim !== claim) {
    seen.claim = claim;
    seen.sinceMs = monotonicMs;
  }
  return monotonicMs - seen.sinceMs < claimMs + graceMs;
}
