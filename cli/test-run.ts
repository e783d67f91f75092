// Runs PolicyTests: what was expected, what came and why, and which rules no case has reached.

import type { RuleAccount } from '../policy/decide.ts';
import type { Decision } from '../policy/decision.ts';
import { explainMiss, fieldRank } from '../policy/explanation.ts';
import { counterKey } from '../policy/limits/charge.ts';
import type { RulesetRule } from '../policy/ruleset.ts';
import { findProblems } from './findings.ts';
import { spell } from './outcome-text.ts';
import type { Expectation, PolicyTest, PolicyTestCase } from './policy-test.ts';
import type { FoundResource, GoodFiles } from './resource-files.ts';
import type { Place } from './source-files.ts';
import { createTrial, knowNamespace, type ReadableRequest, type Trial } from './trial.ts';

/** One line of a report. */
export interface Check {
  readonly suite: string;
  readonly name: string;
  readonly place: Place;
  readonly status: 'passed' | 'failed' | 'skipped';
  /** Why it failed or was skipped, a label and a text each. */
  readonly details: readonly (readonly [label: string, text: string])[];
}

/**
 * @param tested resources whose rules must be reached, and the tests.
 * @param floors more resources of the cluster.
 */
export function runPolicyTests(tested: GoodFiles, floors: GoodFiles): Check[] {
  const reached = new Set<string>();
  const cases = tested.tests.flatMap((test) => runTest(test, tested, floors, reached));
  return [...checkFindings(tested, floors), ...cases, ...checkReach(tested.found, reached)];
}

/** What the cluster would refuse or could not use makes every other answer worthless. */
function checkFindings(tested: GoodFiles, floors: GoodFiles): Check[] {
  return findProblems(tested, floors)
    .filter(({ blocking }) => blocking)
    .map(({ place, object, field, reason, message }) => ({
      suite: 'lint',
      name: `${object}: ${field}`,
      place,
      status: 'failed',
      details: [[reason, message]],
    }));
}

function runTest(test: PolicyTest, tested: GoodFiles, floors: GoodFiles, reached: Set<string>): Check[] {
  const { name, namespace, serviceAccount, labels, place } = test;
  const suite = `PolicyTest ${namespace}/${name}`;
  const resources = [...tested.found, ...floors.found].map(({ resource }) => resource);
  const written =
    test.namespaceLabels ?? tested.namespaces.get(namespace) ?? floors.namespaces.get(namespace);
  const { assumed } = knowNamespace(resources, written, namespace);
  if (assumed.length > 0) {
    const text = `${assumed.join(', ')} selects namespaces by label, and nobody says which labels ${namespace} has: write spec.agent.namespaceLabels, or keep its Namespace object beside the policies`;
    return [
      { suite, name: 'labels of the namespace', place, status: 'failed', details: [['missing', text]] },
    ];
  }
  const namespaceLabels = written ?? {};
  const trial = createTrial(resources, { namespace, serviceAccount, namespaceLabels, podLabels: [labels] });
  return test.cases.map((each) => ({
    suite,
    name: each.name,
    place: each.place,
    ...runCase(each, trial, (rule) => reached.add(ruleKey(rule, namespace))),
  }));
}

function runCase(
  each: PolicyTestCase,
  trial: Trial,
  reach: (rule: RulesetRule) => void,
): Pick<Check, 'status' | 'details'> {
  const limits = trial.ruleset.grants.flatMap(({ policy, name: rule, limits: all = [] }) =>
    all.map(({ name: limit }) => counterKey({ policy, rule, limit })),
  );
  const unknown = Object.keys(each.used).filter((key) => !limits.includes(key));
  if (unknown.length > 0) {
    const there = limits.length === 0 ? 'there are none' : `those are ${limits.join(', ')}`;
    const text = `${unknown.join(', ')} is no limit of this agent's rules; ${there}`;
    return { status: 'failed', details: [['used', text]] };
  }
  const decision = trial.decide(each.request, each.nowMs, each.used);
  const accounts = trial.explain(each.request, each.nowMs);
  for (const account of accounts) if (isReached(account, decision)) reach(account.rule);
  if (differences(each.expect, decision).length === 0) return { status: 'passed', details: [] };
  return {
    status: 'failed',
    details: [
      ['expected', spellExpectation(each.expect)],
      ['got', spell(decision)],
      ...reasonsWhy(each.expect, decision, accounts, each.request),
    ],
  };
}

const actions = { Allow: 'allow', Deny: 'deny', Hold: 'hold' } as const;

