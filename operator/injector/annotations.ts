// The annotations and labels of Outrider on pods and namespaces. Each is public API.

import type { CaptureLevel } from '../../policy/capture-plan.ts';
import { annotations, labels } from '../../policy/contract.ts';
import type { Labels } from '../../policy/resources/selector.ts';
import { skipContainers } from './aws-identity.ts';
import type { Pod } from './pod.ts';
import type { Problem } from './problem.ts';

/**
 * `outrider.dev/inject` on a pod template, as annotation or label: "true" asks for the sidecar, "false" declines
 * it where the namespace allows that. When the two disagree, "true" holds: a contradiction must not weaken.
 */
export type InjectRequest = 'true' | 'false' | 'none';

export function injectRequest({ metadata }: Pod): InjectRequest | Problem {
  const written = [
    {
      field: `metadata.annotations[${annotations.inject}]`,
      value: metadata.annotations?.[annotations.inject],
    },
    { field: `metadata.labels[${labels.inject}]`, value: metadata.labels?.[labels.inject] },
  ];
  for (const { field, value } of written) {
    if (value !== undefined && value !== 'true' && value !== 'false') {
      return { field, message: `must be "true" or "false", with quotes, not ${JSON.stringify(value)}` };
    }
  }
  if (written.some(({ value }) => value === 'true')) return 'true';
  return written.some(({ value }) => value === 'false') ? 'false' : 'none';
}

/** `outrider.dev/inject=enabled` on a namespace: every pod in it gets the sidecar. The platform's to set. */
export function namespaceAsks(namespaceLabels: Labels): boolean {
  return namespaceLabels[labels.inject] === 'enabled';
}

/** `outrider.dev/opt-out=allowed` on a namespace: "false" on its pods is heeded. The platform's to set. */
export function namespaceAllowsOptOut(namespaceLabels: Labels): boolean {
  return namespaceLabels[labels.optOut] === 'allowed';
}

/** `outrider.dev/status`: what was injected, as JSON. Written by the webhook over whatever was there. */
export interface InjectionStatus {
  /** How traffic reaches the sidecar. */
  readonly level: CaptureLevel;
  readonly image: string;
  /** AgentSecretStores that the pod has a token for; a store opened later needs a restart of the pod. */
  readonly stores: readonly string[];
  /** Directories of `podPaths.secrets` that the sidecar has; a volume asked for later needs a restart likewise. */
  readonly volumes: readonly string[];
  /** The AgentCredential whose placeholder each variable of the containers holds; one bound later needs a restart likewise. */
  readonly placeholders: Readonly<Record<string, string>>;
  /**
   * AgentDestinations whose traffic is captured; one opened later needs a restart likewise. Null of a pod that is not
   * captured: it reaches them through the proxy.
   */
  readonly destinations: readonly string[] | null;
}

/** What `outrider.dev/status` of an injected pod says; null when it says nothing that can be read. */
export function readInjectionStatus(podAnnotations: Labels | undefined): InjectionStatus | null {
  const text = podAnnotations?.[annotations.status];
  if (text === undefined) return null;
  try {
    const status = JSON.parse(text) as Partial<InjectionStatus> | null;
    if (status === null || !isLevel(status.level) || typeof status.image !== 'string') return null;
    const { level, image, stores, volumes, placeholders } = status;
    if (!Array.isArray(stores) || !Array.isArray(volumes)) return null;
    if (typeof placeholders !== 'object' || placeholders === null) return null;
    // Pods that were injected before there were captured ones say nothing of destinations.
    const destinations = Array.isArray(status.destinations) ? status.destinations : null;
    return { level, image, stores, volumes, placeholders, destinations };
  } catch {
    return null;
  }
}

function isLevel(level: unknown): level is CaptureLevel {
  return level === 'cooperative' || level === 'captured';
}

/** The metadata of an injected pod. `outrider.dev/version` is the version of Outrider that injected it. */
export function injectedMetadata(
  metadata: Pod['metadata'],
  written: { readonly status: InjectionStatus; readonly version: string; readonly skippedByEks: string },
): Pod['metadata'] {
  return {
    ...metadata,
    labels: { ...metadata.labels, [labels.injected]: 'true' },
    annotations: {
      ...metadata.annotations,
      [annotations.status]: JSON.stringify(written.status),
      [annotations.version]: written.version,
      [skipContainers]: written.skippedByEks,
    },
  };
}
