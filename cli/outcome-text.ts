// A decision in half a line.

import type { Decision } from '../policy/decision.ts';

const actions = { allow: 'Allow', deny: 'Deny', hold: 'Hold' } as const;

/** Such as `Deny no_grant` or `Allow by refunds/refund with the credential stripe`. */
export function spell(decision: Decision): string {
  const { action, reason, policy, rule, credential, statusOnly, observed, approval } = decision;
  const why = reason === null || reason === 'approval_required' ? '' : ` ${reason}`;
  const by = policy === null ? '' : ` by ${policy}${rule === null ? '' : `/${rule}`}`;
  const injecting = credential === null ? '' : ` with the credential ${credential}`;
  const groups = [...new Set(approval?.by.flatMap((each) => each.groups))];
  const asking = groups.length === 0 ? '' : `, to be approved by ${groups.join(', ')}`;
  const status = statusOnly ? ', status only' : '';
  return `${actions[action]}${why}${by}${injecting}${asking}${status}${observed ? ', only observed' : ''}`;
}
