import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import { findUnreached } from '../../../operator/controllers/destination-shortfall.ts';
import { readInjectionStatus, type InjectionStatus } from '../../../operator/injector/annotations.ts';
import type { AgentPolicy } from '../../../policy/resources/kinds.ts';

const destination = (name: string, fields: object = {}, selector: object = {}): object => ({
  apiVersion: 'outrider.dev/v1alpha1',
  kind: 'AgentDestination',
  metadata: { name },
  spec: {
    namespaceSelector: selector,
    host: { name: `${name}.corp.example`, port: 5432, scheme: 'tcp', cidrs: ['10.0.0.0/8'], ...fields },
  },
});
const injected = (destinations: readonly string[] | null): InjectionStatus => ({
  level: destinations === null ? 'cooperative' : 'captured',
  image: 'sidecar',
  stores: [],
  volumes: [],
  placeholders: {},
  destinations,
});
const specOf = (name: string, action = 'Allow') =>
  ({ agents: {}, rules: [{ name: 'a', action, destination: name }] }) as unknown as AgentPolicy['spec'];
const find = (
  name: string,
  agents: readonly (InjectionStatus | null)[],
  destinations: readonly object[] = [destination(name)],
  action?: string,
) => findUnreached(specOf(name, action), { destinations, namespaceLabels: { team: 'a' } }, agents);

describe('a destination that a rule names', () => {
  it('and that came after agents were created needs them created anew', () => {
    const [finding, ...more] = find('db', [injected(['wiki']), injected(['db']), injected([])]);
    assert.deepEqual(more, []);
    assert.deepEqual(
      [finding?.reason, finding?.field, finding?.blocking],
      ['AgentsNeedRestart', 'spec.rules[0].destination', false],
    );
    assert.match(finding?.message ?? '', /kubectl rollout restart\) \(2 of 3 agents\)$/);
  });

  it('and for which there is no listener is reached by no restart', () => {
    const many = Array.from({ length: 65 }, (_, index) =>
      destination(`db-${String(index).padStart(2, '0')}`),
    );
    const [finding] = find('db-64', [injected([])], many);
    assert.equal(finding?.reason, 'DestinationNotCaptured');
    assert.match(finding?.message ?? '', /64 ports and 64 destinations of scheme tcp/);
  });

  const fine: Record<string, ReturnType<typeof find>> = {
    'is reached by agents that were created after it': find('db', [injected(['db'])]),
    'is reached through the proxy by agents that are not captured': find('db', [injected(null)]),
    'may be reached by agents of which nothing is known': find('db', [null]),
    'is reached on port 443 by whoever is captured': find(
      'web',
      [injected([])],
      [destination('web', { port: 443, scheme: 'https' })],
    ),
    'is said to be closed to the namespace elsewhere': find(
      'db',
      [injected([])],
      [destination('db', {}, { matchLabels: { team: 'b' } })],
    ),
    'need not be reached to be denied': find('db', [injected([])], undefined, 'Deny'),
  };
  for (const [sentence, findings] of Object.entries(fine)) {
    it(sentence, () => assert.deepEqual(findings, []));
  }
});

describe('the status of a pod', () => {
  it('that an earlier version injected says nothing of destinations, and is read all the same', () => {
    const { destinations: _, ...before } = injected(null);
    const text = JSON.stringify(before);
    assert.deepEqual(readInjectionStatus({ 'outrider.dev/status': text }), injected(null));
  });
});
