import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import type { CheckContext } from '../../../policy/check-context.ts';
import type { ShadowCounts } from '../../../policy/contract.ts';
import type { Agent } from '../../../policy/selection.ts';
import type { BoundAgent } from '../../../operator/controllers/bound-agents.ts';
import { decideCredentialStatus } from '../../../operator/controllers/agent-credential.ts';
import type { Shortfall } from '../../../operator/controllers/shortfall.ts';
import { decideDestinationStatus } from '../../../operator/controllers/agent-destination.ts';
import { decidePolicyStatus } from '../../../operator/controllers/agent-policy.ts';
import { decideClusterPolicyStatus } from '../../../operator/controllers/cluster-agent-policy.ts';
import { decideStoreStatus } from '../../../operator/controllers/agent-secret-store.ts';
import type { CountingAgent } from '../../../operator/controllers/policy-status.ts';
import type { CredentialState } from '../../../operator/control/reports.ts';
import type { RawResource } from '../../../operator/kube/informers.ts';
import type { DesiredStatus } from '../../../operator/kube/status.ts';
import { clusterPolicy, credential, destination, policy, store } from '../resources.ts';

const raw = (object: object): RawResource => object as RawResource;
const context: CheckContext = {
  namespaceLabels: { team: 'red' },
  credentials: [credential({ namespace: 'team', name: 'github' })],
  policies: [],
  clusterPolicies: [],
  stores: [store('vault'), store('blue', { team: 'blue' })],
  destinations: [destination('wiki')],
};
const agent = (podLabels: Record<string, string> = {}): Agent => ({
  namespace: 'team',
  serviceAccount: 'default',
  namespaceLabels: {},
  podLabels: [podLabels],
});
const complete: Shortfall = { volume: null, placeholder: false };
let agents = 0;
const bound = (state: CredentialState | null, shortfall: Shortfall = complete): BoundAgent => ({
  uid: String(++agents),
  state,
  shortfall,
});
const resolved = bound({ state: 'Resolved' });
const silent = bound(null);
const failing = (code: string, shortfall: Shortfall = complete): BoundAgent =>
  bound({ state: 'Failing', code }, shortfall);

/** `Ready status reason | Degraded status reason` and the sentence of what is wrong. */
function summary({ conditions }: DesiredStatus): string {
  const [ready, degraded] = conditions;
  const message = ready?.status === 'True' && degraded?.status === 'False' ? '' : ` | ${ready?.message}`;
  return `${ready?.status} ${ready?.reason} | ${degraded?.status} ${degraded?.reason}${message}`;
}

function table(cases: Readonly<Record<string, { status: () => DesiredStatus; is: string | RegExp }>>): void {
  for (const [what, { status, is }] of Object.entries(cases)) {
    it(what, () => {
      if (typeof is === 'string') assert.equal(summary(status()), is);
      else assert.match(summary(status()), is);
    });
  }
}

