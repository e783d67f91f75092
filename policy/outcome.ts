// What becomes of a request that grants were found for: which of them is recorded, what it takes from limits, and
// whether somebody has to approve it.

import type { CompiledRule } from './compiled-rule.ts';
import type { ApprovalNeed, Decision } from './decision.ts';
import type { Charge } from './limits/charge.ts';
import type { Reading } from './reading.ts';
import type { Reason } from './reasons.ts';
import type { CanonicalRequest } from './request.ts';
import type { RulesetLimit, RulesetRule } from './ruleset.ts';
import type { RulesetInject } from './ruleset-credential.ts';

const none: readonly Charge[] = [];
const defaultWaitMs = 25_000;
const defaultExpiresMs = 600_000;

/** @param message for a rule that has no words of its own. */
export function refusalBy(
  revision: string,
  reason: Reason,
  rule: RulesetRule | null = null,
  message: string | null = null,
): Decision {
  return {
    action: 'deny',
    reason,
    policy: rule?.policy ?? null,
    rule: rule?.name ?? null,
    message: rule?.message ?? message,
    revision,
    credential: null,
    inject: null,
    destination: null,
    closest: null,
    charges: none,
    approval: null,
    statusOnly: false,
    observed: false,
    shadow: null,
  };
}

/**
 * @param rule the grant that is recorded; null for a request that is only observed.
 * @param granting all grants that match: what any of them restricts is restricted.
 * @param inject how the rule's credential is put on the request; null when it names none.
 */
export function allowanceBy(
  revision: string,
  rule: RulesetRule | null,
  granting: readonly CompiledRule[],
  charges: readonly Charge[],
  inject: RulesetInject | null,
): Decision {
  let destination = rule?.destination ?? null;
  let statusOnly = false;
  for (const { rule: other } of granting) {
    destination ??= other.destination ?? null;
    if (other.statusOnly === true) statusOnly = true;
  }
  return {
    action: 'allow',
    reason: null,
    policy: rule?.policy ?? null,
    rule: rule?.name ?? null,
    message: null,
    revision,
    credential: rule?.credential ?? null,
    inject,
    destination,
    closest: null,
    charges,
    approval: null,
    statusOnly,
    observed: rule === null,
    shadow: null,
  };
}

/** The same, once somebody approves: by each of the rules, within the shortest of their times. */
export function hold(decision: Decision, rules: readonly RulesetRule[]): Decision {
  const [first] = rules;
  if (first === undefined) return decision;
  return {
    ...decision,
    action: 'hold',
    reason: 'approval_required',
    policy: first.policy,
    rule: first.name,
    message: first.message ?? null,
    approval: approvalOf(rules),
  };
}

function approvalOf(rules: readonly RulesetRule[]): ApprovalNeed {
  return {
    by: rules.map(({ policy, name, approval }) => ({ policy, rule: name, groups: approval?.groups ?? [] })),
    waitMs: Math.min(...rules.map(({ approval }) => approval?.waitMs ?? defaultWaitMs)),
    expiresMs: Math.min(...rules.map(({ approval }) => approval?.expiresMs ?? defaultExpiresMs)),
  };
}

/**
 * Grants that name a credential go before those that do not; where two different ones match, the placeholder
 * in the request chooses. A placeholder that names something else than what would be injected is no choice.
 */
export function chooseGrant(
  granting: readonly CompiledRule[],
  request: CanonicalRequest,
  namespace: string,
): CompiledRule | null {
  if (granting.length === 1 && request.placeholder === null) return granting[0] ?? null;
  let chosen: CompiledRule | null = null;
  for (const grant of granting) {
    const { credential } = grant.rule;
    if (credential === undefined) continue;
    if (request.placeholder !== null) {
      if (`${namespace}.${credential}` === request.placeholder) return grant;
    } else if (chosen === null) chosen = grant;
    else if (chosen.rule.credential !== credential) return null;
  }
  return chosen ?? (request.placeholder === null ? (granting[0] ?? null) : null);
}

export function ambiguityMessage(granting: readonly CompiledRule[], request: CanonicalRequest): string {
  const names = [...new Set(granting.flatMap(({ rule }) => rule.credential ?? []))];
  if (request.placeholder === null) {
    return `The rules name ${names.join(' and ')} here; send the placeholder of the one that is meant.`;
  }
  return names.length === 0
    ? 'The request carries a placeholder, but no rule that matches names a credential.'
    : `The request carries the placeholder of another credential than ${names.join(' or ')}, which the rules name here.`;
}

export interface Taken {
  readonly charges: readonly Charge[];
  /** A limit per request that this one goes beyond, and that denies. */
  readonly beyond: { readonly rule: RulesetRule; readonly limit: RulesetLimit } | null;
  /** Rules with such a limit that asks for an approval. */
  readonly toApprove: readonly RulesetRule[];
}

const nothing: Taken = { charges: none, beyond: null, toApprove: [] };

/** Of all grants that match, every limit applies, like ResourceQuota. */
export function takeLimits(granting: readonly CompiledRule[], reading: Reading): Taken {
  let isLimited = false;
  for (const { limits } of granting) if (limits.length > 0) isLimited = true;
  if (!isLimited) return nothing;
  const charges: Charge[] = [];
  const toApprove: RulesetRule[] = [];
  let beyond: Taken['beyond'] = null;
  for (const { rule, limits } of granting) {
    for (const { limit, amount: amountOf } of limits) {
      const amount = amountOf(reading);
      // A grant whose amount cannot be read has not matched.
      if (typeof amount !== 'number') continue;
      if (limit.windowMs !== null) charges.push(chargeOf(rule, limit, limit.windowMs, amount));
      else if (amount <= limit.max) continue;
      else if (limit.exceeded === 'Deny') beyond ??= { rule, limit };
      else if (!toApprove.includes(rule)) toApprove.push(rule);
    }
  }
  return { charges, beyond, toApprove };
}

function chargeOf(rule: RulesetRule, limit: RulesetLimit, windowMs: number, amount: number): Charge {
  return {
    policy: rule.policy,
    rule: rule.name,
    limit: limit.name,
    amount: Math.ceil(amount),
    max: limit.max,
    windowMs,
    scope: limit.scope,
    exceeded: limit.exceeded,
    ...(rule.approval === undefined ? {} : { approval: rule.approval }),
    counts: limit.sum !== undefined ? 'sum' : limit.usage !== undefined ? 'tokens' : 'requests',
  };
}
