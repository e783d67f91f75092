// What holds for every policy and every request, tried on random ones.

import assert from 'node:assert/strict';
import { it } from 'node:test';
import fc from 'fast-check';
import { compileRuleset } from '../../../policy/compile.ts';
import { compileDecider, decideWhole, isDecided } from '../../../policy/decide.ts';
import type { Decision } from '../../../policy/decision.ts';
import { rule as ruleSchema } from '../../../policy/resources/rule.ts';
import { canonicalJson, type RulesetMatch } from '../../../policy/ruleset.ts';
import {
  ceilings,
  clusterPolicyOf,
  clusterSpec,
  deciderFor,
  guardSpec,
  inputOf,
  monday,
  policyOf,
  policySpec,
  requests,
  requestsPerPolicy,
} from './generators.ts';

/** A case is a policy and a request: 10,000 of each property. */
const runs = { numRuns: 10_000 / requestsPerPolicy };

it('the order of policies and of their rules changes nothing, not even a byte of the ruleset (P-15)', () => {
  fc.assert(
    fc.property(policySpec, policySpec, clusterSpec, requests, (one, two, cluster, all) => {
      const inOrder = {
        policies: [policyOf(one, 'p'), policyOf(two, 'q')],
        clusterPolicies: [clusterPolicyOf(cluster)],
      };
      const reversed = {
        policies: [policyOf(turned(two), 'q'), policyOf(turned(one), 'p')],
        clusterPolicies: [clusterPolicyOf(turned(cluster))],
      };
      const [a, b] = [compileRuleset(inputOf(inOrder)), compileRuleset(inputOf(reversed))];
      assert.equal(canonicalJson(a.ruleset), canonicalJson(b.ruleset));
      assert.equal(a.revision, b.revision);
      const [decideA, decideB] = [deciderFor(inOrder), deciderFor(reversed)];
      for (const asked of all) assert.deepEqual(decideA(asked), decideB(asked));
    }),
    runs,
  );
});

function turned<T extends { readonly rules: readonly object[] }>(spec: T): T {
  return { ...spec, rules: spec.rules.toReversed() };
}

it('a guard more never allows more', () => {
  fc.assert(
    fc.property(policySpec, guardSpec, requests, (spec, more, all) => {
      const before = deciderFor({ policies: [policyOf(spec)] });
      const after = deciderFor({ policies: [policyOf(spec), policyOf(more, 'q')] });
      for (const asked of all) assertNoMore(before(asked), after(asked));
    }),
    runs,
  );
});

it('a ClusterAgentPolicy only tightens, and one in mode Audit changes nothing (O-01)', () => {
  const modes = fc.constantFrom('Enforce', 'Audit');
  fc.assert(
    fc.property(policySpec, clusterSpec, modes, requests, (spec, floor, mode, all) => {
      const decideBefore = deciderFor({ policies: [policyOf(spec)] });
      const clusterPolicies = [clusterPolicyOf({ ...floor, mode })];
      const decideAfter = deciderFor({ policies: [policyOf(spec)], clusterPolicies });
      for (const asked of all) {
        const [before, after] = [decideBefore(asked), decideAfter(asked)];
        assertNoMore(before, after);
        if (mode === 'Audit') {
          assert.deepEqual({ ...after, shadow: null, revision: '' }, { ...before, revision: '' });
        }
      }
    }),
    runs,
  );
});

/** Ways to break a rule that the API server would refuse, or that only compiling finds. */
const breakages: readonly ((rule: object) => object)[] = [
  (rule) => ({ ...rule, hosts: [] }),
  (rule) => ({ ...rule, methods: 'GET' }),
  (rule) => ({ ...rule, paths: ['no-slash'] }),
  (rule) => ({ ...rule, unknown: true }),
  (rule) => ({ ...rule, name: 7 }),
  (rule) => ({ ...rule, query: { fields: { a: { pattern: '(' } } } }),
  (rule) => ({ ...rule, when: 'request.' }),
  (rule) => ({ ...rule, when: 'no_such_function(request)' }),
  (rule) => ({ ...rule, during: { timeZone: 'No/Where', windows: [{ from: '00:00', to: '24:00' }] } }),
  (rule) => ({ ...rule, body: { types: ['Xml'] } }),
  (rule) => ({ ...rule, mcp: { tools: [] } }),
  (rule) => ({ ...rule, github: { operations: ['Fly'] } }),
  (rule) => ({ ...rule, limits: [{ name: 'x', max: -1, per: 'never' }] }),
];

it('breaking any one rule never allows more, a Deny least of all', () => {
  fc.assert(
    fc.property(policySpec, fc.nat(), fc.constantFrom(...breakages), requests, (spec, pick, breakIt, all) => {
      const at = pick % spec.rules.length;
      const rules = spec.rules.map((rule, index) => (index === at ? breakIt(rule) : rule));
      // What is no condition of the rule yet may leave it whole, only narrower.
      const decideBefore = deciderFor({ policies: [policyOf(spec)] });
      const decideAfter = deciderFor({ policies: [policyOf({ ...spec, rules })] });
      const isBroken = !ruleSchema.safeParse(rules[at]).success || 'when' in (rules[at] ?? {});
      if (!isBroken) return;
      for (const asked of all) {
        const [before, after] = [decideBefore(asked), decideAfter(asked)];
        // With the grant of one credential gone, that of another stands alone, as it stood there all along.
        const wasBetweenTwo =
          (before.reason ?? '').startsWith('credential_') && spec.rules[at]?.action !== 'Deny';
        if (!wasBetweenTwo) assertNoMore(before, after);
      }
    }),
    runs,
  );
});

