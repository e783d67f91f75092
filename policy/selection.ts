// Which resources concern an agent.

import { isParsed, parseResource } from './parse.ts';
import type { AgentDestination, AgentPolicy, AgentSecretStore } from './resources/kinds.ts';
import {
  selectsLabels,
  type AgentSelector,
  type ClusterAgentSelector,
  type Labels,
  type LabelSelector,
} from './resources/selector.ts';

export interface Agent {
  readonly namespace: string;
  readonly serviceAccount: string;
  readonly namespaceLabels: Labels;
  /** The pod's labels when its stream opened, and now: a grant needs all to match, a guard any. */
  readonly podLabels: readonly Labels[];
}

export interface Selection {
  readonly forGrants: boolean;
  readonly forGuards: boolean;
}

/** Whether a selector of a policy of the agent's namespace selects it. */
export function selectAgent(selector: AgentSelector, agent: Agent): Selection {
  if (selector.serviceAccounts !== undefined && !selector.serviceAccounts.includes(agent.serviceAccount)) {
    return { forGrants: false, forGuards: false };
  }
  const { podSelector } = selector;
  if (podSelector === undefined) return { forGrants: true, forGuards: true };
  const matches = agent.podLabels.map((labels) => selectsLabels(podSelector, labels));
  return { forGrants: matches.length > 0 && matches.every(Boolean), forGuards: matches.some(Boolean) };
}

/** Whether a selector of a cluster's policy selects it: by what a pod's author cannot change. */
export function selectClusterAgent(selector: ClusterAgentSelector, agent: Agent): Selection {
  const { serviceAccounts, namespaceSelector } = selector;
  const isSelected =
    (serviceAccounts?.includes(agent.serviceAccount) ?? true) &&
    (namespaceSelector === undefined || selectsLabels(namespaceSelector, agent.namespaceLabels));
  return { forGrants: isSelected, forGuards: isSelected };
}

/** True when a well-formed policy of the agent's namespace selects it for its grants. */
export function selects(policy: unknown, agent: Agent): boolean {
  const parsed = parseResource('AgentPolicy', policy);
  return (
    isParsed<AgentPolicy>(parsed) &&
    parsed.metadata.namespace === agent.namespace &&
    selectAgent(parsed.spec.agents, agent).forGrants
  );
}

/** Whether a namespace may use a store or destination. */
export function opensTo(resource: AgentSecretStore | AgentDestination, namespaceLabels: Labels): boolean {
  const selector: LabelSelector = resource.spec.namespaceSelector;
  return selectsLabels(selector, namespaceLabels);
}
