import assert from 'node:assert/strict';
import { after, before, describe, it } from 'node:test';
import { setTimeout as sleep } from 'node:timers/promises';
import { apiVersion } from '../../policy/contract.ts';
import { compileDecider, decideWhole } from '../../policy/decide.ts';
import type { Ruleset } from '../../policy/ruleset.ts';
import { waitFor } from '../cluster/deadline.ts';
import { canonicalRequest } from '../support/canonical-request.ts';
import { openStream, type OpenStream } from './control/sidecar-client.ts';
import {
  fastTiming,
  startTestCluster,
  type RunningReplica,
  type TestCluster,
} from './operator-under-test.ts';
import { policy } from './resources.ts';

interface Stored {
  readonly metadata: { readonly name: string; readonly generation: number };
  readonly status?: {
    readonly observedGeneration?: number;
    readonly conditions?: readonly {
      readonly type: string;
      readonly status: string;
      readonly reason: string;
      readonly message: string;
    }[];
  };
}

const granting = (host: string, more: object = {}): object => ({
  name: 'grant',
  action: 'Allow',
  hosts: [host],
  ...more,
});
const guarding = (host: unknown, more: object = {}): object => ({
  name: 'guard',
  action: 'Deny',
  hosts: [host],
  ...more,
});
const deep = (depth: number): unknown => JSON.parse(`${'{"a":'.repeat(depth)}1${'}'.repeat(depth)}`);

/** Broken so that nothing of them can be meant for other hosts than those they name, or for anything at all. */
const narrow: Readonly<Record<string, unknown>> = {
  'no-spec': undefined,
  'spec-is-null': null,
  'spec-is-text': 'allow everything',
  'spec-is-a-list': [granting('broken.example.com')],
  'no-selector': { rules: [granting('broken.example.com')] },
  'selector-is-a-number': {
    agents: 7,
    rules: [granting('broken.example.com'), guarding('guarded-1.example.com')],
  },
  'selector-of-an-unknown-operator': {
    agents: { podSelector: { matchExpressions: [{ key: { toString: 1 }, operator: 'Near' }, null] } },
    rules: [granting('broken.example.com'), guarding('guarded-2.example.com')],
  },
  'a-later-field': { agents: {}, rules: [granting('broken.example.com', { onlyIf: 'later' })] },
  'a-field-of-another-type': {
    agents: {},
    rules: [
      granting('broken.example.com', { paths: 7 }),
      guarding('guarded-3.example.com', { paths: 7, methods: ['GET'] }),
    ],
  },
  'an-expression-that-is-none': {
    agents: {},
    rules: [
      granting('broken.example.com', { when: '((((' }),
      guarding('guarded-4.example.com', { when: 'request.' }),
    ],
  },
  'a-pattern-without-end': {
    agents: {},
    rules: [granting('broken.example.com', { query: { fields: { q: { pattern: '('.repeat(500_000) } } } })],
  },
  'deeper-than-a-stack': {
    agents: {},
    extra: deep(5_000),
    rules: [granting('broken.example.com', { query: { fields: deep(2_000) } })],
  },
  'a-prototype': {
    agents: {},
    ...(JSON.parse('{"__proto__":{"haltAgents":true},"constructor":{"prototype":1}}') as object),
    rules: [granting('broken.example.com', { toString: 1, hosts: { length: 1, 0: 'broken.example.com' } })],
  },
};
/** What they are about cannot be told, so they guard everything. */
const wide: Readonly<Record<string, unknown>> = {
  'rules-are-a-number': { agents: {}, rules: 7 },
  'rules-are-a-map': { agents: {}, rules: { guard: guarding('guarded.example.com') } },
  'a-rule-is-null': { agents: {}, rules: [null, granting('broken.example.com')] },
  'a-guard-of-all-hosts': { agents: {}, rules: [guarding('no host')] },
};
const kindsOfPolicy = ['agentpolicies', 'clusteragentpolicies'] as const;

