// What a set of rules says of one request. Grants must prove, guards need only not be ruled out; Deny beats hold beats
// allow, and order never changes the outcome, only which rule is recorded: the first by (policy, rule).

import { compileRule, evaluate, evaluateUnread, pending, type CompiledRule } from './compiled-rule.ts';
import { explainMiss, fieldRank } from './explanation.ts';
import type { CanonicalRequest } from './request.ts';
import type { BodyNeed, Miss, Reading, Stance } from './reading.ts';
import { allowsMethod, createMethodBits } from './method-bits.ts';
import { formOverrideNeed, methodMiss } from './methods.ts';
import { placeMiss, pathMiss } from './place.ts';
import { byRuleName } from './rule-order.ts';
import { createRuleIndex } from './rule-index.ts';
import type { Ruleset, RulesetRule } from './ruleset.ts';
import type { Closest } from './decision.ts';

/** What was found; valid until the next call of `judge`. */
export interface Findings {
  /** The first guard that denies. */
  readonly denying: CompiledRule | null;
  /** Rules that ask for an approval. */
  readonly holding: readonly CompiledRule[];
  /** Grants that are proved. */
  readonly granting: readonly CompiledRule[];
  /** What must be read of the body to say more; null when nothing. */
  readonly need: BodyNeed | null;
  /** Whether that need is a grant's, which might let the request through after all. */
  readonly mayGrant: boolean;
}

export interface Engine {
  judge(reading: Reading): Findings;
  /** Of the request that was judged last, when nothing granted it: which grant came nearest, and why not. */
  closest(request: CanonicalRequest): ClosestMiss | null;
  /** Steps that the last request took: visits of nodes, rules and their conditions. */
  steps(): number;
  readonly guards: readonly CompiledRule[];
  readonly grants: readonly CompiledRule[];
}

export interface ClosestMiss {
  readonly closest: Closest;
  readonly miss: Miss;
}

/** Stands for the miss of any rule's methods, until one of them is shown. */
const anotherMethod: Miss = methodMiss([]);

type Changing<T> = { -readonly [K in keyof T]: T[K] };

export function createEngine(ruleset: Ruleset, rules: (rule: RulesetRule) => boolean): Engine {
  const grants = ruleset.grants
    .filter(rules)
    .map((rule, order) => compileRule(rule, order, ruleset, 'grant'));
  // A rule that needs approval also holds what others allow, wherever it cannot be ruled out.
  const guards = [...ruleset.guards, ...ruleset.grants.filter(({ action }) => action === 'RequireApproval')]
    .filter(rules)
    .toSorted(byRuleName)
    .map((rule, order) => compileRule(rule, order, ruleset, 'guard'));
  const grantIndex = createRuleIndex(grants, ruleset, 'grant');
  const guardIndex = createRuleIndex(guards, ruleset, 'guard');

  let reading: Reading;
  let denying: CompiledRule | null = null;
  const holding: CompiledRule[] = [];
  const granting: CompiledRule[] = [];
  const missed: CompiledRule[] = [];
  const misses: Miss[] = [];
  let need: BodyNeed | null = null;
  let mayGrant = false;
  let steps = 0;
  const methodBits = createMethodBits();
  const grantMasks = grants.map(plainMask);
  /** Whether a rule's methods alone settle a rule that has no other conditions. */
  let isPlain = false;
  let methodBit = 0;

  /** Of a rule that asks for nothing but methods, besides what the index knows; else null. */
  function plainMask({ rule, steps: conditions }: CompiledRule): number | null {
    return conditions.every((step) => step.isPlain === true) ? methodBits.maskOf(rule.methods) : null;
  }

  function needed(wanted: BodyNeed): void {
    if (need === null) need = wanted;
    else if (need !== wanted) {
      need = {
        maxBytes: Math.max(need.maxBytes, wanted.maxBytes),
        until: need.until === 'end' || wanted.until === 'end' ? 'end' : 'flush',
      };
    }
  }

  function missOf({ rule, steps: conditions }: CompiledRule, stance: Stance): Miss | null {
    if (reading.request.scheme === 'tcp') return evaluateUnread(rule, conditions, stance, reading);
    return evaluate(conditions, reading, needed);
  }

  function visitGuard(index: number): void {
    const guard = guards[index] as CompiledRule;
    steps += guard.steps.length;
    if (missOf(guard, 'guard') !== null) return;
    // Whatever else a newer operator may call a guard, it stops.
    if (guard.rule.action === 'RequireApproval') insert(holding, guard);
    else if (denying === null || guard.order < denying.order) denying = guard;
  }

  function visitGrant(index: number): void {
    const grant = grants[index] as CompiledRule;
    const mask = grantMasks[index] ?? null;
    steps += 1;
    if (isPlain && mask !== null) {
      if (allowsMethod(mask, methodBit)) insert(granting, grant);
      else {
        missed.push(grant);
        misses.push(anotherMethod);
      }
      return;
    }
    steps += grant.steps.length;
    const miss = missOf(grant, 'grant');
    if (miss === null) insert(granting, grant);
    else if (miss === pending) mayGrant = true;
    else {
      missed.push(grant);
      misses.push(miss);
    }
  }

  const findings: Changing<Findings> = { denying, holding, granting, need, mayGrant };

  return {
    judge: (given) => {
      reading = given;
      denying = null;
      need = null;
      mayGrant = false;
      holding.length = 0;
      granting.length = 0;
      missed.length = 0;
      misses.length = 0;
      steps = 0;
      methodBit = methodBits.bitOf(reading.request.method);
      isPlain =
        reading.request.opens.length === 0 &&
        !reading.overridesMethod() &&
        formOverrideNeed(reading) === null &&
        reading.minting() === null;
      let walked = guardIndex.candidates(reading, visitGuard);
      // What a guard denies no grant can save.
      if (denying === null) walked += grantIndex.candidates(reading, visitGrant);
      steps += walked;
      findings.denying = denying;
      findings.need = need;
      findings.mayGrant = mayGrant;
      return findings;
    },
    closest: (request) => {
      let rule: CompiledRule | undefined;
      let miss: Miss | undefined;
      for (let at = 0; at < missed.length; at += 1) {
        const candidate = missed[at] as CompiledRule;
        const failed = misses[at] as Miss;
        const further = miss === undefined ? 1 : fieldRank(failed.field) - fieldRank(miss.field);
        if (further > 0 || (further === 0 && candidate.order < (rule?.order ?? Infinity))) {
          rule = candidate;
          miss = failed;
        }
      }
      if (rule === undefined || miss === undefined) {
        const nearest = grantIndex.nearest();
        rule = grants[nearest.index];
        if (rule === undefined) return null;
        miss = nearest.field === 'place' ? placeMiss(rule.rule, ruleset) : pathMiss(rule.rule);
      }
      if (miss === anotherMethod) miss = methodMiss(rule.rule.methods ?? []);
      const { policy, name } = rule.rule;
      const message = explainMiss(miss, request);
      return { closest: { policy, rule: name, field: miss.field, message }, miss };
    },
    steps: () => steps,
    guards,
    grants,
  };
}

/** Keeps the list in order; it rarely has more than two. */
function insert(list: CompiledRule[], rule: CompiledRule): void {
  let at = list.push(rule) - 1;
  for (; at > 0; at -= 1) {
    const before = list[at - 1] as CompiledRule;
    if (before.order < rule.order) break;
    list[at] = before;
  }
  list[at] = rule;
}
