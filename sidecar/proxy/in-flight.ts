// Exchanges that are under way, so that a policy change, the kill switch and the end of the lease reach what was
// allowed before: open streams are decided again and cut.

import type { Decision } from '../../policy/decision.ts';
import { reasons } from '../../policy/reasons.ts';
import { refuse, type Refusal } from '../../policy/refusal.ts';
import type { CanonicalRequest } from '../../policy/request.ts';
import type { SnapshotSource } from '../control/snapshot.ts';

export interface Exchange {
  readonly request: CanonicalRequest;
  readonly cut: (refusal: Refusal) => void;
}

export interface InFlight {
  /** @returns what ends its membership. */
  add(exchange: Exchange): () => void;
  close(): void;
}

interface Member {
  readonly exchange: Exchange;
  index: number;
}

/** How far past the lease a stream can run. */
const leaseCheckMs = 1000;

export function createInFlight(snapshots: SnapshotSource): InFlight {
  /**
   * No Set: V8 links each outgrown table of one to the next, so that with this churn every scavenge would carry
   * all finished exchanges since the last full collection (13 µs per request).
   */
  const members: Member[] = [];
  const stop = snapshots.onChange((snapshot) => {
    for (const { exchange } of members) {
      const refusal = refusalOfDecision(snapshot.decide(exchange.request));
      if (refusal !== null) exchange.cut(refusal);
    }
  });
  const leaseCheck = setInterval(() => {
    if (members.length === 0 || snapshots.fresh()) return;
    for (const { exchange } of members) exchange.cut(refuseStale());
  }, leaseCheckMs).unref();

  return {
    add: (exchange) => {
      const member = { exchange, index: members.length };
      members.push(member);
      return () => {
        const last = members.pop();
        if (last === undefined || last === member) return;
        members[member.index] = last;
        last.index = member.index;
      };
    },
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
