// The agents whose policies name a credential: how it fares in each, and what most of those say in which it fails.

import type { CredentialState } from '../control/reports.ts';
import type { Cause } from './conditions.ts';
import { causeOfCode, emptyVolume } from './failure-causes.ts';
import type { Shortfall } from './shortfall.ts';

export interface BoundAgent {
  readonly uid: string;
  /** What its sidecar said last; null before it said anything. */
  readonly state: CredentialState | null;
  readonly shortfall: Shortfall;
}

export function countsOf(bound: readonly BoundAgent[]): {
  readonly bound: number;
  readonly resolved: number;
  readonly failing: number;
} {
  const count = (state: CredentialState['state']): number =>
    bound.filter((agent) => agent.state?.state === state).length;
  return { bound: bound.length, resolved: count('Resolved'), failing: count('Failing') };
}

/**
 * A sidecar cannot tell why it has no file, the operator can: without the volume it needs that, whatever it says, and with
 * an empty one it needs the Secret.
 */
export function codeOf({ state, shortfall }: BoundAgent): string {
  if (shortfall.volume === 'missing') return 'VOLUME_MISSING';
  const isEmpty = shortfall.volume === 'mounted' && state?.code === 'VOLUME_MISSING';
  return isEmpty ? emptyVolume : (state?.code ?? 'UNKNOWN');
}

/** What most of the failing agents say; of two as frequent the first by code, so that replicas agree. Null: none fails. */
export function failureCause(bound: readonly BoundAgent[]): Cause | null {
  const failing = bound.filter(({ state }) => state?.state === 'Failing');
  const byCode = Map.groupBy(failing, codeOf);
  const [most] = [...byCode].toSorted(
    ([codeA, a], [codeB, b]) => b.length - a.length || (codeA < codeB ? -1 : 1),
  );
  if (most === undefined) return null;
  const [code, agents] = most;
  const { reason, message } = causeOfCode(code);
  return { reason, message: `${message} (${agents.length} of ${bound.length} agents)` };
}
