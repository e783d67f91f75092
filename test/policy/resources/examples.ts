// What the examples of resources are built with; the tables are in examples/.

export type Manifest = Record<string, unknown>;

export interface BadExample {
  readonly resource: Manifest;
  /** The field as both validators name it. */
  readonly field: string;
  /** Part of the sentence that says what is allowed. */
  readonly allowed: RegExp;
}

/** Keyed by a sentence that the tests' titles end with. */
export interface Examples {
  readonly bad: Readonly<Record<string, BadExample>>;
  readonly good: Readonly<Record<string, Manifest>>;
}

export const pem = '-----BEGIN CERTIFICATE-----\nMIIB\n-----END CERTIFICATE-----\n';

export function policy(spec: unknown, name = 'p'): Manifest {
  return {
    apiVersion: 'outrider.dev/v1alpha1',
    kind: 'AgentPolicy',
    metadata: { name, namespace: 'default' },
    spec,
  };
}

export function clusterPolicy(spec: unknown, name = 'cp'): Manifest {
  return { apiVersion: 'outrider.dev/v1alpha1', kind: 'ClusterAgentPolicy', metadata: { name }, spec };
}

export function credential(spec: object, name = 'c'): Manifest {
  const whole = {
    source: { file: { path: 'token' } },
    allow: [{ hosts: ['api.example.com'] }],
    inject: { bearer: {} },
    ...spec,
  };
  return {
    apiVersion: 'outrider.dev/v1alpha1',
    kind: 'AgentCredential',
    metadata: { name, namespace: 'default' },
    spec: whole,
  };
}

export function store(spec: object, name = 's'): Manifest {
  const whole = {
    namespaceSelector: {},
    audience: 'outrider.dev/corp',
    vault: { address: 'https://vault.vault.svc:8200', auth: { kubernetes: {} } },
    ...spec,
  };
  return { apiVersion: 'outrider.dev/v1alpha1', kind: 'AgentSecretStore', metadata: { name }, spec: whole };
}

export function destination(spec: object, name = 'd'): Manifest {
  return {
    apiVersion: 'outrider.dev/v1alpha1',
    kind: 'AgentDestination',
    metadata: { name },
    spec: { namespaceSelector: {}, ...spec },
  };
}

/** A policy of one Allow. */
export function rule(fields: object, name?: string): Manifest {
  const allow = { name: 'r', action: 'Allow', hosts: ['api.example.com'], ...fields };
  return policy({ agents: {}, rules: [allow] }, name);
}

/** A policy of one Deny. */
export function deny(fields: object, name?: string): Manifest {
  return policy({ agents: {}, rules: [{ name: 'r', action: 'Deny', ...fields }] }, name);
}

/** A ClusterAgentPolicy of one Deny. */
export function clusterDeny(fields: object, name?: string): Manifest {
  return clusterPolicy({ agents: {}, rules: [{ name: 'r', action: 'Deny', ...fields }] }, name);
}

export function bad(resource: Manifest, field: string, allowed: RegExp): BadExample {
  return { resource, field, allowed };
}

export function many<T>(count: number, item: (index: number) => T): T[] {
  return Array.from({ length: count }, (_, index) => item(index));
}

/** An object of this many members. */
export function manyNamed<T>(
  count: number,
  member: (index: number) => readonly [string, T],
): Record<string, T> {
  return Object.fromEntries(many(count, member));
}
