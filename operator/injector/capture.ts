// Whether and how a pod is captured: from the platform's settings, the namespace's label and the destinations that are open
// to it.

import { captureLevel } from '../../policy/capture-level.ts';
import {
  planCapture,
  type CaptureLevel,
  type CapturePlan,
  type PlannedDestination,
} from '../../policy/capture-plan.ts';
import { labels } from '../../policy/contract.ts';
import type { AgentDestination } from '../../policy/resources/kinds.ts';
import type { Labels } from '../../policy/resources/selector.ts';
import type { Problem } from './problem.ts';
import type { InjectorSettings } from './settings.ts';

export interface Capture {
  readonly level: CaptureLevel;
  /** Null where the level is cooperative. */
  readonly plan: CapturePlan | null;
  /** AgentDestinations that the plan was made for. */
  readonly destinations: readonly string[] | null;
  readonly warnings: readonly string[];
}

export function captureOf(
  settings: Pick<InjectorSettings, 'capture'>,
  namespaceLabels: Labels,
  destinations: readonly PlannedDestination[],
): Capture | Problem {
  const label = namespaceLabels[labels.capture];
  if (label !== undefined && label !== 'captured' && label !== 'cooperative') {
    return {
      field: `metadata.labels[${labels.capture}] of the namespace`,
      message: `must be "captured" or "cooperative", not ${JSON.stringify(label)}`,
    };
  }
  const level = captureLevel(settings.capture, namespaceLabels);
  if (level === 'cooperative') return { level, plan: null, destinations: null, warnings: [] };
  const { plan, left } = planCapture(destinations);
  const names = destinations.map(({ destination }) => destination).filter((name) => !left.includes(name));
  return {
    level,
    plan,
    destinations: names.toSorted(),
    warnings: [
      ...(label === 'cooperative'
        ? [
            `the label ${labels.capture}=cooperative of the namespace has no effect: outrider’s setting capture.allowCooperative does not allow it`,
          ]
        : []),
      ...(left.length === 0
        ? []
        : [
            `the pod cannot reach these AgentDestinations, for which there is no listener left: ${left.join(', ')}`,
          ]),
      ...podSecurityWarnings(namespaceLabels),
    ],
  };
}

/** Whether it is really refused is not ours to tell: a cluster's configuration may exempt the pod. */
function podSecurityWarnings(namespaceLabels: Labels): readonly string[] {
  const key = 'pod-security.kubernetes.io/enforce';
  const enforced = namespaceLabels[key];
  if (enforced !== 'baseline' && enforced !== 'restricted') return [];
  return [
    `the namespace’s label ${key}=${enforced} refuses NET_ADMIN, which outrider-capture needs: write privileged there; outrider holds your containers to restricted itself`,
  ];
}

export function plannedDestination({ metadata, spec }: AgentDestination): PlannedDestination {
  const destination = metadata.name;
  if (spec.host !== undefined) {
    const { name, port, scheme } = spec.host;
    return { destination, name, port, scheme };
  }
  const { name = '', namespace = '', port = 443, scheme = 'https' } = spec.service ?? {};
  return { destination, name: `${name}.${namespace}.svc`, port, scheme };
}
