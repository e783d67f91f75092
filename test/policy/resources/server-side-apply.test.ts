// Two owners of one object, as when Argo CD and a person apply it: a conflict that names the field, or a merge that
// means what both wrote; never a union of both.

import assert from 'node:assert/strict';
import { after, before, describe, it } from 'node:test';
import { clusterPolicy, credential, destination, policy, store, type Manifest } from './examples.ts';
import { startCrdServer, versions, type Answer, type CrdServer } from './api.ts';

interface Conflict {
  /** Builds both owners' objects. */
  readonly build: (spec: object, name: string) => Manifest;
  readonly one: object;
  readonly two: object;
  /** What the second owner is told is the first one's. */
  readonly field: string;
}

const rule = (fields: object, beside: object = {}) => ({
  agents: {},
  rules: [{ name: 'r', action: 'Allow', hosts: ['api.example.com'], ...fields }],
  ...beside,
});
const ofPolicy = (one: object, two: object): Conflict => ({
  build: policy,
  one: rule(one),
  two: rule(two),
  field: '.spec.rules[name="r"]',
});
const kv = { mount: 'secret', path: 'agents/github', field: 'token' };
const service = { namespace: 'tools', name: 'wiki', port: 443 };
const matching = (team: string) => ({ namespaceSelector: { matchLabels: { team } } });
const vault = { address: 'https://vault.vault.svc:8200', auth: { kubernetes: {} } };

const conflicts: Record<string, Conflict> = {
  'one rule: a list': ofPolicy({ methods: ['GET'] }, { methods: ['POST'] }),
  'one rule: different fields of it': ofPolicy({ methods: ['GET'] }, { paths: ['/v1'] }),
  'one rule: its place': ofPolicy({}, { hosts: undefined, destination: 'wiki' }),
  'one rule: its action': ofPolicy({}, { action: 'Deny' }),
  'one rule: different names in body.fields': ofPolicy(
    { body: { fields: { '/amount': { max: 5 } } } },
    { body: { fields: { '/currency': { equals: 'usd' } } } },
  ),
  'one rule: the matcher of one name': ofPolicy(
    { body: { fields: { '/amount': { max: 5 } } } },
    { body: { fields: { '/amount': { equals: '5' } } } },
  ),
  'one rule: its limits': ofPolicy(
    { limits: [{ name: 'a', max: 1, per: '1m' }] },
    { limits: [{ name: 'b', max: 1, per: '1m' }] },
  ),
  'one rule: its schedule': ofPolicy(
    { during: { timeZone: 'UTC', windows: [{ from: '08:00', to: '18:00' }] } },
    { outside: { timeZone: 'UTC', windows: [{ from: '08:00', to: '18:00' }] } },
  ),
  'one rule of a cluster policy': {
    build: clusterPolicy,
    one: { agents: {}, rules: [{ name: 'r', action: 'Deny', hosts: ['a.example'] }] },
    two: { agents: {}, rules: [{ name: 'r', action: 'Deny', destination: 'wiki' }] },
    field: '.spec.rules[name="r"]',
  },
  'the agents of a policy: different keys': {
    build: policy,
    one: { agents: { serviceAccounts: ['triage'] } },
    two: { agents: { podSelector: { matchLabels: { app: 'triage' } } } },
    field: '.spec.agents',
  },
  'the agents of a policy: different labels': {
    build: policy,
    one: { agents: { podSelector: { matchLabels: { app: 'triage' } } } },
    two: { agents: { podSelector: { matchLabels: { team: 'a' } } } },
    field: '.spec.agents',
  },
  'the agents of a cluster policy': {
    build: clusterPolicy,
    one: { agents: { serviceAccounts: ['triage'] } },
    two: { agents: matching('a') },
    field: '.spec.agents',
  },
  'the mode of a policy': {
    build: policy,
    one: { agents: {}, mode: 'Audit' },
    two: { agents: {}, mode: 'Enforce' },
    field: '.spec.mode',
  },
  'the source of a credential': {
    build: credential,
    one: { source: { file: { path: 'a' } } },
    two: { source: { vault: { role: 'r', kv } } },
    field: '.spec.source',
  },
  'the place in Vault of a credential': {
    build: credential,
    one: { source: { vault: { role: 'r', kv } } },
    two: { source: { vault: { role: 'r', kv: { ...kv, path: 'agents/other' } } } },
    field: '.spec.source',
  },
  'the ceiling of a credential': {
    build: credential,
    one: { allow: [{ hosts: ['a.example'] }] },
    two: { allow: [{ hosts: ['b.example'] }] },
    field: '.spec.allow',
  },
  'the place of a destination': {
    build: destination,
    one: { service },
    two: { host: { name: 'wiki.corp', port: 443, cidrs: ['10.0.0.0/8'] } },
    field: '.spec',
  },
  'the namespaces of a destination': {
    build: destination,
    one: { service, ...matching('a') },
    two: { service, ...matching('b') },
    field: '.spec',
  },
  'the Vault of a store': {
    build: store,
    one: { vault },
    two: { vault: { ...vault, address: 'https://other.vault.svc:8200' } },
    field: '.spec',
  },
  'the namespaces of a store': { build: store, one: matching('a'), two: matching('b'), field: '.spec' },
};

