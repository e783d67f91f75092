// POST /v1/limits: what sidecars and the operator say to each other about limits that all pods of a policy share.

/**
 * Body of POST /v1/limits, at most `maxLimitsBytes`. What it names must stand in the ruleset of the pod that the token
 * says; `max` and the window are the operator's to know. Every message can be lost, repeated or overtaken: then more is
 * counted as spent, never less.
 */
export interface LimitsRequest {
  /** At most `maxLimitAsks`, each of another limit. */
  readonly asks: readonly LimitAsk[];
}

export interface LimitAsk {
  readonly policy: string;
  readonly rule: string;
  readonly limit: string;
  /** What requests wait for: all of it is given, or nothing. 0: nobody waits. */
  readonly need: number;
  /** At least `need`: what would last for a while. */
  readonly want: number;
  /** Spent without a share, since an answer took more than its request had reserved. */
  readonly overdrawn: number;
  /** What this pod holds, at most `maxShares`. */
  readonly shares: readonly HeldShare[];
}

export interface HeldShare {
  readonly id: string;
  /** How much of it is spent; for telling what is used up from what others hold. */
  readonly spent: number;
  /** How much of it stays as it is. Never rises: what is in neither `kept` nor `renew` is given back for good. */
  readonly kept: number;
  /** How much of it should go over into the new share, and so live longer. It is usable in the old one until then. */
  readonly renew: number;
}

export interface LimitsAnswer {
  /** In the order of the asks. */
  readonly answers: readonly LimitAnswer[];
}

export interface LimitAnswer {
  /** What was granted and renewed, in one; null when that is nothing. */
  readonly share: LimitShare | null;
  /** How much of `share` is new. */
  readonly granted: number;
  /** How much of `share` came from each of the ask's shares, in their order. */
  readonly renewed: readonly number[];
  /**
   * Why `need` was not given: `exceeded` when it is spent, `unavailable` when other pods hold it, or when this ruleset
   * knows no such limit.
   */
  readonly refusal: 'exceeded' | 'unavailable' | null;
  /** Of a refusal: when asking again can help; null when time alone will not. */
  readonly retryAfterMs: number | null;
}

export interface LimitShare {
  readonly id: string;
  readonly amount: number;
  /** How long it may be spent, from when the request for it was sent. */
  readonly lifetimeMs: number;
}

export const maxLimitsBytes = 128 * 1024;
export const maxLimitAsks = 64;
export const maxShares = 8;
