// What one request takes from one limit.

import type { RulesetApproval } from '../ruleset.ts';

export interface Charge {
  /** An AgentPolicy of the agent's namespace: guards, and so ClusterAgentPolicies, have no limits. */
  readonly policy: string;
  readonly rule: string;
  readonly limit: string;
  /** Whole units, at least 0: 1 for requests, a field's value rounded up, tokens reserved. */
  readonly amount: number;
  /** At most this much in any window. */
  readonly max: number;
  readonly windowMs: number;
  readonly scope: 'Pod' | 'Policy';
  readonly exceeded: 'Deny' | 'RequireApproval';
  /** Whom to ask then; absent: any approver. */
  readonly approval?: RulesetApproval;
  /** `tokens` are settled from the usage that the answer states. */
  readonly counts: 'requests' | 'sum' | 'tokens';
}

/**
 * Name of a charge's counter within a namespace. Counters belong to the limit's name, so that they survive changes of
 * the policy; names are DNS labels and subdomains, which have no slash.
 */
export function counterKey({ policy, rule, limit }: Pick<Charge, 'policy' | 'rule' | 'limit'>): string {
  return `${policy}/${rule}/${limit}`;
}
