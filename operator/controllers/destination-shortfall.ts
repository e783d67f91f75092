// AgentDestinations that captured agents cannot reach: what is redirected to their sidecars is written when the pod is
// created, and so is what of it there was no room for.

import {
  maxPlannedPorts,
  maxRelays,
  planCapture,
  type PlannedDestination,
} from '../../policy/capture-plan.ts';
import type { CheckContext } from '../../policy/check-context.ts';
import { isParsed, parseOnce, type Finding } from '../../policy/parse.ts';
import type { AgentDestination, AgentPolicy } from '../../policy/resources/kinds.ts';
import { opensTo } from '../../policy/selection.ts';
import type { InjectionStatus } from '../injector/annotations.ts';
import { plannedDestination } from '../injector/capture.ts';

/** @param agents what was injected into each that the policy selects; null where that cannot be told. */
export function findUnreached(
  { rules = [] }: AgentPolicy['spec'],
  { destinations, namespaceLabels }: Pick<CheckContext, 'destinations' | 'namespaceLabels'>,
  agents: readonly (InjectionStatus | null)[],
): readonly Finding[] {
  const captured = agents.map((injected) => injected?.destinations ?? null).filter((names) => names !== null);
  if (captured.length === 0) return [];
  const open = destinations
    .map((each) => parseOnce('AgentDestination', each))
    .filter((each) => isParsed<AgentDestination>(each))
    .filter((each) => opensTo(each, namespaceLabels))
    .map(plannedDestination);
  const { left } = planCapture(open);
  return rules.flatMap(({ action, destination: name }, index): Finding[] => {
    const planned = open.find(({ destination }) => destination === name);
    if (action === 'Deny' || planned === undefined || !needsListener(planned)) return [];
    const without = captured.filter((names) => !names.includes(planned.destination)).length;
    if (without === 0) return [];
    const field = `spec.rules[${index}].destination`;
    const agentsOf = `(${without} of ${agents.length} agents)`;
    return [
      left.includes(planned.destination)
        ? {
            reason: 'DestinationNotCaptured',
            field,
            message: `names an AgentDestination that agents cannot reach: there are listeners for ${maxPlannedPorts} ports and ${maxRelays} destinations of scheme tcp, and more are open to this namespace ${agentsOf}`,
            blocking: false,
          }
        : {
            reason: 'AgentsNeedRestart',
            field,
            message: `names an AgentDestination that was not open to this namespace when agents were created, and so cannot be reached by them; recreate them (kubectl rollout restart) ${agentsOf}`,
            blocking: false,
          },
    ];
  });
}

/** Ports 80 and 443 are captured in every pod. */
function needsListener({ scheme, port }: PlannedDestination): boolean {
  return scheme === 'tcp' || (port !== 80 && port !== 443);
}
