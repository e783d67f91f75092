// What the state of its counters makes of a decision: an allow or a hold for which there is no room becomes a refusal, or
// a hold where the limit says so.

import type { ApprovalNeed, Decision } from '../decision.ts';
import type { RulesetApproval } from '../ruleset.ts';
import { counterKey, type Charge } from './charge.ts';

export type LimitVerdict = LimitRoom | LimitRefusal;

export interface LimitRoom {
  readonly kind: 'room';
}

export interface LimitRefusal {
  /** `unavailable`: nobody knows that it is spent, but no share of it could be had. */
  readonly kind: 'exceeded' | 'unavailable';
  readonly charge: Charge;
  /** When trying again can help; null when time alone will not. */
  readonly retryAfterMs: number | null;
}

/** Where the rule says nothing else; as the schema's defaults. */
const defaultApproval: RulesetApproval = { groups: [], waitMs: 25_000, expiresMs: 600_000 };

/**
 * The refusal that counts, since every limit must have room: one that nobody can lift goes before one that a person can,
 * so that nobody is asked in vain.
 */
export function strictest(refusals: readonly LimitRefusal[]): LimitVerdict {
  const rank = ({ kind, charge }: LimitRefusal): number => {
    if (kind === 'unavailable') return 1;
    return charge.exceeded === 'Deny' ? 0 : 2;
  };
  return refusals.toSorted((a, b) => rank(a) - rank(b))[0] ?? { kind: 'room' };
}

/**
 * For files that say how much is used so far.
 * @param usedCounters by `counterKey`; what is not there is 0.
 */
export function evaluateCharges(
  charges: readonly Charge[],
  usedCounters: Readonly<Record<string, number>>,
): LimitVerdict {
  const taken = new Map(Object.entries(usedCounters));
  const refusals: LimitRefusal[] = [];
  for (const charge of charges) {
    const key = counterKey(charge);
    const after = (taken.get(key) ?? 0) + charge.amount;
    taken.set(key, after);
    if (charge.amount > 0 && after > charge.max) {
      refusals.push({ kind: 'exceeded', charge, retryAfterMs: null });
    }
  }
  return strictest(refusals);
}

export function applyCounters(decision: Decision, verdict: LimitVerdict): Decision {
  if (verdict.kind === 'room' || decision.action === 'deny') return decision;
  const { kind, charge } = verdict;
  const message = limitMessage(verdict);
  const { policy, rule } = charge;
  const closest = { policy, rule, field: `limits[${charge.limit}]`, message };
  if (kind === 'exceeded' && charge.exceeded === 'RequireApproval') {
    const approval = joinApprovals(decision.approval, charge);
    return {
      ...decision,
      action: 'hold',
      reason: 'approval_required',
      policy,
      rule,
      message,
      closest,
      approval,
    };
  }
  return {
    ...decision,
    action: 'deny',
    reason: kind === 'exceeded' ? 'limit_exceeded' : 'limit_unavailable',
    policy,
    rule,
    message,
    closest,
    credential: null,
    destination: null,
    charges: [],
    approval: null,
    statusOnly: false,
  };
}

/** Each is needed; the shortest times hold. */
function joinApprovals(others: ApprovalNeed | null, charge: Charge): ApprovalNeed {
  const { policy, rule } = charge;
  const { groups, waitMs, expiresMs } = charge.approval ?? defaultApproval;
  const by = others?.by ?? [];
  const isAsked = by.some((each) => each.policy === policy && each.rule === rule);
  return {
    by: isAsked ? by : [...by, { policy, rule, groups }],
    waitMs: Math.min(waitMs, others?.waitMs ?? Infinity),
    expiresMs: Math.min(expiresMs, others?.expiresMs ?? Infinity),
  };
}

const units = { requests: 'requests', sum: 'in sum', tokens: 'tokens' } as const;

/** One sentence: which limit, what it is, and what helps. */
export function limitMessage({ kind, charge, retryAfterMs }: LimitRefusal): string {
  const { policy, rule, limit, max, windowMs, counts, amount } = charge;
  const name = `limit ${limit} of the rule ${rule} in ${policy}`;
  const bound = `at most ${max} ${units[counts]} in any ${duration(windowMs)}`;
  const when = retryAfterMs === null ? '' : `; try again in ${duration(retryAfterMs)}`;
  if (kind === 'unavailable') {
    return `No share of the ${name} (${bound}) could be had from the operator${when}.`;
  }
  const isTooMuch = amount > max;
  const what = isTooMuch ? `This request alone goes beyond the ${name}` : `The ${name} is used up`;
  const help = charge.exceeded === 'RequireApproval' ? '; somebody must approve what goes beyond it' : when;
  return `${what} (${bound})${isTooMuch && help === '' ? '; send less' : help}.`;
}

/** Rounded up, in the two largest units: 24h, 1h30m, 2m5s. */
function duration(ms: number): string {
  const seconds = Math.max(1, Math.ceil(ms / 1000));
  const [hours, minutes] = [Math.floor(seconds / 3600), Math.ceil((seconds % 3600) / 60)];
  if (hours > 0)
    return minutes === 0 ? `${hours}h` : minutes === 60 ? `${hours + 1}h` : `${hours}h${minutes}m`;
  const [whole, rest] = [Math.floor(seconds / 60), seconds % 60];
  return `${whole === 0 ? '' : `${whole}m`}${rest === 0 ? '' : `${rest}s`}`;
}