describe('the status of an AgentCredential', () => {
  const github = raw(credential({ namespace: 'team', name: 'github' }));
  const of = (object: RawResource, agentsOfIt: readonly BoundAgent[]) => (): DesiredStatus =>
    decideCredentialStatus(object, { context, bound: agentsOfIt });
  table({
    'names a store that does not exist: not ready, with the stores that there are': {
      status: of(raw(credential({ namespace: 'team', name: 'x', store: 'nowhere' })), []),
      is: 'False StoreNotFound | True StoreNotFound | spec.source.vault.store names no AgentSecretStore that is open to this namespace; there is vault',
    },
    'names a store of other namespaces: as if it did not exist': {
      status: of(raw(credential({ namespace: 'team', name: 'x', store: 'blue' })), []),
      is: /^False StoreNotFound .*there is vault$/,
    },
    'has no ceiling but one that is too wide: not ready': {
      status: of(raw(credential({ namespace: 'team', name: 'x', hosts: ['*.github.io'] })), []),
      is: /^False CeilingTooWide \| True CeilingTooWide \| spec\.allow\[0\]\.hosts /,
    },
    'cannot be read: not ready, with the field': {
      status: of(raw({ ...github, spec: { source: 7 } }), []),
      is: /^False Invalid \| True Invalid \| spec\.source /,
    },
    'every agent fails: not ready, with the field of the credential': {
      status: of(github, [failing('VAULT_PATH_NOT_FOUND'), failing('VAULT_PATH_NOT_FOUND')]),
      is: /^False SecretNotFound \| True SecretNotFound \| spec\.source\.vault\.kv\.path or dynamic\.path: .*\(2 of 2 agents\)$/,
    },
    'some agents fail: ready, and degraded by what most of them say': {
      status: of(github, [
        resolved,
        failing('VAULT_SEALED'),
        failing('VAULT_LOGIN_REFUSED'),
        failing('VAULT_LOGIN_REFUSED'),
      ]),
      is: /^True Degraded \| True LoginRefused \| spec\.source\.vault\.role: .*\(2 of 4 agents\)$/,
    },
    'agents lack its volume: they need a restart, whatever their sidecars find wrong without it': {
      status: of(github, [
        resolved,
        failing('FILE_NOT_FOUND', { volume: 'missing', placeholder: false }),
        failing('VAULT_SECRET_ID_UNREADABLE', { volume: 'missing', placeholder: true }),
      ]),
      is: /^True Degraded \| True AgentsNeedRestart \| .*recreate them .*\(2 of 3 agents\)$/,
    },
    'the volume is there and empty: the Secret is what is missing': {
      status: of(github, [failing('VOLUME_MISSING', { volume: 'mounted', placeholder: false })]),
      is: /^False SecretNotFound \| True SecretNotFound \| the volume .* is empty; the Secret must exist/,
    },
    'an agent of which nothing is known lacks a volume: it needs a restart': {
      status: of(github, [failing('VOLUME_MISSING')]),
      is: /^False AgentsNeedRestart/,
    },
    'agents lack its placeholders and get the secret: ready, and degraded until they restart': {
      status: of(github, [resolved, bound({ state: 'Resolved' }, { volume: 'mounted', placeholder: true })]),
      is: /^True Degraded \| True AgentsNeedRestart \| spec\.placeholderEnv.*\(1 of 2 agents\)$/,
    },
    'every agent lacks its placeholders: ready all the same': {
      status: of(github, [bound({ state: 'Resolved' }, { volume: 'mounted', placeholder: true })]),
      is: /^True Degraded \| True AgentsNeedRestart/,
    },
    'no agent is bound: ready, not in use': {
      status: of(github, []),
      is: 'True NotInUse | False AsExpected',
    },
    'no agent has said anything yet: ready, since it does not wait for agents': {
      status: of(github, [silent, silent]),
      is: 'True Pending | False AsExpected',
    },
    'every agent holds it: ready': {
      status: of(github, [resolved, resolved]),
      is: 'True Resolved | False AsExpected',
    },
  });

  it('counts agents, and keeps the last rotation even when the agent that saw it is gone', () => {
    const seen = decideCredentialStatus(
      { ...github, status: { lastRotationTime: '2026-03-01T00:00:00Z' } },
      {
        context,
        bound: [
          bound({ state: 'Resolved', rotatedAt: '2026-01-01T00:00:00Z' }),
          failing('VAULT_SEALED'),
          silent,
        ],
      },
    );
    assert.deepEqual(seen.fields, {
      agents: { bound: 3, resolved: 1, failing: 1 },
      lastRotationTime: '2026-03-01T00:00:00Z',
    });
  });
});

const counting = (agents: readonly Agent[], counted: ShadowCounts | null = null): CountingAgent[] =>
  agents.map((each) => ({ agent: each, counted: () => counted }));
const nowMs = Date.parse('2026-06-01T00:00:00Z');

