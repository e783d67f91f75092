import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import { apiVersion } from '../../policy/contract.ts';
import { readClusterPolicy, readPolicy } from '../../policy/read-policy.ts';
import { canonicalJson, emptyRuleset, rulesetRevision, type Ruleset } from '../../policy/ruleset.ts';
import { compileRuleset } from '../../policy/compile.ts';
import type { Agent } from '../../policy/selection.ts';

const agentOf = (team: string): Agent => ({
  namespace: 'team',
  serviceAccount: 'triage',
  namespaceLabels: { team },
  podLabels: [{}],
});
const rules = [{ name: 'stop', action: 'Deny', hosts: ['api.example.com'] }];

/** Counts how often its spec is looked at. */
function counted(kind: string, spec: object): { readonly object: object; readonly reads: () => number } {
  let count = 0;
  const metadata = { name: 'p', namespace: 'team' };
  const object = {
    apiVersion,
    kind,
    metadata,
    get spec(): object {
      count += 1;
      return spec;
    },
  };
  return { object, reads: () => count };
}

describe('a policy that is compiled for many agents', () => {
  it('is read once, and selects each by itself', () => {
    const { object, reads } = counted('ClusterAgentPolicy', {
      agents: { namespaceSelector: { matchLabels: { team: 'red' } } },
      rules,
    });
    assert.equal(readClusterPolicy(object, agentOf('red')).guards.length, 1);
    const first = reads();
    assert.equal(readClusterPolicy(object, agentOf('blue')).guards.length, 0);
    assert.equal(readClusterPolicy(object, agentOf('red')).guards.length, 1);
    assert.equal(reads(), first);
  });

  it('is not taken for one of the other kind', () => {
    const { object } = counted('AgentPolicy', { agents: {}, rules });
    assert.equal(readPolicy(object, agentOf('red')).guards[0]?.cluster, undefined);
    assert.equal(readClusterPolicy(object, agentOf('red')).guards[0]?.cluster, true);
  });

  it('has the revision that a sidecar computes from what it is sent', () => {
    const settings = { clusterDomain: 'cluster.local', telemetry: null, operatorCas: '', clusterRanges: [] };
    const policy = {
      apiVersion,
      kind: 'AgentPolicy',
      metadata: { name: 'p', namespace: 'team' },
      spec: { agents: {}, rules },
    };
    const inputs = { policies: [policy], clusterPolicies: [], credentials: [], stores: [], destinations: [] };
    for (const team of ['red', 'blue']) {
      const { ruleset, revision } = compileRuleset({ ...inputs, agent: agentOf(team), settings });
      assert.equal(revision, rulesetRevision(JSON.parse(JSON.stringify(ruleset)) as Ruleset));
    }
    const known = new WeakMap<object, string>();
    const empty = emptyRuleset({ namespace: 'team', serviceAccount: 'triage' });
    assert.equal(canonicalJson(empty, known), canonicalJson(empty));
  });
});
