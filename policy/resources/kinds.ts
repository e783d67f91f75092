// The kinds of the group, each with its schema and how kubectl shows it. The one place that lists them.

import type { z } from 'zod';
import type { apiVersion } from '../contract.ts';
import { agentCredentialSpec, agentCredentialStatus } from './agent-credential.ts';
import { agentDestinationSpec, agentDestinationStatus } from './agent-destination.ts';
import { agentPolicySpec, agentPolicyStatus } from './agent-policy.ts';
import { agentSecretStoreSpec, agentSecretStoreStatus } from './agent-secret-store.ts';
import { clusterAgentPolicySpec, clusterAgentPolicyStatus } from './cluster-agent-policy.ts';
import type { Condition } from './status.ts';

export interface PrinterColumn {
  readonly name: string;
  readonly type: 'string' | 'integer' | 'date';
  readonly jsonPath: string;
  readonly description?: string;
  /** 1 shows the column only with `-o wide`. */
  readonly priority?: number;
}

export interface Kind {
  readonly kind: string;
  readonly plural: string;
  readonly shortName: string;
  readonly scope: 'Namespaced' | 'Cluster';
  readonly description: string;
  readonly spec: z.ZodType;
  readonly status: z.ZodType;
  readonly columns: readonly PrinterColumn[];
}

const ready: readonly PrinterColumn[] = [
  { name: 'Ready', type: 'string', jsonPath: '.status.conditions[?(@.type=="Ready")].status' },
  { name: 'Reason', type: 'string', jsonPath: '.status.conditions[?(@.type=="Ready")].reason' },
];
const message: PrinterColumn = {
  name: 'Message',
  type: 'string',
  jsonPath: '.status.conditions[?(@.type=="Ready")].message',
  priority: 1,
};
const age: PrinterColumn = { name: 'Age', type: 'date', jsonPath: '.metadata.creationTimestamp' };

export const kinds = {
  AgentCredential: {
    kind: 'AgentCredential',
    plural: 'agentcredentials',
    shortName: 'agcred',
    scope: 'Namespaced',
    description: 'One secret: where it lives, where it may go, how it is put on a request.',
    spec: agentCredentialSpec,
    status: agentCredentialStatus,
    columns: [
      ...ready,
      {
        name: 'Bound',
        type: 'integer',
        jsonPath: '.status.agents.bound',
        description: 'Agents that may use it',
      },
      {
        name: 'Resolved',
        type: 'integer',
        jsonPath: '.status.agents.resolved',
        description: 'Agents that hold it',
      },
      {
        name: 'Failing',
        type: 'integer',
        jsonPath: '.status.agents.failing',
        description: 'Agents that cannot get it',
      },
      age,
      message,
    ],
  },
  AgentPolicy: {
    kind: 'AgentPolicy',
    plural: 'agentpolicies',
    shortName: 'agpol',
    scope: 'Namespaced',
    description: 'What selected agents of the namespace may do.',
    spec: agentPolicySpec,
    status: agentPolicyStatus,
    columns: [
      ...ready,
      { name: 'Agents', type: 'integer', jsonPath: '.status.agents', description: 'Agents that it selects' },
      { name: 'Rules', type: 'integer', jsonPath: '.status.rules', description: 'Rules in force' },
      {
        name: 'Halt',
        type: 'string',
        jsonPath: '.spec.haltAgents',
        description: 'Whether it stops its agents',
      },
      age,
      message,
    ],
  },
  ClusterAgentPolicy: {
    kind: 'ClusterAgentPolicy',
    plural: 'clusteragentpolicies',
    shortName: 'cagpol',
    scope: 'Cluster',
    description: 'What no agent may do, or only with approval. It can only tighten.',
    spec: clusterAgentPolicySpec,
    status: clusterAgentPolicyStatus,
    columns: [
      ...ready,
      { name: 'Agents', type: 'integer', jsonPath: '.status.agents', description: 'Agents that it selects' },
      { name: 'Rules', type: 'integer', jsonPath: '.status.rules', description: 'Rules in force' },
      {
        name: 'Halt',
        type: 'string',
        jsonPath: '.spec.haltAgents',
        description: 'Whether it stops its agents',
      },
      age,
      message,
    ],
  },
  AgentSecretStore: {
    kind: 'AgentSecretStore',
    plural: 'agentsecretstores',
    shortName: 'agstore',
    scope: 'Cluster',
    description: 'A Vault or an AWS account: its address, CA and audience, and which namespaces may use it.',
    spec: agentSecretStoreSpec,
    status: agentSecretStoreStatus,
    columns: [
      ...ready,
      { name: 'Address', type: 'string', jsonPath: '.spec.vault.address' },
      { name: 'Region', type: 'string', jsonPath: '.spec.awsSecretsManager.region' },
      age,
      message,
    ],
  },
  AgentDestination: {
    kind: 'AgentDestination',
    plural: 'agentdestinations',
    shortName: 'agdest',
    scope: 'Cluster',
    description: 'A private place that agents may be allowed to reach, and which namespaces may name it.',
    spec: agentDestinationSpec,
    status: agentDestinationStatus,
    columns: [...ready, age, message],
  },
} as const satisfies Record<string, Kind>;

export type KindName = keyof typeof kinds;

export interface ObjectMeta {
  readonly name: string;
  readonly namespace?: string;
  readonly uid?: string;
  readonly generation?: number;
  readonly resourceVersion?: string;
  readonly labels?: Readonly<Record<string, string>>;
  readonly annotations?: Readonly<Record<string, string>>;
  readonly creationTimestamp?: string;
  readonly deletionTimestamp?: string;
}

/** An object of kind K as the API server returns it, defaults filled in. */
export interface Resource<K extends KindName> {
  readonly apiVersion: typeof apiVersion;
  readonly kind: K;
  readonly metadata: ObjectMeta;
  readonly spec: z.output<(typeof kinds)[K]['spec']>;
  readonly status?: z.output<(typeof kinds)[K]['status']> & { readonly conditions?: readonly Condition[] };
}

export type AgentCredential = Resource<'AgentCredential'>;
export type AgentPolicy = Resource<'AgentPolicy'>;
export type ClusterAgentPolicy = Resource<'ClusterAgentPolicy'>;
export type AgentSecretStore = Resource<'AgentSecretStore'>;
export type AgentDestination = Resource<'AgentDestination'>;
