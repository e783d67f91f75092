// The decision: pure, compiled once per ruleset. What the rules say is in `engine.ts`; here it becomes one outcome.

import { evaluate, evaluateUnread, type CompiledRule } from './compiled-rule.ts';
import type { BodyNeeded, Decision } from './decision.ts';
import { createEngine, type Engine, type Findings } from './engine.ts';
import { ambiguous, compileCeiling } from './credential-ceiling.ts';
import { allowanceBy, ambiguityMessage, chooseGrant, hold, refusalBy, takeLimits } from './outcome.ts';
import { createReading, isUnreadable, type Miss, type Reading, type Stance } from './reading.ts';
import { reasons } from './reasons.ts';
import type { CanonicalRequest, RequestBody } from './request.ts';
import type { Ruleset, RulesetRule } from './ruleset.ts';
import type { RulesetInject } from './ruleset-credential.ts';

export interface Decider {
  /**
   * @param nowMs milliseconds since the epoch; null while the clock is in doubt.
   * @returns what must be read of the body, when the request has one that is unread and the outcome depends on it.
   */
  decide(request: CanonicalRequest, nowMs: number | null): Decision | BodyNeeded;
  /** Every rule, and the first of its conditions that does not hold. */
  explain(request: CanonicalRequest, nowMs: number | null): readonly RuleAccount[];
  /** How many steps the last decision took: at most linear in the request, and in the ruleset. */
  steps(): number;
}

export interface RuleAccount {
  readonly rule: RulesetRule;
  readonly stance: Stance;
  readonly matches: boolean;
  readonly miss: Miss | null;
}

export function isDecided(outcome: Decision | BodyNeeded): outcome is Decision {
  return outcome.action !== 'read';
}

/**
 * Decides a request whose body, if it has one, is at hand: by the head first, and by the body where the head does not
 * settle it, as the sidecar does.
 */
export function decideWhole(
  decider: Pick<Decider, 'decide'>,
  request: CanonicalRequest,
  nowMs: number | null,
): Decision {
  const { body } = request;
  const head = body.kind === 'none' ? request : { ...request, body: { kind: 'unread' } as const };
  const byHead = decider.decide(head, nowMs);
  if (isDecided(byHead)) return byHead;
  const decided = decider.decide({ ...request, body: bodyAsNeeded(body, byHead) }, nowMs);
  if (!isDecided(decided)) throw new Error('a body that was read is asked for again');
  return decided;
}

function bodyAsNeeded(body: RequestBody, { until, maxBytes }: BodyNeeded): RequestBody {
  if (body.kind !== 'read') return { kind: 'read', bytes: new Uint8Array(), isWhole: false };
  if (until === 'flush' || body.bytes.length <= maxBytes) return body;
  return { kind: 'read', bytes: body.bytes.subarray(0, maxBytes), isWhole: false };
}

