// Charges as tests write them.

import type { Charge } from '../../../policy/limits/charge.ts';

export function charge(fields: Partial<Charge> = {}): Charge {
  return {
    policy: 'support',
    rule: 'refund',
    limit: 'rate',
    amount: 1,
    max: 10,
    windowMs: 60_000,
    scope: 'Pod',
    exceeded: 'Deny',
    counts: 'requests',
    ...fields,
  };
}
