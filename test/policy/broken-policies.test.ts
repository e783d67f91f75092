// Objects that no schema has seen: what was stored before a schema knew better, or while it was taken away. Nothing of
// them may throw, and nothing of them may take from what is well-formed.

import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import fc from 'fast-check';
import type { CheckContext } from '../../policy/check-context.ts';
import {
  checkClusterPolicy,
  checkCredential,
  checkDestination,
  checkPolicy,
  checkStore,
} from '../../policy/check.ts';
import { compileRuleset, type CompileInput } from '../../policy/compile.ts';
import { apiVersion } from '../../policy/contract.ts';
import { compileDecider, decideWhole } from '../../policy/decide.ts';
import { canonicalJson, type Ruleset } from '../../policy/ruleset.ts';
import { canonicalRequest } from '../support/canonical-request.ts';

const runs = { numRuns: 10_000 };
/** For kinds that have few fields. */
const fewRuns = { numRuns: 2_000 };
const agent: CompileInput['agent'] = {
  namespace: 'team',
  serviceAccount: 'triage',
  namespaceLabels: { team: 'red' },
  podLabels: [{ app: 'triage' }],
};
const settings = { clusterDomain: 'cluster.local', telemetry: null, operatorCas: '', clusterRanges: [] };
const windows = [{ days: ['Mon'], from: '08:00', to: '18:00' }];

const namespaced = (kind: string, name: string, spec: unknown): object => ({
  apiVersion,
  kind,
  metadata: { name, namespace: 'team' },
  spec,
});
const ofCluster = (kind: string, name: string, spec: unknown): object => ({
  apiVersion,
  kind,
  metadata: { name },
  spec,
});

const wholeRules = [
  {
    name: 'refund',
    action: 'Allow',
    message: 'Ask.',
    hosts: ['api.stripe.com'],
    methods: ['POST'],
    paths: ['/v1/refunds/**'],
    opens: ['EncodedSlash'],
    query: { fields: { expand: { oneOf: ['charge'], optional: true } }, others: 'Deny' },
    headers: { fields: { 'stripe-account': { pattern: 'acct_[a-z0-9]+' } } },
    body: { types: ['Form'], maxBytes: '64Ki', fields: { '/amount': { min: 1, max: 100000 } } },
    when: 'request.path.startsWith("/v1/")',
    during: { timeZone: 'Europe/Berlin', windows },
    credential: 'stripe',
    limits: [{ name: 'day', sum: '/amount', max: 50000, per: '24h', exceeded: 'RequireApproval' }],
    approval: { groups: ['leads'], wait: '25s', expires: '10m' },
    response: { return: 'StatusOnly' },
  },
  {
    name: 'push',
    action: 'Allow',
    github: { repositories: ['acme/docs'], operations: ['Read', 'Push'], branches: ['agent/**'] },
    credential: 'stripe',
  },
  {
    name: 'tracker',
    action: 'RequireApproval',
    destination: 'wiki',
    paths: ['/mcp'],
    mcp: { tools: [{ name: 'create_*', arguments: { fields: { '/project': { equals: 'DOCS' } } } }] },
    outside: { timeZone: 'UTC', windows },
  },
  {
    name: 'never',
    action: 'Deny',
    hosts: ['**.example.com'],
    body: { fields: { '/a/*/b': { absent: true } } },
  },
];
const whole = namespaced('AgentPolicy', 'broken', {
  agents: {
    podSelector: {
      matchLabels: { app: 'triage' },
      matchExpressions: [{ key: 'app', operator: 'In', values: ['triage'] }],
    },
    serviceAccounts: ['triage'],
  },
  mode: 'Enforce',
  haltAgents: false,
  rules: wholeRules,
});
const wholeOfCluster = ofCluster('ClusterAgentPolicy', 'floor', {
  agents: { namespaceSelector: { matchLabels: { team: 'red' } }, serviceAccounts: ['triage'] },
  mode: 'Enforce',
  haltAgents: false,
  rules: [
    { name: 'admin', action: 'Deny', hosts: ['api.example.com'], paths: ['/admin/**'] },
    { name: 'ask', action: 'RequireApproval', destination: 'wiki', when: 'true', approval: { wait: '5s' } },
  ],
});
const credential = namespaced('AgentCredential', 'stripe', {
  source: {
    vault: { store: 'vault', role: 'r', kv: { mount: 'secret', path: 'a', version: 2, field: 'f' } },
  },
  allow: [{ hosts: ['api.stripe.com', 'github.com', 'api.github.com'] }],
  inject: { bearer: {} },
  refreshInterval: '5m',
});
const mintingCredential = namespaced('AgentCredential', 'stripe', {
  source: { awsSecretsManager: { store: 'aws', secretId: 'a', fields: ['clientSecret'] } },
  allow: [
    { hosts: ['api.stripe.com'], inject: { basic: { username: 'u', fields: { password: 'p' } } } },
    { destination: 'wiki', paths: ['/a/**'], inject: { header: { name: 'x-key', prefix: 'Token ' } } },
  ],
  inject: {
    oauth2: {
      tokenEndpoint: { destination: 'wiki', path: '/token' },
      clientCredentials: { clientId: 'c', authentication: 'Post' },
      scopes: ['s'],
      parameters: { audience: 'a' },
      fields: { clientSecret: 'clientSecret' },
    },
  },
  refreshInterval: '5m',
});
const signingCredential = namespaced('AgentCredential', 'stripe', {
  source: { file: { path: 'a', volume: { csi: { secretProviderClass: 'c' } }, field: 'f' } },
  allow: [
    { hosts: ['api.stripe.com'] },
    { hosts: ['*.stripe.com'], inject: { awsSigV4: { service: 's3', regions: ['eu-central-1'] } } },
  ],
  inject: {
    hmac: {
      algorithm: 'Sha256',
      canonical: '{timestamp}{field.f}',
      headers: { 'x-signature': '{timestamp}{signature}' },
      query: [{ name: 'q', value: '{signature}' }],
      fields: { key: 'k' },
    },
  },
  placeholderFile: { env: 'KEY' },
});
const awsStore = ofCluster('AgentSecretStore', 'aws', {
  namespaceSelector: {},
  audience: 'outrider.dev/aws',
  awsSecretsManager: {
    region: 'eu-central-1',
    endpoint: 'https://vpce.example',
    fips: false,
    roleArn: 'arn:aws:iam::123456789012:role/agents',
    auth: { webIdentity: {} },
  },
});
const store = ofCluster('AgentSecretStore', 'vault', {
  namespaceSelector: {},
  audience: 'outrider.dev/vault',
  vault: { address: 'https://vault.vault.svc:8200', auth: { kubernetes: { mount: 'kubernetes' } } },
});
const destination = ofCluster('AgentDestination', 'wiki', {
  namespaceSelector: {},
  service: { namespace: 'tools', name: 'wiki', port: 8443, scheme: 'https' },
});
const good = namespaced('AgentPolicy', 'good', {
  agents: {},
  rules: [
    { name: 'read', action: 'Allow', hosts: ['good.example.com'] },
    { name: 'stop', action: 'Deny', hosts: ['bad.example.com'] },
  ],
});

