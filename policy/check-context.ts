// What a namespace's resources are checked against.

import type { CaptureSettings } from './capture-level.ts';
import type { Labels } from './resources/selector.ts';

/** Raw objects, as the API server returned them. */
export interface CheckContext {
  readonly namespaceLabels: Labels;
  /** Of the namespace. */
  readonly credentials: readonly unknown[];
  readonly policies: readonly unknown[];
  /** Of the cluster. */
  readonly stores: readonly unknown[];
  readonly destinations: readonly unknown[];
  readonly clusterPolicies: readonly unknown[];
  /** Absent: `defaultCapture`. */
  readonly capture?: CaptureSettings;
  /** Files of secrets lie in a directory of this machine: what a cluster needs for them is advice. */
  readonly isLocal?: true;
}
