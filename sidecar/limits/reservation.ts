// Limits of one request: all of its charges have room, or nothing is charged.

import { strictest, type LimitRefusal } from '../../policy/limits/apply.ts';
import type { Charge } from '../../policy/limits/charge.ts';
import { isAmount } from '../../policy/limits/window.ts';
import type { Budget, Claim } from './budget.ts';
import type { Limits, Reservation, Reserved } from './limits.ts';

/** A person or program waits behind the request; the operator answers in milliseconds, or not. */
const waitMs = 5000;

const nothing: Reservation = { kind: 'reserved', commit: () => null, settle: () => {}, release: () => {} };

export function combineBudgets(budgets: Readonly<Record<Charge['scope'], Budget>>): Limits {
  const budgetOf = ({ scope }: Charge): Budget => budgets[scope];

  /** Looks at every charge before it takes any, and nothing happens in between. */
  function attempt(charges: readonly Charge[]): Reserved | 'wait' {
    const refusals: LimitRefusal[] = [];
    let waits = false;
    for (const charge of charges) {
      const isPossible = isAmount(charge.amount) && charge.amount <= charge.max;
      const seen = isPossible ? budgetOf(charge).look(charge) : tooMuch(charge);
      if (seen === 'wait') waits = true;
      else if (seen !== 'ready') refusals.push(seen);
    }
    const verdict = strictest(refusals);
    if (verdict.kind !== 'room') return verdict;
    return waits ? 'wait' : reservation(charges.map((charge) => budgetOf(charge).take(charge)));
  }

  function reservation(claims: readonly Claim[]): Reservation {
    let state: 'reserved' | 'sent' | 'over' = 'reserved';

    function release(): void {
      if (state !== 'reserved') return;
      state = 'over';
      for (const claim of claims) budgetOf(claim.charge).release(claim);
    }

    return {
      kind: 'reserved',
      commit() {
        if (state !== 'reserved') return null;
        const lapsed = claims.find((claim) => !budgetOf(claim.charge).isAlive(claim));
        if (lapsed !== undefined) {
          release();
          return { kind: 'unavailable', charge: lapsed.charge, retryAfterMs: 1000 };
        }
        state = 'sent';
        for (const claim of claims) budgetOf(claim.charge).send(claim);
        return null;
      },
      settle(tokens) {
        if (state !== 'sent') return;
        state = 'over';
        for (const claim of claims) {
          const { counts, amount } = claim.charge;
          if (counts === 'tokens') budgetOf(claim.charge).settle(claim, tokens ?? amount);
        }
      },
      release,
    };
  }

  async function waitFor(charges: readonly Charge[]): Promise<Reserved> {
    const endsAtMs = performance.now() + waitMs;
    for (;;) {
      await Promise.all(
        charges
          .filter((charge) => budgetOf(charge).look(charge) === 'wait')
          .map((charge) => budgetOf(charge).replenish(charge)),
      );
      const outcome = attempt(charges);
      if (outcome !== 'wait') return outcome;
      const [charge] = charges.filter((each) => budgetOf(each).look(each) === 'wait');
      if (charge !== undefined && performance.now() > endsAtMs) {
        return { kind: 'unavailable', charge, retryAfterMs: 1000 };
      }
    }
  }

  return {
    reserve(charges) {
      if (charges.length === 0) return nothing;
      const outcome = attempt(charges);
      return outcome === 'wait' ? waitFor(charges) : outcome;
    },
    async close() {
      await Promise.all([budgets.Pod.close(), budgets.Policy.close()]);
    },
  };
}

function tooMuch(charge: Charge): LimitRefusal {
  return { kind: 'exceeded', charge, retryAfterMs: null };
}