interface Resources {
  readonly policies: readonly unknown[];
  readonly clusterPolicies: readonly unknown[];
  readonly credentials: readonly unknown[];
  readonly stores: readonly unknown[];
  readonly destinations: readonly unknown[];
}
const resources: Resources = {
  policies: [good],
  clusterPolicies: [],
  credentials: [credential],
  stores: [store],
  destinations: [destination],
};
const request = canonicalRequest('POST https://api.stripe.com/v1/refunds?expand=charge');

/** All that the operator, the sidecar and the CLI do with an object. */
function exercise(changed: Partial<Resources>): Ruleset {
  const input = { ...resources, ...changed };
  const context: CheckContext = { ...input, namespaceLabels: agent.namespaceLabels };
  const { ruleset, revision } = compileRuleset({ ...input, agent, settings });
  const decider = compileDecider(ruleset, revision);
  decideWhole(decider, request, Date.now());
  decider.explain(request, null);
  for (const policy of input.policies) checkPolicy(policy, context);
  for (const policy of input.clusterPolicies) checkClusterPolicy(policy, context);
  for (const each of input.credentials) checkCredential(each, context);
  for (const each of input.stores) checkStore(each);
  for (const each of input.destinations) checkDestination(each);
  return ruleset;
}

/** The rules of the good policy, byte for byte. */
function ofGood({ grants, guards }: Ruleset): string {
  return canonicalJson([grants, guards].map((rules) => rules.filter(({ policy }) => policy === 'good')));
}
const untouched = ofGood(exercise({}));

