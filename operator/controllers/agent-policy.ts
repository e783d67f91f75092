// Status of an AgentPolicy: whether it holds, for how many agents, and which of its references lead nowhere.

import { checkPolicy, type CheckContext } from '../../policy/check.ts';
import { isParsed, parseResource, type Finding } from '../../policy/parse.ts';
import type { AgentPolicy } from '../../policy/resources/kinds.ts';
import { selectAgent, type Agent } from '../../policy/selection.ts';
import type { Agents } from '../control/agents.ts';
import type { Informers, RawResource } from '../kube/informers.ts';
import type { DesiredStatus } from '../kube/status.ts';
import { conditionsOf, splitFindings } from './conditions.ts';
import { gatherContext } from './references.ts';

export interface PolicyFacts {
  readonly context: CheckContext;
  readonly agents: readonly Agent[];
}

export function createPolicyDecision({
  informers,
  agents,
}: {
  readonly informers: Informers;
  readonly agents: Agents;
}): (object: RawResource) => DesiredStatus {
  return (object) => {
    const { namespace = '' } = object.metadata;
    return decidePolicyStatus(object, {
      context: gatherContext(informers, namespace),
      agents: agents.pods(namespace).map((pod) => agents.agentOf(pod)),
    });
  };
}

export function decidePolicyStatus(object: RawResource, { context, agents }: PolicyFacts): DesiredStatus {
  const policy = parseResource('AgentPolicy', object);
  if (!isParsed<AgentPolicy>(policy)) return { conditions: conditionsOf(unreadable(policy)) };
  const selected = agents.filter((agent) => selectAgent(policy.spec.agents, agent).forGrants).length;
  const working = policy.spec.haltAgents
    ? {
        reason: 'Halting',
        message: `refuses everything to ${count(selected)}, since spec.haltAgents is true`,
      }
    : selected === 0
      ? { reason: 'NotInUse', message: 'accepted; spec.agents selects no agent that runs now' }
      : { reason: 'InForce', message: `holds for ${count(selected)}` };
  return {
    conditions: conditionsOf({ ...splitFindings(checkPolicy(object, context)), working }),
    fields: { agents: selected, rules: policy.spec.rules?.length ?? 0 },
  };
}

/** The API server refuses such an object; one of another version can still be stored. Its guards hold, widely. */
function unreadable(findings: readonly Finding[]) {
  return { ...splitFindings(findings), working: { reason: 'Invalid', message: '' } };
}

function count(agents: number): string {
  return agents === 1 ? '1 agent' : `${agents} agents`;
}
