// What the statuses of AgentPolicy and ClusterAgentPolicy have in common: for whom a policy holds, what it would change in
// mode Audit, and what is left of one that cannot be read.

import type { ShadowCounts } from '../../policy/contract.ts';
import type { Finding } from '../../policy/parse.ts';
import type { ReadPolicy } from '../../policy/read-policy.ts';
import type { Agent } from '../../policy/selection.ts';
import type { InjectionStatus } from '../injector/annotations.ts';
import type { DesiredStatus } from '../kube/status.ts';
import { conditionsOf, splitFindings, type Cause } from './conditions.ts';

export interface CountingAgent {
  readonly agent: Agent;
  /** What its sidecar counted of the policy in shadow; null when it has counted nothing. */
  readonly counted: () => ShadowCounts | null;
  /** What the webhook did to its pod; null or absent where that cannot be told. */
  readonly injected?: InjectionStatus | null;
}

export interface PolicyInForce {
  readonly spec: {
    readonly mode: 'Enforce' | 'Audit';
    readonly haltAgents: boolean;
    readonly rules?: readonly unknown[] | undefined;
  };
  /** Agents that it selects now. */
  readonly selected: readonly CountingAgent[];
  readonly findings: readonly Finding[];
}

export function statusInForce({ spec, selected, findings }: PolicyInForce): DesiredStatus {
  return {
    conditions: conditionsOf({ ...splitFindings(findings), working: workingCause(spec, selected.length) }),
    fields: {
      agents: selected.length,
      rules: spec.rules?.length ?? 0,
      ...(spec.mode === 'Audit' ? { shadow: sum(selected) } : {}),
    },
  };
}

function workingCause({ haltAgents, mode }: PolicyInForce['spec'], selected: number): Cause {
  const whom = count(selected, 'agent');
  if (haltAgents) {
    return { reason: 'Halting', message: `refuses everything to ${whom}, since spec.haltAgents is true` };
  }
  if (selected === 0) {
    return { reason: 'NotInUse', message: 'accepted; spec.agents selects no agent that runs now' };
  }
  if (mode === 'Audit') {
    return {
      reason: 'Auditing',
      message: `changes nothing and is decided in shadow for ${whom}: mode Audit`,
    };
  }
  return { reason: 'InForce', message: `holds for ${whom}` };
}

/**
 * The API server refuses such an object; one of another version, or of a schema that was taken away, can be stored all
 * the same.
 * @param readings what was read of it for each agent that it may concern.
 */
export function statusOfUnreadable(
  findings: readonly Finding[],
  readings: readonly ReadPolicy[],
): DesiredStatus {
  const concerned = readings.filter(
    ({ halts, grants, guards }) => halts || grants.length + guards.length > 0,
  );
  const rules = Math.max(0, ...concerned.map(({ grants, guards }) => grants.length + guards.length));
  const { broken, degraded } = splitFindings(findings);
  const effect = concerned.some(({ halts }) => halts)
    ? `until it is put right it refuses everything to ${count(concerned.length, 'agent')}, which it may be meant to halt`
    : 'until it is put right, a rule that cannot be read grants nothing, or stops all that it may be meant to';
  const cause = broken ?? degraded;
  return {
    conditions: conditionsOf({
      broken: cause && { ...cause, message: `${cause.message}; ${effect}` },
      degraded: null,
      working: { reason: 'Invalid', message: '' },
    }),
    fields: { agents: concerned.length, rules },
  };
}

function sum(agents: readonly CountingAgent[]): ShadowCounts {
  const counted = agents.map((each) => each.counted());
  const total = (key: keyof ShadowCounts): number =>
    counted.reduce((all, counts) => all + (counts?.[key] ?? 0), 0);
  return {
    wouldAllow: total('wouldAllow'),
    wouldDeny: total('wouldDeny'),
    wouldHold: total('wouldHold'),
  };
}

function count(number: number, noun: string): string {
  return `${number} ${noun}${number === 1 ? '' : 's'}`;
}