describe('the status of an AgentPolicy', () => {
  const of =
    (object: object, agents: readonly Agent[] = []) =>
    (): DesiredStatus =>
      decidePolicyStatus(raw(object), { context, agents: counting(agents), nowMs });
  table({
    'cannot be read: not ready': {
      status: of({
        ...policy({ namespace: 'team', name: 'p' }),
        spec: { agents: {}, rules: [{ name: 'r' }] },
      }),
      is: /^False Invalid \| True Invalid \| spec\.rules\[0\]\.action /,
    },
    'cannot be read in part: what is left of it is said': {
      status: of(
        {
          ...policy({ namespace: 'team', name: 'p' }),
          spec: { agents: {}, rules: [{ name: 'r', action: 'Deny', hosts: 'all' }] },
        },
        [agent()],
      ),
      is: /^False Invalid .*; until it is put right, a rule that cannot be read grants nothing, or stops all/,
    },
    'cannot be read, and may be meant to halt: says that it does': {
      status: of({ ...policy({ namespace: 'team', name: 'p' }), spec: { agents: 7, haltAgents: 'yes' } }, [
        agent(),
        agent(),
      ]),
      is: /^False Invalid .*; until it is put right it refuses everything to 2 agents,/,
    },
    'names a credential that does not exist: degraded, with those that there are': {
      status: of(policy({ namespace: 'team', name: 'p', credential: 'gitlab' })),
      is: 'True Degraded | True CredentialNotFound | spec.rules[0].credential names no usable AgentCredential of this namespace; there is github',
    },
    'names a destination that is not open to it: degraded': {
      status: of(policy({ namespace: 'team', name: 'p', destination: 'vault' })),
      is: /^True Degraded \| True DestinationNotFound \| .*there is wiki$/,
    },
    'selects nobody: ready, not in use': {
      status: of(policy({ namespace: 'team', name: 'p', podLabels: { app: 'a' } }), [agent({ app: 'b' })]),
      is: 'True NotInUse | False AsExpected',
    },
    'selects agents: in force': {
      status: of(policy({ namespace: 'team', name: 'p' }), [agent()]),
      is: 'True InForce | False AsExpected',
    },
    'halts: says so': {
      status: of(policy({ namespace: 'team', name: 'p', haltAgents: true }), [agent()]),
      is: 'True Halting | False AsExpected',
    },
    'audits: does not say that it is in force': {
      status: of(policy({ namespace: 'team', name: 'p', mode: 'Audit' }), [agent()]),
      is: 'True Auditing | False AsExpected',
    },
  });

  it('in mode Audit adds up what its agents counted, and shows no such sum otherwise', () => {
    const shadow = { wouldAllow: 1, wouldDeny: 2, wouldHold: 0 };
    const object = (mode: 'Audit' | 'Enforce') =>
      raw(policy({ namespace: 'team', name: 'p', podLabels: { app: 'a' }, mode }));
    const agents = [
      ...counting([agent({ app: 'a' }), agent({ app: 'a' }), agent({ app: 'b' })], shadow),
      ...counting([agent({ app: 'a' })]),
    ];
    const { fields } = decidePolicyStatus(object('Audit'), { context, agents, nowMs });
    assert.deepEqual(fields?.['shadow'], { wouldAllow: 2, wouldDeny: 4, wouldHold: 0 });
    const enforced = decidePolicyStatus(object('Enforce'), { context, agents, nowMs });
    assert.equal(enforced.fields !== undefined && 'shadow' in enforced.fields, false);
  });

  const observed: Readonly<Record<string, { day: string; is: RegExp }>> = {
    'until the day on the namespace': {
      day: '2026-06-02',
      is: /^holds for 1 agent; until 2026-06-02 the namespace is observed: what no grant matches is forwarded/,
    },
    'no longer on that day': { day: '2026-06-01', is: /^holds for 1 agent$/ },
    'never, where the label is no day, and says so': {
      day: 'tomorrow',
      is: /^holds for 1 agent; the namespace’s label outrider\.dev\/observe-until is no day such as 2026-12-31/,
    },
  };
  for (const [what, { day, is }] of Object.entries(observed)) {
    it(`tells that the namespace is observed ${what}`, () => {
      const labelled = { ...context, namespaceLabels: { 'outrider.dev/observe-until': day } };
      const { conditions } = decidePolicyStatus(raw(policy({ namespace: 'team', name: 'p' })), {
        context: labelled,
        agents: counting([agent()]),
        nowMs,
      });
      assert.equal(conditions[0]?.reason, 'InForce');
      assert.match(conditions[0]?.message ?? '', is);
    });
  }

  it('counts the agents that it selects and its rules', () => {
    const object = policy({ namespace: 'team', name: 'p', podLabels: { app: 'a' }, rules: ['one', 'two'] });
    const { fields } = decidePolicyStatus(raw(object), {
      context,
      agents: counting([agent({ app: 'a' }), agent(), agent({ app: 'a' })]),
      nowMs,
    });
    assert.deepEqual(fields, { agents: 2, rules: 2 });
  });
});

