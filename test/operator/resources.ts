// Resources as tests write them.

import { apiVersion } from '../../policy/contract.ts';

export function policy(options: {
  readonly namespace: string;
  readonly name: string;
  /** Names of grants, each for any path of api.example.com. */
  readonly rules?: readonly string[];
  readonly credential?: string;
  readonly destination?: string;
  readonly haltAgents?: boolean;
  readonly podLabels?: Readonly<Record<string, string>>;
  readonly message?: string;
  readonly mode?: 'Enforce' | 'Audit';
}): object {
  const {
    namespace,
    name,
    rules = ['allow'],
    credential,
    destination,
    haltAgents,
    podLabels,
    message,
    mode,
  } = options;
  const grant = (rule: string): object => ({
    name: rule,
    action: 'Allow',
    ...(destination === undefined ? { hosts: ['api.example.com'] } : { destination }),
    ...(credential === undefined ? {} : { credential }),
    ...(message === undefined ? {} : { message }),
  });
  return {
    apiVersion,
    kind: 'AgentPolicy',
    metadata: { name, namespace },
    spec: {
      agents: podLabels === undefined ? {} : { podSelector: { matchLabels: podLabels } },
      ...(haltAgents === undefined ? {} : { haltAgents }),
      ...(mode === undefined ? {} : { mode }),
      ...(rules.length === 0 ? {} : { rules: rules.map(grant) }),
    },
  };
}

/** Guards: each refuses all of api.example.com. */
export function clusterPolicy(options: {
  readonly name: string;
  readonly rules?: readonly string[];
  readonly agents?: object;
  readonly destination?: string;
  readonly haltAgents?: boolean;
  readonly mode?: 'Enforce' | 'Audit';
}): object {
  const { name, rules = ['deny'], agents = {}, destination, haltAgents, mode } = options;
  return {
    apiVersion,
    kind: 'ClusterAgentPolicy',
    metadata: { name },
    spec: {
      agents,
      ...(haltAgents === undefined ? {} : { haltAgents }),
      ...(mode === undefined ? {} : { mode }),
      rules: rules.map((rule) => ({
        name: rule,
        action: 'Deny',
        ...(destination === undefined ? { hosts: ['api.example.com'] } : { destination }),
      })),
    },
  };
}

export function credential(options: {
  readonly namespace: string;
  readonly name: string;
  readonly store?: string;
  readonly hosts?: readonly string[];
}): object {
  const { namespace, name, store = 'vault', hosts = ['api.example.com'] } = options;
  return {
    apiVersion,
    kind: 'AgentCredential',
    metadata: { name, namespace },
    spec: {
      source: {
        vault: { store, role: 'agents', kv: { mount: 'secret', path: 'agents/github', field: 'token' } },
      },
      allow: [{ hosts }],
      inject: { bearer: {} },
    },
  };
}

export function store(name: string, matchLabels?: Readonly<Record<string, string>>): object {
  return {
    apiVersion,
    kind: 'AgentSecretStore',
    metadata: { name },
    spec: {
      namespaceSelector: matchLabels === undefined ? {} : { matchLabels },
      audience: `outrider.dev/${name}`,
      vault: { address: 'https://vault.vault.svc:8200', auth: { kubernetes: { mount: 'kubernetes' } } },
    },
  };
}

export function destination(name: string): object {
  return {
    apiVersion,
    kind: 'AgentDestination',
    metadata: { name },
    spec: { namespaceSelector: {}, service: { namespace: 'tools', name: 'wiki', port: 8443 } },
  };
}
