// Exchanges that are under way, so that a policy change, the kill switch and the end of the lease reach what was
// allowed before: open streams are decided again and cut.

import { isDecided } from '../../policy/decide.ts';
import type { BodyNeeded, Decision } from '../../policy/decision.ts';
import { reasons } from '../../policy/reasons.ts';
import { refuse, type Refusal } from '../../policy/refusal.ts';
import type { CanonicalRequest } from '../../policy/request.ts';
import { canonicalJson, type Ruleset, type RulesetDestination } from '../../policy/ruleset.ts';
import type { Clock } from '../clock.ts';
import type { Snapshot, SnapshotSource } from '../control/snapshot.ts';

export interface Exchange {
  readonly request: CanonicalRequest;
  /** Whether the agent gets the answer's status alone. */
  readonly statusOnly: boolean;
  /** What it was dialled by: other names, narrower ranges or another CA end it. */
  readonly destination: RulesetDestination | null;
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

/** How far past the lease, or the end of a window, a stream can run. */
const checkMs = 1000;

export function createInFlight(snapshots: SnapshotSource, clock: Clock): InFlight {
  /**
   * No Set: V8 links each outgrown table of one to the next, so that with this churn every scavenge would carry
   * all finished exchanges since the last full collection (13 µs per request).
   */
  const members: Member[] = [];
  const stop = snapshots.onChange((snapshot) => {
    decideAgain(snapshot);
  });
  let decidedAt: number | null = 0;
  const check = setInterval(() => {
    if (members.length === 0) return;
    if (!snapshots.fresh()) for (const { exchange } of members.slice()) exchange.cut(refuseStale());
    // Windows begin and end on whole minutes; a clock in doubt ends them at once (P-14).
    const nowMs = clock.nowMs();
    const minute = nowMs === null ? null : Math.floor(nowMs / 60_000);
    if (minute === decidedAt) return;
    decidedAt = minute;
    const snapshot = snapshots.current();
    if (snapshot !== null && isTimed(snapshot.ruleset)) decideAgain(snapshot);
  }, checkMs).unref();

  function decideAgain(snapshot: Snapshot): void {
    for (const { exchange } of members.slice()) {
      const decision = snapshot.decide(exchange.request, clock.nowMs());
      const refusal = refusalOfAnother(exchange, decision, snapshot);
      if (refusal !== null) exchange.cut(refusal);
    }
  }

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
      clearInterval(check);
    },
  };
}

function refusalOfAnother(
  { statusOnly, destination }: Exchange,
  decision: Decision | BodyNeeded,
  snapshot: Snapshot,
): Refusal | null {
  if (!isDecided(decision) || (decision.statusOnly && !statusOnly)) return refuseChanged();
  return (
    refusalOfDecision(decision) ??
    (isSameDestination(destinationOf(decision, snapshot), destination) ? null : refuseChanged())
  );
}

export function destinationOf(
  { destination }: Decision,
  { ruleset }: Pick<Snapshot, 'ruleset'>,
): RulesetDestination | null {
  return destination === null ? null : (ruleset.destinations[destination] ?? null);
}

export function isSameDestination(a: RulesetDestination | null, b: RulesetDestination | null): boolean {
  return a === b || canonicalJson(a) === canonicalJson(b);
}

/** Whether it can decide otherwise at another time. */
function isTimed({ observeUntilMs, guards, grants }: Ruleset): boolean {
  if (observeUntilMs !== null) return true;
  return [guards, grants].some((rules) =>
    rules.some(
      ({ during, outside, when }) =>
        during !== undefined || outside !== undefined || (when?.includes('now') ?? false),
    ),
  );
}

export function refuseStale(): Refusal {
  return refuse(
    'policy_stale',
    'Outrider has no policy that its operator confirmed lately; try again shortly.',
  );
}

export function refuseChanged(): Refusal {
  return refuse('policy_stale', 'The policy changed while the request was under way; send it again.');
}

export function refusalOfDecision({ reason, message, closest }: Decision): Refusal | null {
  return reason === null ? null : refuse(reason, message ?? closest?.message ?? reasons[reason]);
}
