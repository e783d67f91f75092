// What one exchange takes from limits: charged once, however often the request is decided and tried, given back when
// it was never sent, and settled when the answer says what it really used.

import type { Decision } from '../../policy/decision.ts';
import { counterKey, type Charge } from '../../policy/limits/charge.ts';
import { applyCounters, type LimitRefusal } from '../../policy/limits/apply.ts';
import { createUsageReader, type UsageReader } from '../../policy/limits/usage.ts';
import type { Refusal } from '../../policy/refusal.ts';
import type { Limits, Reservation } from '../limits/limits.ts';
import { refusalOfDecision, refuseStale } from './in-flight.ts';
import type { Trail } from './trail.ts';

export interface Charging {
  /** Charges what the decision says, unless that is charged already. @returns which limit has no room for it. */
  take(decision: Decision): Promise<LimitRefusal | null>;
  /** Whether what was taken is what this decision asks for. */
  covers(decision: Decision): boolean;
  /** The last moment before the first byte goes out: what was taken is spent. @returns what ran out meanwhile. */
  commit(): LimitRefusal | null;
  /** Whether the answer says how much it took, and somebody counts that. */
  countsTokens(): boolean;
  /** What reads along in such an answer. */
  readonly readUsage: (contentType: string, contentEncoding: string) => Pick<UsageReader, 'push'> | null;
  /** Settles what was spent, and gives back what was not. */
  end(): void;
}

export function createCharging(limits: Limits): Charging {
  let reservation: Reservation | null = null;
  let taken = '';
  let countsTokens = false;
  let usage: UsageReader | null = null;

  return {
    take: async ({ charges }) => {
      const wanted = spell(charges);
      if (wanted === taken) return null;
      reservation?.release();
      reservation = null;
      taken = '';
      const reserved = limits.reserve(charges);
      const outcome = reserved instanceof Promise ? await reserved : reserved;
      if (outcome.kind !== 'reserved') return outcome;
      reservation = outcome;
      taken = wanted;
      countsTokens = charges.some(({ counts }) => counts === 'tokens');
      return null;
    },
    covers: ({ charges }) => spell(charges) === taken,
    commit: () => reservation?.commit() ?? null,
    countsTokens: () => countsTokens,
    readUsage: (contentType, contentEncoding) => {
      usage = countsTokens ? createUsageReader(contentType, contentEncoding) : null;
      return usage;
    },
    end: () => {
      // Each has its effect only in its own state: what was not sent is released, what was is settled.
      reservation?.release();
      reservation?.settle(usage?.end() ?? null);
    },
  };
}

/** With what the limits are: room under one that was lowered since is no room. */
function spell(charges: readonly Charge[]): string {
  return charges
    .map((charge) => {
      const { amount, max, windowMs, scope } = charge;
      return `${counterKey(charge)}=${amount}/${max}/${windowMs}/${scope}`;
    })
    .join(' ');
}

/** A limit without room makes another decision of it, and that is the one that is recorded. */
export function refuseSpent(decision: Decision, spent: LimitRefusal, trail: Trail): Refusal {
  const limited = applyCounters(decision, spent);
  trail.decision = limited;
  const refusal = refusalOfDecision(limited) ?? refuseStale();
  if (spent.retryAfterMs === null) return refusal;
  return { ...refusal, retryAfter: Math.max(1, Math.ceil(spent.retryAfterMs / 1000)) };
}
