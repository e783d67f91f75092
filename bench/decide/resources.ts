// The generated rules as resources: what the operator has to compile.

import type { CompileInput } from '../../policy/compile.ts';
import { ceilingHosts, policyName, rulesPerPolicy, type BenchRule } from './rules.ts';

const apiVersion = 'outrider.dev/v1alpha1';
export const namespace = 'bench';

export function compileInputOf(rules: readonly BenchRule[]): CompileInput {
  const ceilings = new Map(
    rules.flatMap((rule) =>
      rule.credential === null ? [] : [[rule.credential, ceilingHosts(rule)] as const],
    ),
  );
  const credentials = [...ceilings].map(([name, host]) => ({
    apiVersion,
    kind: 'AgentCredential',
    metadata: { name, namespace },
    spec: {
      source: { file: { path: `${name}.token` } },
      allow: [{ hosts: [host] }],
      inject: { bearer: {} },
    },
  }));
  const written = rules.map(({ name, action, hosts, methods, paths, credential }) => ({
    name,
    action,
    ...(hosts === null ? {} : { hosts }),
    ...(methods === null ? {} : { methods }),
    ...(paths === null ? {} : { paths }),
    ...(credential === null ? {} : { credential }),
  }));
  return { ...inputOf(written), credentials };
}

/** @param rules as in a policy's `rules`; they are spread over as many policies as they need. */
export function inputOf(rules: readonly object[]): CompileInput {
  return {
    agent: { namespace, serviceAccount: 'agent', namespaceLabels: {}, podLabels: [{ app: 'agent' }] },
    policies: Array.from({ length: Math.ceil(rules.length / rulesPerPolicy) }, (_, number) => ({
      apiVersion,
      kind: 'AgentPolicy',
      metadata: { name: policyName(number), namespace },
      spec: {
        agents: { podSelector: { matchLabels: { app: 'agent' } } },
        rules: rules.slice(number * rulesPerPolicy, (number + 1) * rulesPerPolicy),
      },
    })),
    clusterPolicies: [],
    credentials: [],
    stores: [],
    destinations: [],
    settings: { clusterDomain: 'cluster.local', telemetry: null, operatorCas: '', clusterRanges: [] },
  };
}
