// How often policies in mode Audit would have changed what became of a request: counted here, reported to the operator,
// shown in their status.

import { maxShadowReports, type ShadowCounts, type ShadowReport } from '../../policy/contract.ts';
import type { Decision } from '../../policy/decision.ts';
import type { Audit } from './record.ts';

export interface ShadowTally extends Audit {
  /** Since this sidecar started; policies that nothing was counted for are left out. */
  report(): readonly ShadowReport[];
}

const counterOf = { allow: 'wouldAllow', deny: 'wouldDeny', hold: 'wouldHold' } as const satisfies Record<
  Decision['action'],
  keyof ShadowCounts
>;

export function createShadowTally(): ShadowTally {
  /** By kind and name; the one that was counted last is the last. */
  const tallies = new Map<string, ShadowReport>();
  return {
    record: ({ decision }) => {
      const shadow = decision?.shadow ?? null;
      // Another reason or credential for the same outcome changes nothing for the agent.
      if (decision === null || shadow === null || shadow.policy === null) return;
      if (shadow.action === decision.action) return;
      const { policy, cluster } = shadow;
      const key = `${cluster === true ? 'cluster' : 'namespace'}/${policy}`;
      const mark = cluster === true ? { cluster } : {};
      const tally = tallies.get(key) ?? { policy, ...mark, wouldAllow: 0, wouldDeny: 0, wouldHold: 0 };
      const counter = counterOf[shadow.action];
      tallies.delete(key);
      tallies.set(key, { ...tally, [counter]: tally[counter] + 1 });
      // A policy that was deleted is counted no more, and goes first.
      const [oldest] = tallies.keys();
      if (tallies.size > maxShadowReports && oldest !== undefined) tallies.delete(oldest);
    },
    report: () => [...tallies.values()],
    close: async () => {},
  };
}