describe('O-06: policies that no schema has seen, on a real API server', () => {
  let test: TestCluster;
  let replica: RunningReplica;
  const streams = new Map<string, OpenStream>();
  const namespaces = ['narrow', 'wide', 'halting', 'clean'];

  before(async () => {
    test = await startTestCluster();
    replica = await test.startReplica();
    const ca = await test.operatorCas();
    for (const namespace of namespaces) {
      await test.createNamespace(namespace);
      const pod = await test.createAgent({ namespace, name: 'agent' });
      await test.apply(goodPolicy(namespace, 'good'));
      streams.set(
        namespace,
        await openStream({ port: replica.ports.control, ca, token: await test.token(pod) }),
      );
    }
  });

  after(async () => {
    for (const stream of streams.values()) stream.close();
    await test?.stop();
  });

  const goodPolicy = (namespace: string, name: string): object => policy({ namespace, name, rules: [name] });

  const pathOf = (namespace: string | null): string =>
    namespace === null
      ? `/apis/${apiVersion}/clusteragentpolicies`
      : `/apis/${apiVersion}/namespaces/${namespace}/agentpolicies`;

  async function store(namespace: string | null, name: string, spec: unknown): Promise<void> {
    const kind = namespace === null ? 'ClusterAgentPolicy' : 'AgentPolicy';
    const object = { apiVersion, kind, metadata: { name }, ...(spec === undefined ? {} : { spec }) };
    // A server that has not yet taken the schema away still refuses or defaults.
    await waitFor({ what: `${name} is stored`, timeoutMs: 10_000 }, async () => {
      await test.client.request({ method: 'POST', path: pathOf(namespace), body: object });
      return true;
    });
  }

  async function loosen(): Promise<void> {
    const value = { type: 'object', 'x-kubernetes-preserve-unknown-fields': true };
    const patch = JSON.stringify([{ op: 'replace', path: '/spec/versions/0/schema/openAPIV3Schema', value }]);
    for (const plural of kindsOfPolicy) {
      await test.cluster.kubectl(['patch', 'crd', `${plural}.outrider.dev`, '--type=json', '-p', patch]);
    }
    // A watch that is open goes on by the schema that it began with.
    await sleep(((fastTiming.watchSeconds ?? 0) + 1) * 1000);
    // Probed by what the real schema refuses.
    for (const path of [pathOf('clean'), pathOf(null)]) {
      await waitFor({ what: 'no schema', timeoutMs: 20_000 }, async () => {
        const body = {
          apiVersion,
          kind: path.includes('cluster') ? 'ClusterAgentPolicy' : 'AgentPolicy',
          metadata: { name: 'probe' },
        };
        await test.client.request({ method: 'POST', path, body });
        await test.client.request({ method: 'DELETE', path: `${path}/probe` });
        return true;
      });
    }
  }

  /** `action reason policy` for a GET of the host by the ruleset that the stream sent last. */
  function outcome(namespace: string, host: string): string {
    const event = streams.get(namespace)?.rulesets.at(-1)?.data ?? assert.fail();
    const decider = compileDecider(event.ruleset, event.revision);
    const decision = decideWhole(decider, canonicalRequest(`GET https://${host}/`), Date.now());
    return [decision.action, decision.reason, decision.policy].filter(Boolean).join(' ');
  }

  async function becomes(namespace: string, expected: Readonly<Record<string, string>>): Promise<void> {
    let last: unknown;
    const evidence = (): string => JSON.stringify(last);
    await waitFor({ what: `the outcomes in ${namespace}`, timeoutMs: 15_000, evidence }, async () => {
      last = Object.keys(expected).map((host) => [host, outcome(namespace, host)]);
      return Object.entries(expected).every(([host, is]) => outcome(namespace, host) === is);
    });
  }

  async function conditionOf(namespace: string | null, name: string): Promise<string> {
    const { status, metadata } = await test.client.request<Stored>({
      method: 'GET',
      path: `${pathOf(namespace)}/${name}`,
    });
    const ready = status?.conditions?.find(({ type }) => type === 'Ready');
    if (status?.observedGeneration !== metadata.generation) return '';
    return `${ready?.status} ${ready?.reason} ${ready?.message}`;
  }

  async function saysInvalid(namespace: string | null, name: string): Promise<string> {
    let last = '';
    await waitFor({ what: `the condition of ${name}`, timeoutMs: 15_000, evidence: () => last }, async () =>
      (last = await conditionOf(namespace, name)).startsWith('False Invalid '),
    );
    return last;
  }

  const guardedHosts = {
    'guarded-1.example.com': 'deny denied_by_rule selector-is-a-number',
    'guarded-2.example.com': 'deny denied_by_rule selector-of-an-unknown-operator',
    'guarded-3.example.com': 'deny denied_by_rule a-field-of-another-type',
    'guarded-4.example.com': 'deny denied_by_rule an-expression-that-is-none',
    'broken.example.com': 'deny no_grant',
  };

  it('their grants are gone, their guards hold, their statuses say so, and other policies work', async () => {
    await loosen();
    for (const [name, spec] of Object.entries(narrow)) await store('narrow', name, spec);
    for (const [name, spec] of Object.entries(wide)) await store('wide', name, spec);
    await store('halting', 'halt', { agents: 'all', haltAgents: 'yes' });
    await store(null, 'floor', {
      agents: { namespaceSelector: ['team'] },
      rules: [
        guarding('guarded-5.example.com', { later: true }),
        { ...granting('guarded-6.example.com'), name: 'grant-of-the-cluster' },
      ],
    });

    const cluster = {
      'guarded-5.example.com': 'deny denied_by_rule floor',
      'guarded-6.example.com': 'deny denied_by_rule floor',
    };
    await becomes('narrow', { 'api.example.com': 'allow good', ...guardedHosts, ...cluster });
    await becomes('clean', { 'api.example.com': 'allow good', ...cluster });
    await becomes('halting', { 'api.example.com': 'deny halted halt' });
    await becomes('wide', {
      'api.example.com': 'deny denied_by_rule a-guard-of-all-hosts',
      'broken.example.com': 'deny denied_by_rule a-guard-of-all-hosts',
    });
    const { guards, grants } = rulesetOf('wide');
    assert.deepEqual(
      new Set(guards.filter(({ cluster: isCluster }) => isCluster !== true).map(({ policy: from }) => from)),
      new Set(Object.keys(wide)),
    );
    assert.deepEqual(
      grants.filter(({ policy: from }) => from !== 'good' && from !== 'a-rule-is-null'),
      [],
    );

    for (const name of Object.keys(narrow)) {
      if (name === 'an-expression-that-is-none') continue;
      assert.match(await saysInvalid('narrow', name), /^False Invalid spec/);
    }
    for (const name of Object.keys(wide)) await saysInvalid('wide', name);
    assert.match(await saysInvalid('halting', 'halt'), /it refuses everything to 1 agent,/);
    assert.match(await saysInvalid(null, 'floor'), / spec\.agents\.namespaceSelector /);
    assert.match(await conditionOf('narrow', 'good'), /^True InForce /);
  });

  it('a policy that comes after them works at once, and one that goes is gone', async () => {
    await test.apply(goodPolicy('narrow', 'later'));
    await streams
      .get('narrow')
      ?.ruleset('the later one', ({ ruleset }) =>
        ruleset.grants.some(({ policy: from }) => from === 'later'),
      );
    await waitFor({ what: 'its status', timeoutMs: 10_000 }, async () =>
      (await conditionOf('narrow', 'later')).startsWith('True InForce '),
    );
    await test.client.request({ method: 'DELETE', path: `${pathOf('wide')}/a-guard-of-all-hosts` });
    await test.client.request({ method: 'DELETE', path: `${pathOf('wide')}/a-rule-is-null` });
    await test.client.request({ method: 'DELETE', path: `${pathOf('wide')}/rules-are-a-map` });
    await test.client.request({ method: 'DELETE', path: `${pathOf('wide')}/rules-are-a-number` });
    await becomes('wide', { 'api.example.com': 'allow good' });
  });

  it('a status that is none is put right', async () => {
    const path = `${pathOf('narrow')}/good`;
    for (const status of [{ conditions: 7 }, { conditions: [null, 'x', {}] }, 'none', { agents: 'many' }]) {
      const object = await test.client.request<Stored>({ method: 'GET', path });
      await test.client.request({ method: 'PUT', path: `${path}/status`, body: { ...object, status } });
      await waitFor(
        { what: 'the status', timeoutMs: 15_000, evidence: () => replica.log().slice(-2_000) },
        async () => (await conditionOf('narrow', 'good')).startsWith('True InForce '),
      );
    }
  });

  it('guards hold and policies work when the schema is back, and when the operator starts among them', async () => {
    // The API server takes unknown fields out of what it reads, and without them these can be read.
    for (const name of ['a-later-field', 'deeper-than-a-stack', 'a-prototype']) {
      await test.client.request({ method: 'DELETE', path: `${pathOf('narrow')}/${name}` });
    }
    await test.cluster.kubectl(['apply', '-f', 'crds/']);
    await waitFor({ what: 'the schema', timeoutMs: 20_000 }, async () => {
      const body = { apiVersion, kind: 'AgentPolicy', metadata: { name: 'probe' } };
      const refused = await test.client.request({ method: 'POST', path: pathOf('clean'), body }).then(
        async () =>
          test.client.request({ method: 'DELETE', path: `${pathOf('clean')}/probe` }).then(() => false),
        () => true,
      );
      return refused;
    });
    await test.apply(goodPolicy('narrow', 'latest'));
    await streams
      .get('narrow')
      ?.ruleset('the latest', ({ ruleset }) => ruleset.grants.some(({ policy: from }) => from === 'latest'));
    await becomes('narrow', { 'api.example.com': 'allow good', ...guardedHosts });

    const other = await test.startReplica();
    const late = await test.createAgent({ namespace: 'narrow', name: 'late' });
    const stream = await openStream({
      port: other.ports.control,
      ca: await test.operatorCas(),
      token: await test.token(late),
    });
    await stream.ruleset('the first', () => true);
    const before = streams.get('narrow') ?? assert.fail();
    streams.set('narrow', stream);
    await becomes('narrow', { 'api.example.com': 'allow good', ...guardedHosts });
    streams.set('narrow', before);
    stream.close();
    await other.stop();
    assert.doesNotMatch(replica.log(), /a ruleset cannot be made|a listener failed|an object cannot be read/);
    for (const each of streams.values()) assert.equal(each.endedAtMs(), null);
  });

  function rulesetOf(namespace: string): Ruleset {
    return streams.get(namespace)?.rulesets.at(-1)?.data.ruleset ?? assert.fail();
  }
});