describe('the status of a ClusterAgentPolicy', () => {
  const red: Agent = { ...agent(), namespaceLabels: { team: 'red' } };
  const of =
    (object: object, agents: readonly Agent[] = [red, agent()]) =>
    (): DesiredStatus =>
      decideClusterPolicyStatus(raw(object), { context, agents: counting(agents) });
  const onRed = { namespaceSelector: { matchLabels: { team: 'red' } } };
  table({
    'cannot be read: not ready, and what is left of it is said': {
      status: of({ ...clusterPolicy({ name: 'floor' }), spec: { agents: {}, rules: [{ name: 'r' }] } }),
      is: /^False Invalid \| True Invalid \| spec\.rules\[0\]\.action .*; until it is put right/,
    },
    'grants, which it cannot: not ready': {
      status: of({
        ...clusterPolicy({ name: 'floor' }),
        spec: { agents: {}, rules: [{ name: 'r', action: 'Allow', hosts: ['api.example.com'] }] },
      }),
      is: /^False Invalid \| True Invalid \| spec\.rules\[0\]\.action /,
    },
    'names a destination that does not exist: degraded': {
      status: of(clusterPolicy({ name: 'floor', destination: 'nowhere' })),
      is: /^True Degraded \| True DestinationNotFound \| /,
    },
    'selects nobody: ready, not in use': {
      status: of(clusterPolicy({ name: 'floor', agents: onRed }), [agent()]),
      is: 'True NotInUse | False AsExpected',
    },
    'selects agents by their namespace: in force': {
      status: of(clusterPolicy({ name: 'floor', agents: onRed })),
      is: 'True InForce | False AsExpected',
    },
    'halts: says so': {
      status: of(clusterPolicy({ name: 'floor', haltAgents: true })),
      is: 'True Halting | False AsExpected',
    },
    'audits: does not say that it is in force': {
      status: of(clusterPolicy({ name: 'floor', mode: 'Audit' })),
      is: 'True Auditing | False AsExpected',
    },
  });

  it('counts the agents that it selects in all namespaces, its rules, and what they would change', () => {
    const shadow = { wouldAllow: 0, wouldDeny: 3, wouldHold: 1 };
    const object = clusterPolicy({ name: 'floor', agents: onRed, rules: ['one', 'two'], mode: 'Audit' });
    const { fields } = decideClusterPolicyStatus(raw(object), {
      context,
      agents: counting([red, agent(), red], shadow),
    });
    assert.deepEqual(fields, {
      agents: 2,
      rules: 2,
      shadow: { wouldAllow: 0, wouldDeny: 6, wouldHold: 2 },
    });
  });
});

describe('the status of an AgentSecretStore and of an AgentDestination', () => {
  table({
    'a store that cannot be read: not ready': {
      status: () => decideStoreStatus(raw({ ...store('vault'), spec: { namespaceSelector: {} } }), false),
      is: /^False Invalid /,
    },
    'a store that nobody names: not in use': {
      status: () => decideStoreStatus(raw(store('vault')), false),
      is: 'True NotInUse | False AsExpected',
    },
    'a store that a credential names: accepted': {
      status: () => decideStoreStatus(raw(store('vault')), true),
      is: 'True Accepted | False AsExpected',
    },
    'a destination that cannot be read: not ready': {
      status: () =>
        decideDestinationStatus(
          raw({ ...destination('wiki'), spec: { namespaceSelector: {}, host: 7 } }),
          true,
        ),
      is: /^False Invalid /,
    },
    'a destination that a rule names: accepted': {
      status: () => decideDestinationStatus(raw(destination('wiki')), true),
      is: 'True Accepted | False AsExpected',
    },
  });
});
