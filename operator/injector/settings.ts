// What the platform decides about every injected pod: Helm values, never anything a pod's author writes.

import type { CaptureSettings } from '../../policy/capture-level.ts';

export interface InjectorSettings {
  readonly capture: CaptureSettings;
  /** addr[:port] of the servers that sidecars ask for names. */
  readonly dnsServers: readonly string[];
  /** Of Outrider; becomes the annotation `outrider.dev/version`. */
  readonly version: string;
  /** host:port where sidecars find the operator's control server. */
  readonly operator: string;
  readonly sidecar: SidecarSettings;
}

export interface SidecarSettings {
  readonly image: string;
  readonly imagePullPolicy: 'Always' | 'IfNotPresent' | 'Never';
  /** Appended to the image's entrypoint. */
  readonly args: readonly string[];
  /** Request only: a CPU limit would stall every request of the agent together. */
  readonly cpu: string;
  /** Request and limit alike, so that what the agent's node promised is there. */
  readonly memory: string;
  /** Of the volume on the node's disk: counters, ruleset watermark, audit file. */
  readonly stateSize: string;
}