/** Fields that are not as expected; what is not written is not compared. */
function differences(expect: Expectation, decision: Decision): string[] {
  const differ: string[] = [];
  if (actions[expect.action] !== decision.action) differ.push('action');
  if (expect.reason !== undefined && expect.reason !== decision.reason) differ.push('reason');
  if (expect.rule !== undefined && expect.rule !== ruleOf(decision)) differ.push('rule');
  if (expect.credential !== undefined && expect.credential !== decision.credential) differ.push('credential');
  return differ;
}

function spellExpectation({ action, reason, rule, credential }: Expectation): string {
  const by = rule === undefined ? '' : ` by ${rule}`;
  const why = reason === undefined ? '' : ` ${reason}`;
  const injecting =
    credential === undefined
      ? ''
      : credential === null
        ? ' without a credential'
        : ` with the credential ${credential}`;
  return `${action}${why}${by}${injecting}`;
}

function ruleOf({ policy, rule }: Decision): string | null {
  return rule === null ? null : `${policy}/${rule}`;
}

function reasonsWhy(
  expect: Expectation,
  decision: Decision,
  accounts: readonly RuleAccount[],
  request: ReadableRequest,
): (readonly [label: string, text: string])[] {
  const why: (readonly [string, string])[] = [];
  const { closest, message } = decision;
  if (message !== null) why.push(['message', message]);
  if (closest !== null)
    why.push(['closest', `${closest.policy}/${closest.rule}: ${closest.field}: ${closest.message}`]);
  if (decision.reason === 'no_grant' && accounts.length === 0)
    why.push(['closest', 'no policy selects this agent']);
  const missed = accounts.filter(({ miss }) => miss !== null);
  if (expect.rule !== undefined && expect.rule !== ruleOf(decision)) {
    const named = accounts.filter(({ rule }) => nameOf(rule) === expect.rule);
    const failed = named.find(({ miss }) => miss !== null);
    if (named.length === 0) why.push(['rule', `no policy that selects this agent has ${expect.rule}`]);
    else if (failed === undefined) why.push(['rule', `${expect.rule} matches too, but does not decide`]);
    else if (closest === null || `${closest.policy}/${closest.rule}` !== expect.rule)
      why.push(['rule', missText(failed, request)]);
  } else if (expect.action !== 'Allow' && decision.action === 'allow') {
    const [nearest] = missed
      .filter(({ stance }) => stance === 'guard')
      .toSorted((a, b) => fieldRank(b.miss?.field ?? '') - fieldRank(a.miss?.field ?? ''));
    if (nearest !== undefined) why.push(['closest', missText(nearest, request)]);
  }
  return why;
}

function missText({ rule, miss }: RuleAccount, written: ReadableRequest): string {
  if (miss === null || written.kind === 'refused') return nameOf(rule);
  return `${nameOf(rule)}: ${miss.field}: ${explainMiss(miss, written.request)}`;
}

function nameOf({ policy, name }: RulesetRule): string {
  return `${policy}/${name}`;
}

/** A grant when it matches; a guard when it decides, also in the shadow of mode Audit. */
function isReached({ rule, stance, matches }: RuleAccount, decision: Decision): boolean {
  if (!matches) return false;
  if (stance === 'grant') return true;
  const deciding = [decision, decision.shadow ?? decision, ...(decision.approval?.by ?? [])];
  return deciding.some((by) => by.policy === rule.policy && by.rule === rule.name);
}

function ruleKey(rule: RulesetRule, namespace: string): string {
  return [rule.cluster === true ? '' : namespace, rule.policy, rule.name].join('/');
}

function checkReach(found: readonly FoundResource[], reached: ReadonlySet<string>): Check[] {
  return found.flatMap(({ resource, source }) => {
    if (resource.kind !== 'AgentPolicy' && resource.kind !== 'ClusterAgentPolicy') return [];
    const { name: policy, namespace = '' } = resource.metadata;
    return (resource.spec.rules ?? []).map(({ name }, index): Check => {
      const isReached = reached.has([namespace, policy, name].join('/'));
      const text = 'no case is decided by it; write one that is, and one that only just is not';
      return {
        suite: 'rules that cases reach',
        name: `${resource.kind} ${namespace === '' ? '' : `${namespace}/`}${policy}: ${name}`,
        place: source.placeOf(`spec.rules[${index}]`),
        status: isReached ? 'passed' : 'failed',
        details: isReached ? [] : [['unreached', text]],
      };
    });
  });
}
