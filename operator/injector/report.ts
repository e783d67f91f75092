// Whether a pod is injected, as a value with all its reasons.

import type { Labels } from '../../policy/resources/selector.ts';
import { injectRequest, namespaceAllowsOptOut, namespaceAsks } from './annotations.ts';
import type { Pod } from './pod.ts';
import type { Problem } from './problem.ts';

/** One sentence each; in the audit annotation of the API server's log, and in warnings. */
export const reportReasons = {
  pod_opted_in: 'the pod asks for it',
  namespace_opted_in: 'its namespace asks for it',
  not_opted_in: 'neither the pod nor its namespace asks for it',
  pod_opted_out: 'the pod declines it, and its namespace allows that',
  opt_out_without_effect:
    'outrider.dev/inject: "false" has no effect: only the label outrider.dev/opt-out=allowed on the namespace allows it',
} as const;

export type ReportReason = keyof typeof reportReasons;

export type Report =
  | { readonly kind: 'inject'; readonly reasons: readonly ReportReason[] }
  | { readonly kind: 'skip'; readonly reasons: readonly ReportReason[] }
  | { readonly kind: 'refuse'; readonly problems: readonly Problem[] };

/**
 * | pod     | namespace asks | opt-out allowed | report                                             |
 * |---------|----------------|-----------------|----------------------------------------------------|
 * | "true"  | any            | any             | inject                                             |
 * | "false" | yes            | no              | inject: a pod's author cannot weaken the namespace |
 * | "false" | yes            | yes             | skip                                               |
 * | "false" | no             | any             | skip                                               |
 * | none    | yes            | any             | inject                                             |
 * | none    | no             | any             | skip                                               |
 */
export function reportOn(pod: Pod, namespaceLabels: Labels): Report {
  const request = injectRequest(pod);
  if (typeof request === 'object') return { kind: 'refuse', problems: [request] };
  const asks = namespaceAsks(namespaceLabels);
  const byNamespace: readonly ReportReason[] = asks ? ['namespace_opted_in'] : [];
  if (request === 'true') return { kind: 'inject', reasons: ['pod_opted_in', ...byNamespace] };
  if (!asks) return { kind: 'skip', reasons: ['not_opted_in'] };
  if (request === 'none') return { kind: 'inject', reasons: byNamespace };
  return namespaceAllowsOptOut(namespaceLabels)
    ? { kind: 'skip', reasons: ['pod_opted_out'] }
    : { kind: 'inject', reasons: [...byNamespace, 'opt_out_without_effect'] };
}