/** Never throws: a rule that does not compile grants nothing, and guards everything it might be meant for. */
export function compileDecider(ruleset: Ruleset, revision: string): Decider {
  const enforced = createEngine(ruleset, ({ audit }) => audit !== true);
  const isAudited = [...ruleset.guards, ...ruleset.grants].some(({ audit }) => audit === true);
  const shadow = isAudited ? createEngine(ruleset, () => true) : null;
  const auditedClusterRules = new Set(
    ruleset.guards.flatMap(({ policy, name, audit, cluster }) =>
      audit === true && cluster === true ? `${policy}/${name}` : [],
    ),
  );
  const ceilings = new Map(
    Object.entries(ruleset.credentials).map(([name, credential]) => [
      name,
      compileCeiling(credential, ruleset),
    ]),
  );
  const { halt, observeUntilMs, agent } = ruleset;
  const halted: Decision | null =
    halt === null ? null : { ...refusalBy(revision, 'halted'), policy: halt.policy };

  function outcome(engine: Engine, reading: Reading): Decision | BodyNeeded {
    const found = engine.judge(reading);
    const { denying, granting, need, mayGrant } = found;
    if (denying !== null) return denied(denying, reading);
    const observing = granting.length === 0 && isObserved(reading);
    if (need !== null && (granting.length > 0 || mayGrant || observing)) return { action: 'read', ...need };
    if (granting.length > 0) return granted(found, reading);
    return observing
      ? hold(allowanceBy(revision, null, [], [], null), found.holding.map(ruleOf))
      : ungranted(engine, reading);
  }

  /** A guard that applies because the body cannot be read says so: sending it readable is what helps. */
  function denied(guard: CompiledRule, reading: Reading): Decision {
    const { rule } = guard;
    const looksAtBody = rule.body !== undefined || rule.mcp !== undefined;
    if (looksAtBody && reading.request.body.kind === 'read' && isUnreadable(reading.content())) {
      return refusalBy(revision, 'body_unreadable', rule, reasons.body_unreadable);
    }
    return (guard.outcome ??= refusalBy(revision, 'denied_by_rule', rule));
  }

  function ungranted(engine: Engine, reading: Reading): Decision {
    const nearest = engine.closest(reading.request);
    const isOpened = reading.request.opens.length === 0;
    const reason = nearest?.miss.reason ?? (isOpened ? 'no_grant' : 'request_ambiguous');
    const decision = refusalBy(revision, reason);
    return nearest === null ? decision : { ...decision, closest: nearest.closest };
  }

  /** Forwarded as the agent sent it, where nothing of ours could be mistaken for the agent's own. */
  function isObserved({ nowMs, request }: Reading): boolean {
    if (observeUntilMs === null || nowMs === null || nowMs >= observeUntilMs) return false;
    return request.scheme !== 'tcp' && request.opens.length === 0 && request.placeholder === null;
  }

  function granted({ granting, holding }: Findings, reading: Reading): Decision {
    const { request } = reading;
    const chosen = chooseGrant(granting, request, agent.namespace);
    if (chosen === null) {
      const message = ambiguityMessage(granting, request);
      return refusalBy(revision, 'credential_ambiguous', granting[0]?.rule, message);
    }
    const { rule } = chosen;
    let inject: RulesetInject | null = null;
    if (rule.credential !== undefined) {
      const found = injectFor(chosen, rule.credential, reading);
      if ('action' in found) return found;
      inject = found;
    }
    if (granting.length === 1 && holding.length === 0 && chosen.limits.length === 0) {
      if (chosen.outcome?.inject === inject) return chosen.outcome;
      return (chosen.outcome = allowanceBy(revision, rule, granting, [], inject));
    }
    const { charges, beyond, toApprove } = takeLimits(granting, reading);
    if (beyond !== null) {
      const { name, max } = beyond.limit;
      const message = `One request may take at most ${max} of the limit ${name}; send less.`;
      return refusalBy(revision, 'limit_exceeded', beyond.rule, message);
    }
    const allowed = allowanceBy(revision, rule, granting, charges, inject);
    if (holding.length === 0 && toApprove.length === 0) return allowed;
    return hold(allowed, [...new Set([...holding.map(ruleOf), ...toApprove])]);
  }

  /** How the grant's credential is put on the request, or why it is not. */
  function injectFor(grant: CompiledRule, credential: string, reading: Reading): RulesetInject | Decision {
    const { rule, inject } = grant;
    const { opens, scheme } = reading.request;
    const isPlain = opens.length === 0;
    if (isPlain && inject !== null && inject !== false) return inject;
    const ceiling = ceilings.get(credential);
    if (ceiling === undefined) {
      const message = `The rule names the AgentCredential ${credential}, which does not exist or cannot be used; its status says more.`;
      return refusalBy(revision, 'secret_unavailable', rule, message);
    }
    if (isPlain && inject === null) {
      grant.inject = ceiling.injectForAll(rule) ?? false;
      if (grant.inject !== false) return grant.inject;
    }
    if (scheme !== 'https') {
      const message = `The AgentCredential ${credential} is sent over TLS only, and this place is plain ${scheme}.`;
      return refusalBy(revision, 'credential_ceiling', rule, message);
    }
    const found = ceiling.injectFor(reading);
    if (found === null) {
      const message = `The AgentCredential ${credential} does not list this host, method and path under spec.allow.`;
      return refusalBy(revision, 'credential_ceiling', rule, message);
    }
    if (found === ambiguous) {
      const message = `Entries under spec.allow of the AgentCredential ${credential} contain this request and differ in inject; tell them apart by hosts, methods or paths.`;
      return refusalBy(revision, 'credential_ambiguous', rule, message);
    }
    return found;
  }

  return {
    decide: (request, nowMs) => {
      if (halted !== null) return halted;
      const reading = createReading(request, nowMs);
      const decision = outcome(enforced, reading);
      if (shadow === null || !isDecided(decision)) return decision;
      const other = outcome(shadow, reading);
      // What is refused anyway is not read for the shadow's sake.
      if (!isDecided(other)) return decision.action === 'deny' ? decision : other;
      const { action, reason, policy, rule, credential } = other;
      const isSame =
        action === decision.action && reason === decision.reason && credential === decision.credential;
      if (isSame) return decision;
      const isCluster = action !== 'allow' && auditedClusterRules.has(`${policy}/${rule}`);
      const mark = isCluster ? { cluster: true as const } : {};
      return { ...decision, shadow: { action, reason, policy, rule, ...mark } };
    },
    explain: (request, nowMs) => {
      const reading = createReading(request, nowMs);
      const { guards, grants } = shadow ?? enforced;
      const account =
        (stance: Stance) =>
        (compiled: CompiledRule): RuleAccount => {
          const { rule, explained } = compiled;
          const miss =
            request.scheme === 'tcp'
              ? evaluateUnread(rule, explained(), stance, reading)
              : evaluate(explained(), reading, () => {});
          return { rule, stance, matches: miss === null, miss };
        };
      return [...guards.map(account('guard')), ...grants.map(account('grant'))];
    },
    steps: () => enforced.steps() + (shadow?.steps() ?? 0),
  };
}

function ruleOf({ rule }: CompiledRule): RulesetRule {
  return rule;
}
