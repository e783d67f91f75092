// What holds for every policy and every request, tried on random ones.

import assert from 'node:assert/strict';
import { it } from 'node:test';
import fc from 'fast-check';
import { compileRuleset } from '../../../policy/compile.ts';
import { compileDecider, decideWhole, isDecided } from '../../../policy/decide.ts';
import { rule as ruleSchema } from '../../../policy/resources/rule.ts';
import { canonicalJson } from '../../../policy/ruleset.ts';
import {
  ceilings,
  clusterPolicyOf,
  clusterSpec,
  decideFor,
  guardSpec,
  inputOf,
  monday,
  permissiveness,
  policyOf,
  policySpec,
  request,
} from './generators.ts';

const runs = { numRuns: 10_000 };

it('the order of policies and of their rules changes nothing, not even a byte of the ruleset (P-15)', () => {
  fc.assert(
    fc.property(policySpec, policySpec, clusterSpec, request, (one, two, cluster, asked) => {
      const inOrder = {
        policies: [policyOf(one, 'p'), policyOf(two, 'q')],
        clusterPolicies: [clusterPolicyOf(cluster)],
      };
      const reversed = {
        policies: [
          policyOf({ ...two, rules: two.rules.toReversed() }, 'q'),
          policyOf({ ...one, rules: one.rules.toReversed() }, 'p'),
        ],
        clusterPolicies: [clusterPolicyOf({ ...cluster, rules: cluster.rules.toReversed() })],
      };
      const [a, b] = [compileRuleset(inputOf(inOrder)), compileRuleset(inputOf(reversed))];
      assert.equal(canonicalJson(a.ruleset), canonicalJson(b.ruleset));
      assert.equal(a.revision, b.revision);
      assert.deepEqual(decideFor(inOrder, asked), decideFor(reversed, asked));
    }),
    runs,
  );
});

it('a guard more never allows more', () => {
  fc.assert(
    fc.property(policySpec, guardSpec, request, (spec, more, asked) => {
      const before = decideFor({ policies: [policyOf(spec)] }, asked);
      const after = decideFor({ policies: [policyOf(spec), policyOf(more, 'q')] }, asked);
      assert.ok(permissiveness(after) <= permissiveness(before), `${before.action} became ${after.action}`);
    }),
    runs,
  );
});

it('a ClusterAgentPolicy only tightens (O-01)', () => {
  fc.assert(
    fc.property(
      policySpec,
      clusterSpec,
      fc.constantFrom('Enforce', 'Audit'),
      request,
      (spec, floor, mode, asked) => {
        const before = decideFor({ policies: [policyOf(spec)] }, asked);
        const clusterPolicies = [clusterPolicyOf({ ...floor, mode })];
        const after = decideFor({ policies: [policyOf(spec)], clusterPolicies }, asked);
        assert.ok(permissiveness(after) <= permissiveness(before), `${before.action} became ${after.action}`);
        if (mode === 'Audit')
          assert.deepEqual({ ...after, shadow: null, revision: '' }, { ...before, revision: '' });
      },
    ),
    runs,
  );
});

/** Ways to break a rule that the API server would refuse, or that only compiling finds. */
const breakages: readonly ((rule: Record<string, unknown>) => Record<string, unknown>)[] = [
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
    fc.property(
      policySpec,
      fc.nat(),
      fc.constantFrom(...breakages),
      request,
      (spec, pick, breakIt, asked) => {
        const at = pick % spec.rules.length;
        const rules = spec.rules.map((rule, index) => (index === at ? breakIt(rule) : rule));
        const before = decideFor({ policies: [policyOf(spec)] }, asked);
        const after = decideFor({ policies: [policyOf({ ...spec, rules })] }, asked);
        // With one of two credentials gone the other is no longer ambiguous: that grant stood there all along.
        const wasAmbiguous = before.reason === 'credential_ambiguous' && spec.rules[at]?.action !== 'Deny';
        // Another credential may then be chosen, with another ceiling.
        const wasElsewhere = before.reason === 'credential_ceiling' && spec.rules[at]?.action !== 'Deny';
        if (wasAmbiguous || wasElsewhere) return;
        // What was added to a rule that it had no condition for may still be a rule.
        const isBroken = !ruleSchema.safeParse(rules[at]).success || 'when' in (rules[at] ?? {});
        if (isBroken) {
          assert.ok(
            permissiveness(after) <= permissiveness(before),
            `${before.action} became ${after.action}`,
          );
        }
      },
    ),
    runs,
  );
});

