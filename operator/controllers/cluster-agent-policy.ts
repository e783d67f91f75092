// Status of a ClusterAgentPolicy: whether it holds, and for how many agents of the cluster.

import type { CheckContext } from '../../policy/check-context.ts';
import { checkClusterPolicy } from '../../policy/check.ts';
import { isParsed, parseOnce } from '../../policy/parse.ts';
import { readClusterPolicy } from '../../policy/read-policy.ts';
import type { ClusterAgentPolicy } from '../../policy/resources/kinds.ts';
import { selectClusterAgent } from '../../policy/selection.ts';
import type { Agents } from '../control/agents.ts';
import type { Aggregates } from '../control/aggregates.ts';
import type { Informers, RawResource } from '../kube/informers.ts';
import type { DesiredStatus } from '../kube/status.ts';
import { statusInForce, statusOfUnreadable, type CountingAgent } from './policy-status.ts';
import { gatherClusterContext } from './references.ts';

export interface ClusterPolicyFacts {
  readonly context: CheckContext;
  /** All of the cluster. */
  readonly agents: readonly CountingAgent[];
}

export function createClusterPolicyDecision({
  informers,
  agents,
  aggregates,
}: {
  readonly informers: Informers;
  readonly agents: Agents;
  readonly aggregates: Pick<Aggregates, 'shadowOf'>;
}): (object: RawResource) => DesiredStatus {
  return (object) => {
    const { name } = object.metadata;
    return decideClusterPolicyStatus(object, {
      context: gatherClusterContext(informers),
      agents: agents.pods().map((pod) => ({
        agent: agents.agentOf(pod),
        counted: () => aggregates.shadowOf(pod.metadata.uid ?? '', name, true),
      })),
    });
  };
}

export function decideClusterPolicyStatus(
  object: RawResource,
  { context, agents }: ClusterPolicyFacts,
): DesiredStatus {
  const policy = parseOnce('ClusterAgentPolicy', object);
  if (!isParsed<ClusterAgentPolicy>(policy)) {
    return statusOfUnreadable(
      policy,
      agents.map(({ agent }) => readClusterPolicy(object, agent)),
    );
  }
  const selected = agents.filter(({ agent }) => selectClusterAgent(policy.spec.agents, agent).forGuards);
  return statusInForce({
    spec: policy.spec,
    selected,
    findings: checkClusterPolicy(object, context),
  });
}
