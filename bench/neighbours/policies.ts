// What the bench's agent may do, as resources: fifty rules of five policies, as an agent with a handful of tools has,
// and one credential from Vault. What is asked of the origin is granted by the third policy.

import type { RulesetTelemetry } from '../../policy/ruleset.ts';
import { compileRuleset, type Compiled } from '../../policy/compile.ts';

export interface Surroundings {
  readonly origin: { readonly host: string; readonly port: number; readonly address: string };
  /** PEM of the one authority that signed everything here. */
  readonly caPem: string;
  readonly vaultPort: number;
  readonly telemetry: RulesetTelemetry;
}

export const agent = { namespace: 'bench', serviceAccount: 'agent' };
export const credentialName = 'origin';
export const storeName = 'bench-vault';
export const secretPath = { mount: 'secret', path: 'agents/origin', field: 'token' };
/** What the load asks for. */
export const askedPath = '/v1/customers/42/orders';

const apiVersion = 'outrider.dev/v1alpha1';
const everyone = { podSelector: {} };

export function compilePolicies({ origin, caPem, vaultPort, telemetry }: Surroundings): Compiled {
  const { mount, path, field } = secretPath;
  return compileRuleset({
    agent: { ...agent, namespaceLabels: {}, podLabels: [{ app: 'bench' }] },
    policies: ['billing', 'code', 'customers', 'mail', 'tracker'].map((name) => ({
      apiVersion,
      kind: 'AgentPolicy',
      metadata: { name, namespace: agent.namespace },
      spec: { agents: everyone, rules: rulesOf(name) },
    })),
    clusterPolicies: [],
    credentials: [
      {
        apiVersion,
        kind: 'AgentCredential',
        metadata: { name: credentialName, namespace: agent.namespace },
        spec: {
          source: { vault: { store: storeName, role: 'bench', kv: { mount, path, field } } },
          allow: [{ destination: 'origin' }],
          inject: { bearer: {} },
        },
      },
    ],
    stores: [
      {
        apiVersion,
        kind: 'AgentSecretStore',
        metadata: { name: storeName },
        spec: {
          namespaceSelector: {},
          audience: `outrider.dev/${storeName}`,
          vault: {
            address: `https://127.0.0.1:${vaultPort}`,
            caBundle: caPem,
            auth: { kubernetes: { mount: 'kubernetes' } },
          },
        },
      },
    ],
    destinations: [
      {
        apiVersion,
        kind: 'AgentDestination',
        metadata: { name: 'origin' },
        spec: {
          namespaceSelector: {},
          host: { name: origin.host, port: origin.port, scheme: 'https', cidrs: [`${origin.address}/32`] },
          caBundle: caPem,
        },
      },
      {
        apiVersion,
        kind: 'AgentDestination',
        metadata: { name: 'origin-plain' },
        spec: {
          namespaceSelector: {},
          host: { name: origin.host, port: 80, scheme: 'http', cidrs: [`${origin.address}/32`] },
        },
      },
    ],
    settings: { clusterDomain: 'cluster.local', telemetry, operatorCas: caPem, clusterRanges: [] },
  });
}

/** Ten rules: two guards of which one must be looked at, and eight grants. */
function rulesOf(policy: string): object[] {
  const others = ['list', 'read', 'search', 'create', 'update', 'export', 'history', 'status'].map(
    (verb, index) => ({
      name: verb,
      action: 'Allow',
      hosts: [`${policy}.example.com`, `*.${policy}.example.com`],
      methods: index % 2 === 0 ? ['GET'] : ['POST', 'PATCH'],
      paths: [`/v1/${policy}/*/${verb}`, `/v1/${policy}/**/${verb}/*`],
    }),
  );
  const guards = [
    { name: 'no-admin', action: 'Deny', paths: ['/**/admin/**'], message: 'Ask the platform team.' },
    { name: 'no-deletes', action: 'Deny', hosts: [`**.${policy}.example.com`], methods: ['DELETE'] },
  ];
  if (policy !== 'customers') return [...guards, ...others];
  const asked = {
    name: 'orders',
    action: 'Allow',
    destination: 'origin',
    methods: ['GET'],
    paths: ['/v1/customers/*/orders'],
    credential: credentialName,
  };
  const { credential: _none, ...open } = asked;
  const plain = { ...open, name: 'plain-orders', destination: 'origin-plain' };
  return [...guards, ...others.slice(0, 4), asked, plain, ...others.slice(6)];
}