/** Written apart from the engine: by regular expressions over whole texts. */
function isInside(
  entry: { hosts: readonly string[]; methods?: readonly string[]; paths?: readonly string[] },
  host: string,
  method: string,
  path: string,
): boolean {
  const hostLike = (pattern: string) =>
    new RegExp(
      `^${pattern
        .replaceAll('.', '[.]')
        .replaceAll('**', '.+')
        .replaceAll(/(?<![.])[*]/g, '[^.]+')}$`,
    );
  const pathLike = (pattern: string) =>
    new RegExp(`^${pattern.replace(/^\/\*\*\//, '(?:/[^/]*)*/').replace(/\/\*\*$/, '(?:/[^/]*)*')}$`);
  return (
    entry.hosts.some((pattern) => hostLike(pattern).test(host)) &&
    (entry.methods?.includes(method) ?? true) &&
    (entry.paths?.some((pattern) => pathLike(pattern).test(path)) ?? true)
  );
}

it('no decision attaches a credential outside of its ceiling, or to anything but TLS', () => {
  let attached = 0;
  fc.assert(
    fc.property(policySpec, policySpec, request, (one, two, asked) => {
      const { action, credential } = decideFor({ policies: [policyOf(one), policyOf(two, 'q')] }, asked);
      if (action === 'deny' || credential === null) return;
      attached += 1;
      assert.equal(asked.scheme, 'https');
      const allow = ceilings[credential as keyof typeof ceilings];
      const inside = allow.some((entry) => isInside(entry, asked.host, asked.method, asked.path));
      assert.ok(inside, `${credential} went to ${asked.method} ${asked.host}${asked.path}`);
    }),
    runs,
  );
  assert.ok(attached > 100, `only ${attached} requests had a credential`);
});

it('the index finds what looking at every rule finds', () => {
  fc.assert(
    fc.property(policySpec, policySpec, clusterSpec, request, (one, two, cluster, asked) => {
      const { ruleset, revision } = compileRuleset(
        inputOf({
          policies: [policyOf(one), policyOf(two, 'q')],
          clusterPolicies: [clusterPolicyOf(cluster)],
        }),
      );
      const decider = compileDecider(ruleset, revision);
      const accounts = decider.explain(asked, monday);
      const denies = accounts.some(
        ({ stance, matches, rule }) => stance === 'guard' && matches && rule.action === 'Deny',
      );
      const holds = accounts.some(
        ({ stance, matches, rule }) => stance === 'guard' && matches && rule.action !== 'Deny',
      );
      const grants = accounts.some(({ stance, matches }) => stance === 'grant' && matches);
      const { action, reason } = decideWhole(decider, asked, monday);
      if (denies) assert.equal(action, 'deny');
      else if (!grants) assert.equal(action, 'deny');
      else if (action === 'deny') assert.match(reason ?? '', /^credential_/);
      else assert.equal(action, holds ? 'hold' : 'allow');
    }),
    runs,
  );
});

it('no JSON makes compiling or deciding throw, or takes more steps than it has parts', () => {
  const anything = fc.oneof(
    fc.jsonValue(),
    policySpec.map((spec) => policyOf(spec)),
    fc.jsonValue().map((value) => policyOf({ agents: {}, rules: [value] })),
  );
  fc.assert(
    fc.property(
      fc.array(anything, { maxLength: 4 }),
      fc.array(anything, { maxLength: 2 }),
      request,
      (policies, clusterPolicies, asked) => {
        const { ruleset, revision } = compileRuleset(inputOf({ policies, clusterPolicies }));
        const decider = compileDecider(ruleset, revision);
        assert.ok(isDecided(decider.decide(asked, monday)));
        const rules = [...ruleset.guards, ...ruleset.grants];
        const patterns = rules.reduce(
          (sum, { hosts = [], paths = [] }) => sum + [...hosts, ...paths].join('').length + 12,
          8,
        );
        const parts = asked.segments.length + asked.host.split('.').length + 2;
        // Every node of every tree at most once for every part, in at most eight readings of a path.
        assert.ok(
          decider.steps() <= 8 * patterns * parts,
          `${decider.steps()} steps for ${patterns} and ${parts}`,
        );
      },
    ),
    runs,
  );
});
