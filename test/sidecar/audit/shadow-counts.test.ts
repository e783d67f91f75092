import assert from 'node:assert/strict';
import { describe, test } from 'node:test';
import { compileRuleset } from '../../../policy/compile.ts';
import { apiVersion, maxShadowReports } from '../../../policy/contract.ts';
import { compileDecider, decideWhole } from '../../../policy/decide.ts';
import type { Decision, ShadowOutcome } from '../../../policy/decision.ts';
import { createShadowTally } from '../../../sidecar/audit/shadow-counts.ts';
import { canonicalRequest } from '../../support/canonical-request.ts';
import { exchange, unreadable } from './exchanges.ts';

const plain = exchange().decision ?? assert.fail();
const decided = (action: Decision['action'], shadow: Partial<ShadowOutcome> | null): Decision => ({
  ...plain,
  action,
  shadow: shadow === null ? null : { action: 'deny', reason: null, policy: 'p', rule: 'r', ...shadow },
});

describe('what audited policies would change', () => {
  const uncounted: Record<string, Decision | null> = {
    'a request without a decision': null,
    'a decision that no audited policy would change': decided('allow', null),
    'a refusal that would have another reason': decided('deny', { reason: 'denied_by_rule' }),
    'an allow that would use another credential': decided('allow', { action: 'allow' }),
    'an outcome that no policy stands for': decided('allow', {
      reason: 'no_grant',
      policy: null,
      rule: null,
    }),
  };
  for (const [what, decision] of Object.entries(uncounted)) {
    test(`is nothing for ${what}`, () => {
      const tally = createShadowTally();
      tally.record(exchange(decision === null ? unreadable : { decision }));
      assert.deepEqual(tally.report(), []);
    });
  }

  test('is counted by policy and by what would have become of the request', () => {
    const tally = createShadowTally();
    const decisions = [
      decided('deny', { action: 'allow' }),
      decided('allow', { action: 'deny' }),
      decided('hold', { action: 'deny' }),
      decided('allow', { action: 'hold' }),
      decided('allow', { action: 'deny', policy: 'q' }),
    ];
    for (const decision of decisions) tally.record(exchange({ decision }));
    assert.deepEqual(tally.report(), [
      { policy: 'p', wouldAllow: 1, wouldDeny: 2, wouldHold: 1 },
      { policy: 'q', wouldAllow: 0, wouldDeny: 1, wouldHold: 0 },
    ]);
  });

  test('is told apart for a policy of the namespace and one of the cluster with the same name', () => {
    const tally = createShadowTally();
    tally.record(exchange({ decision: decided('allow', { action: 'deny' }) }));
    tally.record(exchange({ decision: decided('allow', { action: 'hold', cluster: true }) }));
    assert.deepEqual(tally.report(), [
      { policy: 'p', wouldAllow: 0, wouldDeny: 1, wouldHold: 0 },
      { policy: 'p', cluster: true, wouldAllow: 0, wouldDeny: 0, wouldHold: 1 },
    ]);
  });

  test('is what the decisions of a ruleset say, for an audited policy of either kind', () => {
    const hosts = ['api.example.com'];
    const settings = { clusterDomain: 'cluster.local', telemetry: null, operatorCas: '', clusterRanges: [] };
    const policyOf = (name: string, mode: string, rule: object): object => ({
      apiVersion,
      kind: 'AgentPolicy',
      metadata: { name, namespace: 'team' },
      spec: { agents: {}, mode, rules: [{ name: 'r', hosts, ...rule }] },
    });
    const floor = {
      ...policyOf('p', 'Audit', { action: 'Deny', methods: ['DELETE'] }),
      kind: 'ClusterAgentPolicy',
    };
    const { ruleset, revision } = compileRuleset({
      agent: { namespace: 'team', serviceAccount: 'a', namespaceLabels: {}, podLabels: [{}] },
      policies: [
        policyOf('enforced', 'Enforce', { action: 'Allow', methods: ['GET', 'DELETE'] }),
        policyOf('p', 'Audit', { action: 'Allow', methods: ['POST'] }),
      ],
      clusterPolicies: [floor],
      credentials: [],
      stores: [],
      destinations: [],
      settings,
    });
    const decider = compileDecider(ruleset, revision);
    const tally = createShadowTally();
    for (const method of ['GET', 'DELETE', 'POST', 'POST', 'PUT']) {
      const request = canonicalRequest(`${method} https://api.example.com/`);
      tally.record(exchange({ decision: decideWhole(decider, request, Date.now()) }));
    }
    assert.deepEqual(tally.report(), [
      { policy: 'p', cluster: true, wouldAllow: 0, wouldDeny: 1, wouldHold: 0 },
      { policy: 'p', wouldAllow: 2, wouldDeny: 0, wouldHold: 0 },
    ]);
  });

  test('is bounded: the policy that was counted longest ago goes first', () => {
    const tally = createShadowTally();
    for (let index = 0; index < maxShadowReports; index += 1) {
      tally.record(exchange({ decision: decided('allow', { policy: `p${index}` }) }));
    }
    tally.record(exchange({ decision: decided('allow', { policy: 'p0' }) }));
    tally.record(exchange({ decision: decided('allow', { policy: 'new' }) }));
    const policies = tally.report().map(({ policy }) => policy);
    assert.equal(policies.length, maxShadowReports);
    assert.deepEqual(
      [policies.includes('p0'), policies.includes('p1'), policies.at(-1)],
      [true, false, 'new'],
    );
  });
});