const json = fc.jsonValue({ maxDepth: 5, noUnicodeString: false }).map((value): unknown => value);
/** What breaks more than random text does. */
const spiteful = fc.constantFrom<unknown>(
  null,
  [],
  {},
  -0,
  JSON.parse('1e400'),
  '',
  '\ud800',
  '__proto__',
  JSON.parse('{"__proto__":{"action":"Allow"},"toString":1,"valueOf":1}'),
  JSON.parse('{"constructor":{"prototype":1},"length":-1}'),
  { toString: 1, valueOf: 1 },
  'a'.repeat(70_000),
  '('.repeat(2_000),
  '(a+)+$',
  '[',
  `${'!'.repeat(5_000)}true`,
  '/'.repeat(3_000),
  '*'.repeat(500),
  '9'.repeat(400),
  Array.from({ length: 500 }, () => ({ name: 'same', action: 'Deny' })),
);
const value = fc.oneof({ weight: 3, arbitrary: json }, { weight: 1, arbitrary: spiteful });

type Path = readonly (string | number)[];

function pathsOf(node: unknown, at: Path = []): Path[] {
  if (typeof node !== 'object' || node === null) return [at];
  const entries: (readonly [string | number, unknown])[] = Array.isArray(node)
    ? node.map((member: unknown, index) => [index, member] as const)
    : Object.entries(node);
  return [at, ...entries.flatMap(([key, member]) => pathsOf(member, [...at, key]))];
}

function replaced(node: unknown, [key, ...rest]: Path, to: unknown): unknown {
  if (key === undefined) return to;
  const copy = (Array.isArray(node) ? [...(node as unknown[])] : { ...(node as object) }) as Record<
    string | number,
    unknown
  >;
  copy[key] = replaced(copy[key], rest, to);
  return copy;
}

/** A well-formed object with one to three of its parts replaced by anything. */
const mutantOf = (object: object): fc.Arbitrary<unknown> =>
  fc
    .array(fc.tuple(fc.constantFrom(...pathsOf(object)), value), { minLength: 1, maxLength: 3 })
    .map((changes) =>
      changes
        .toSorted(([a], [b]) => b.length - a.length)
        .reduce<unknown>((made, [path, to]) => replaced(made, path, to), object),
    );

describe('O-06: any JSON as', () => {
  const places: Readonly<Record<string, readonly [keyof Resources, object]>> = {
    'an AgentPolicy': ['policies', whole],
    'a ClusterAgentPolicy': ['clusterPolicies', wholeOfCluster],
    'an AgentCredential': ['credentials', credential],
    'an AgentCredential that mints': ['credentials', mintingCredential],
    'an AgentCredential that signs': ['credentials', signingCredential],
    'an AgentSecretStore': ['stores', store],
    'an AgentSecretStore of AWS': ['stores', awsStore],
    'an AgentDestination': ['destinations', destination],
  };
  for (const [what, [place, object]] of Object.entries(places)) {
    const others = place === 'policies' ? [good] : [];
    it(`${what} throws nowhere and takes nothing from other policies`, () => {
      fc.assert(
        fc.property(fc.oneof(value, mutantOf(object), mutantOf(object)), (broken) => {
          assert.equal(ofGood(exercise({ [place]: [broken, ...others] })), untouched);
        }),
        place === 'policies' || place === 'clusterPolicies' ? runs : fewRuns,
      );
    });

    it(`${what} that is deeper than a stack throws nowhere`, () => {
      const deep = (open: string, close: string): unknown =>
        JSON.parse(`${open.repeat(9_999)}1${close.repeat(9_999)}`);
      for (const nested of [deep('[', ']'), deep('{"a":', '}')]) {
        for (const path of pathsOf(object)) {
          if (path[0] === 'metadata') continue;
          const broken = replaced(object, path, nested);
          assert.equal(ofGood(exercise({ [place]: [broken, ...others] })), untouched, path.join('.'));
        }
      }
    });
  }
});

describe('O-06: of a policy with one part broken', () => {
  it('no rule grants that did not before, and each rule that guarded still guards', () => {
    const before = exercise({ policies: [whole, good] });
    const names = (rules: readonly { readonly policy: string; readonly name: string }[]): string[] =>
      rules.filter(({ policy }) => policy === 'broken').map(({ name }) => name);
    fc.assert(
      fc.property(
        fc.constantFrom(
          ...pathsOf(wholeRules).filter(([rule, field]) => rule !== undefined && field !== 'action'),
        ),
        value,
        (path, to) => {
          const [index] = path;
          const broken = replaced(whole, ['spec', 'rules', ...path], to);
          const after = exercise({ policies: [broken, good] });
          // The rule that was changed may say anything now; the others say what they did.
          const others = wholeRules.filter((_, at) => at !== index).map(({ name }) => name);
          for (const name of others) {
            assert.equal(names(after.grants).includes(name), names(before.grants).includes(name), name);
            assert.equal(names(after.guards).includes(name), names(before.guards).includes(name), name);
          }
        },
      ),
      runs,
    );
  });
});
