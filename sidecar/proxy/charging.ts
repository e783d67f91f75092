// What one exchange takes from limits: charged once, however often the request is decided and tried, given back when
// it was never sent, and settled when the answer says what it really used.

import type { Decision } from '../../policy/decision.ts';
import { limitMessage } from '../../policy/limits/apply.ts';
import { counterKey, type Charge } from '../../policy/limits/charge.ts';
import { createUsageReader, type UsageReader } from '../../policy/limits/usage.ts';
import { refuse, type Refusal } from '../../policy/refusal.ts';
import type { Limits, Reservation } from '../limits/limits.ts';

export interface Charging {
  /** Charges what the decision says, unless that is charged already. */
  take(decision: Decision): Promise<Refusal | null>;
  /** The first byte went out: what was taken stays taken. */
  sent(): void;
  /** Reads what an answer says that it used; null when nobody counts that. */
  readonly usage: (contentType: string, contentEncoding: string) => UsageReader | null;
  /** Settles, or gives back what was not sent. */
  end(): void;
}

export function createCharging(limits: Limits): Charging {
  let reservation: Reservation | null = null;
  let taken = '';
  let isSent = false;
  let tokens: UsageReader | null = null;
  let charges: readonly Charge[] = [];

  function giveBack(): void {
    reservation?.release();
    reservation = null;
    taken = '';
  }

  return {
    take: async (decision) => {
      if (decision.action !== 'allow') return null;
      const wanted = decision.charges.map((charge) => `${counterKey(charge)}=${charge.amount}`).join(' ');
      if (wanted === taken) return null;
      giveBack();
      charges = decision.charges;
      const reserved = await limits.reserve(charges);
      if (reserved.kind === 'reserved') {
        reservation = reserved;
        taken = wanted;
        return null;
      }
      return refusalOfLimit(reserved, decision);
    },
    sent: () => {
      isSent = true;
    },
    usage: (contentType, contentEncoding) => {
      if (!charges.some(({ counts }) => counts === 'tokens')) return null;
      tokens = createUsageReader(contentType, contentEncoding);
      return tokens;
    },
    end: () => {
      if (!isSent) {
        giveBack();
        return;
      }
      const actual = tokens?.end() ?? null;
      if (actual !== null) reservation?.settle(actual);
      reservation?.commit();
    },
  };
}
