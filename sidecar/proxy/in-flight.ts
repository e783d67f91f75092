// Exchanges that are under way, so that a policy change, the kill switch and the end of the lease reach what was
// allowed before: open streams are decided again and cut.

import type { Decision } from '../../policy/decision.ts';
import { reasons } from '../../policy/reasons.ts';
import { refuse, type Refusal } from '../../policy/refusal.ts';
import type { CanonicalRequest } from '../../policy/request.ts';
import type { SnapshotSource } from '../control/snapshot.ts';

export interface Exchange {
  readonly request: CanonicalRequest;
  cut(refusal: Refusal): void;
}

export interface InFlight {
  add(exchange: Exchange): void;
  remove(exchange: Exchange): void;
  close(): void;
}

/** How far past the lease a stream can run. */
const leaseCheckMs = 1000;

export function createInFlight(snapshots: SnapshotSource): InFlight {
  const exchanges = new Set<Exchange>();
  const stop = snapshots.onChange((snapshot) => {
    for (const exchange of exchanges) {
      const refusal = refusalOfDecision(snapshot.decide(exchange.request));
      if (refusal !== null) exchange.cut(refusal);
    }
  });
  const leaseCheck = setInterval(() => {
    if (exchanges.size === 0 || snapshots.fresh()) return;
    for (const exchange of exchanges) exchange.cut(refuseStale());
  }, leaseCheckMs).unref();

  return {
    add: (exchange) => exchanges.add(exchange),
    remove: (exchange) => exchanges.delete(exchange),
    close: () => {
      stop();
      clearInterval(leaseCheck);
    },
  };
}

export function refuseStale(): Refusal {
  return refuse(
    'policy_stale',
    'Outrider has no policy that its operator confirmed lately; try again shortly.',
  );
}

export function refusalOfDecision({ reason, message, closest }: Decision): Refusal | null {
  return reason === null ? null : refuse(reason, message ?? closest?.message ?? reasons[reason]);
}