it('no decision attaches a credential outside of its ceiling, or to anything but TLS', () => {
  let attached = 0;
  fc.assert(
    fc.property(policySpec, policySpec, requests, (one, two, all) => {
      const decide = deciderFor({ policies: [policyOf(one), policyOf(two, 'q')] });
      for (const asked of all) {
        const { action, credential } = decide(asked);
        if (action === 'deny' || credential === null) continue;
        attached += 1;
        assert.equal(asked.scheme, 'https');
        const allow: readonly RulesetMatch[] = ceilings[credential as keyof typeof ceilings];
        const inside = allow.some((entry) => isInside(entry, asked.host, asked.method, asked.path));
        assert.ok(inside, `${credential} went to ${asked.method} ${asked.host}${asked.path}`);
      }
    }),
    runs,
  );
  assert.ok(attached > 200, `only ${attached} requests had a credential`);
});

/** Written apart from the engine: by regular expressions over whole texts. */
function isInside(
  { hosts = [], methods, paths }: RulesetMatch,
  host: string,
  method: string,
  path: string,
): boolean {
  const hostLike = (glob: string): RegExp =>
    new RegExp(`^${glob.replaceAll('.', '[.]').replace('**', '.+').replace(/^\*/, '[^.]+')}$`);
  const pathLike = (glob: string): RegExp =>
    new RegExp(`^${glob.replace(/^\/\*\*\//, '(?:/[^/]*)*/').replace(/\/\*\*$/, '(?:/[^/]*)*')}$`);
  return (
    hosts.some((glob) => hostLike(glob).test(host)) &&
    (methods?.includes(method) ?? true) &&
    (paths?.some((glob) => pathLike(glob).test(path)) ?? true)
  );
}

it('the index finds what looking at every rule finds', () => {
  const outcomes: Record<string, number> = {};
  fc.assert(
    fc.property(policySpec, policySpec, clusterSpec, requests, (one, two, cluster, all) => {
      const { ruleset, revision } = compileRuleset(
        inputOf({
          policies: [policyOf(one), policyOf(two, 'q')],
          clusterPolicies: [clusterPolicyOf(cluster)],
        }),
      );
      const decider = compileDecider(ruleset, revision);
      for (const asked of all) {
        const accounts = decider.explain(asked, monday);
        const guards = accounts.filter(({ stance, matches }) => stance === 'guard' && matches);
        const denies = guards.some(({ rule }) => rule.action === 'Deny');
        const grants = accounts.some(({ stance, matches }) => stance === 'grant' && matches);
        const { action, reason } = decideWhole(decider, asked, monday);
        if (denies || !grants) assert.equal(action, 'deny');
        else if (action === 'deny') assert.match(reason ?? '', /^credential_/);
        else assert.equal(action, guards.length > 0 ? 'hold' : 'allow');
        outcomes[action] = (outcomes[action] ?? 0) + 1;
      }
    }),
    runs,
  );
  // Random policies that never grant would prove nothing.
  for (const action of ['allow', 'hold', 'deny']) assert.ok((outcomes[action] ?? 0) > 100, action);
});

it('no JSON makes compiling or deciding throw, or take more steps than linear in its parts (O-06)', () => {
  const anything = fc.oneof(
    fc.jsonValue(),
    policySpec.map((spec) => policyOf(spec)),
    fc.jsonValue().map((value) => policyOf({ agents: {}, rules: [value] })),
  );
  const few = fc.array(anything, { maxLength: 4 });
  fc.assert(
    fc.property(few, few, requests, (policies, clusterPolicies, all) => {
      const { ruleset, revision } = compileRuleset(inputOf({ policies, clusterPolicies }));
      const decider = compileDecider(ruleset, revision);
      const rules = [...ruleset.guards, ...ruleset.grants];
      const nodes = rules.reduce(
        (sum, { hosts = [], paths = [] }) => sum + [...hosts, ...paths].join('').length + 12,
        8,
      );
      for (const asked of all) {
        assert.ok(isDecided(decider.decide(asked, monday)));
        // Every node of every tree at most once for every part, in at most eight readings of a path.
        const parts = asked.segments.length + asked.host.split('.').length + 2;
        const steps = decider.steps();
        assert.ok(steps <= 8 * nodes * parts, `${steps} steps for ${nodes} nodes and ${parts} parts`);
      }
    }),
    runs,
  );
});

/** How much an outcome lets through. */
function permissiveness({ action }: Decision): number {
  return { deny: 0, hold: 1, allow: 2 }[action];
}

function assertNoMore(before: Decision, after: Decision): void {
  const why = `${before.action} (${before.reason}) became ${after.action}`;
  assert.ok(permissiveness(after) <= permissiveness(before), why);
}
