// Status of an AgentPolicy: whether it holds, for how many agents, and which of its references lead nowhere.

import type { CheckContext } from '../../policy/check-context.ts';
import { checkPolicy } from '../../policy/check.ts';
import { observeUntilMs } from '../../policy/compile.ts';
import { labels } from '../../policy/contract.ts';
import { isParsed, parseOnce } from '../../policy/parse.ts';
import { readPolicy } from '../../policy/read-policy.ts';
import type { AgentPolicy } from '../../policy/resources/kinds.ts';
import type { Labels } from '../../policy/resources/selector.ts';
import { selectAgent } from '../../policy/selection.ts';
import type { Agents } from '../control/agents.ts';
import type { Aggregates } from '../control/aggregates.ts';
import type { Informers, RawResource } from '../kube/informers.ts';
import type { DesiredStatus } from '../kube/status.ts';
import { findUnreached } from './destination-shortfall.ts';
import { gatherContext } from './references.ts';
import { statusInForce, statusOfUnreadable, type CountingAgent } from './policy-status.ts';

export interface PolicyFacts {
  readonly context: CheckContext;
  readonly agents: readonly CountingAgent[];
  /** Milliseconds since the epoch. */
  readonly nowMs: number;
}

export function createPolicyDecision({
  informers,
  agents,
  aggregates,
}: {
  readonly informers: Informers;
  readonly agents: Agents;
  readonly aggregates: Pick<Aggregates, 'shadowOf'>;
}): (object: RawResource) => DesiredStatus {
  return (object) => {
    const { namespace = '', name } = object.metadata;
    return decidePolicyStatus(object, {
      context: gatherContext(informers, namespace),
      agents: agents.pods(namespace).map((pod) => ({
        agent: agents.agentOf(pod),
        injected: pod.injected,
        counted: () => aggregates.shadowOf(pod.metadata.uid ?? '', name, false),
      })),
      nowMs: Date.now(),
    });
  };
}

export function decidePolicyStatus(object: RawResource, facts: PolicyFacts): DesiredStatus {
  const status = decide(object, facts);
  const note = observationNote(facts.context.namespaceLabels, facts.nowMs);
  if (note === null) return status;
  // No condition of its own: it is the namespace that is observed, and the policy does all that it says.
  const conditions = status.conditions.map((condition) =>
    condition.type === 'Ready' ? { ...condition, message: `${condition.message}; ${note}` } : condition,
  );
  return { ...status, conditions };
}

function decide(object: RawResource, { context, agents }: PolicyFacts): DesiredStatus {
  const policy = parseOnce('AgentPolicy', object);
  if (!isParsed<AgentPolicy>(policy)) {
    return statusOfUnreadable(
      policy,
      agents.map(({ agent }) => readPolicy(object, agent)),
    );
  }
  const selected = agents.filter(({ agent }) => selectAgent(policy.spec.agents, agent).forGrants);
  return statusInForce({
    spec: policy.spec,
    selected,
    findings: [
      ...checkPolicy(object, context),
      ...findUnreached(
        policy.spec,
        context,
        selected.map(({ injected = null }) => injected),
      ),
    ],
  });
}

function observationNote(namespaceLabels: Labels, nowMs: number): string | null {
  const day = namespaceLabels[labels.observeUntil];
  if (day === undefined) return null;
  const untilMs = observeUntilMs(namespaceLabels);
  if (untilMs === null) {
    return `the namespace’s label ${labels.observeUntil} is no day such as 2026-12-31, so nothing is observed`;
  }
  if (nowMs >= untilMs) return null;
  return `until ${day} the namespace is observed: what no grant matches is forwarded and marked`;
}