function specOf({ object, message }: Answer): Manifest {
  assert.equal(message, '');
  return object.spec as Manifest;
}

for (const version of versions) {
  describe(`two owners (${version}) conflict over`, () => {
    let server: CrdServer;
    before(async () => {
      server = await startCrdServer(version);
    });
    after(() => server?.stop());

    for (const [index, [what, { build, one, two, field }]] of Object.entries(conflicts).entries()) {
      it(what, async () => {
        const name = `conflict-${index}`;
        specOf(await server.apply(build(one, name), 'one'));
        const { status, message } = await server.apply(build(two, name), 'two');
        assert.equal(status, 409, message);
        assert.ok(message.includes(field), message);
        assert.match(message, /conflict with "one"/);
      });
    }

    it('nothing, when each has rules of its own: both hold, and go with their owner', async () => {
      const rules = (...names: string[]) => names.map((name) => ({ name, action: 'Deny' }));
      const applied = (owner: string, ...names: string[]) =>
        server.apply(
          policy({ agents: {}, ...(names.length > 0 && { rules: rules(...names) }) }, 'merge'),
          owner,
        );
      const names = async (answer: Promise<Answer>) =>
        ((specOf(await answer).rules ?? []) as { name: string }[]).map(({ name }) => name).toSorted();

      assert.deepEqual(await names(applied('one', 'a', 'b')), ['a', 'b']);
      assert.deepEqual(await names(applied('two', 'c')), ['a', 'b', 'c']);
      assert.deepEqual(await names(applied('one', 'b')), ['b', 'c']);
      assert.deepEqual(await names(applied('one')), ['c']);
      // The last one leaves no empty list behind, which would be refused.
      const left = specOf(await applied('two'));
      assert.equal('rules' in left, false, JSON.stringify(left));
    });

    it('nothing, when both write the same', async () => {
      const same = policy(rule({ methods: ['GET'] }), 'same');
      specOf(await server.apply(same, 'one'));
      specOf(await server.apply(same, 'two'));
    });

    it('nothing, when one owns the policy and one its kill switch', async () => {
      specOf(await server.apply(policy({ agents: {} }, 'halted'), 'one'));
      const halt = policy({ agents: {}, haltAgents: true }, 'halted');
      assert.equal(specOf(await server.apply(halt, 'two')).haltAgents, true);
      assert.equal(specOf(await server.apply(policy({ agents: {} }, 'halted'), 'one')).haltAgents, true);
    });

    it('nothing, when one owns a credential and one its placeholders', async () => {
      specOf(await server.apply(credential({}, 'placeholders'), 'one'));
      const both = specOf(
        await server.apply(credential({ placeholderEnv: ['TOKEN'] }, 'placeholders'), 'two'),
      );
      assert.deepEqual(both.placeholderEnv, ['TOKEN']);
      assert.deepEqual(both.source, { file: { path: 'token' } });
    });
  });
}
