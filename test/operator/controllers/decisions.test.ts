import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import type { CheckContext } from '../../../policy/check.ts';
import type { Agent } from '../../../policy/selection.ts';
import { decideCredentialStatus } from '../../../operator/controllers/agent-credential.ts';
import { decideDestinationStatus } from '../../../operator/controllers/agent-destination.ts';
import { decidePolicyStatus } from '../../../operator/controllers/agent-policy.ts';
import { decideStoreStatus } from '../../../operator/controllers/agent-secret-store.ts';
import type { CredentialState } from '../../../operator/control/reports.ts';
import type { RawResource } from '../../../operator/kube/informers.ts';
import type { DesiredStatus } from '../../../operator/kube/status.ts';
import { credential, destination, policy, store } from '../resources.ts';

const raw = (object: object): RawResource => object as RawResource;
const context: CheckContext = {
  namespaceLabels: { team: 'red' },
  credentials: [credential({ namespace: 'team', name: 'github' })],
  stores: [store('vault'), store('blue', { team: 'blue' })],
  destinations: [destination('wiki')],
};
const agent = (podLabels: Record<string, string> = {}): Agent => ({
  namespace: 'team',
  serviceAccount: 'default',
  namespaceLabels: {},
  podLabels: [podLabels],
});
const resolved: CredentialState = { state: 'Resolved' };
const failing = (code: string): CredentialState => ({ state: 'Failing', code });

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
  const of = (object: RawResource, bound: readonly (CredentialState | null)[]) => (): DesiredStatus =>
    decideCredentialStatus(object, { context, bound });
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
      is: /^False SecretNotFound \| True SecretNotFound \| spec\.source\.vault\.kv\.path: .*\(2 of 2 agents\)$/,
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
    'no agent is bound: ready, not in use': {
      status: of(github, []),
      is: 'True NotInUse | False AsExpected',
    },
    'no agent has said anything yet: ready, since it does not wait for agents': {
      status: of(github, [null, null]),
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
        bound: [{ state: 'Resolved', rotatedAt: '2026-01-01T00:00:00Z' }, failing('VAULT_SEALED'), null],
      },
    );
    assert.deepEqual(seen.fields, {
      agents: { bound: 3, resolved: 1, failing: 1 },
      lastRotationTime: '2026-03-01T00:00:00Z',
    });
  });
});

describe('the status of an AgentPolicy', () => {
  const of =
    (object: object, agents: readonly Agent[] = []) =>
    (): DesiredStatus =>
      decidePolicyStatus(raw(object), { context, agents });
  table({
    'cannot be read: not ready': {
      status: of({
        ...policy({ namespace: 'team', name: 'p' }),
        spec: { agents: {}, rules: [{ name: 'r' }] },
      }),
      is: /^False Invalid \| True Invalid \| spec\.rules\[0\]\.action /,
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
  });

  it('counts the agents that it selects and its rules', () => {
    const object = policy({ namespace: 'team', name: 'p', podLabels: { app: 'a' }, rules: ['one', 'two'] });
    const { fields } = decidePolicyStatus(raw(object), {
      context,
      agents: [agent({ app: 'a' }), agent(), agent({ app: 'a' })],
    });
    assert.deepEqual(fields, { agents: 2, rules: 2 });
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
