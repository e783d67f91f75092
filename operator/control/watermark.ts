// How new this replica's view of the cluster is, and whether it is live. Order and freshness of all that is sent to
// sidecars rest on it (threats P-11, O-10).

import {
  compareVersions,
  watchProofSeconds,
  watermarkCovers,
  type Watermark,
} from '../../policy/contract.ts';
import type { Informers } from '../kube/informers.ts';

export interface WatermarkSource {
  /**
   * What to send: the last change per kind. A sidecar may have been shown a later version by another replica, at
   * which nothing had changed; its `announced` watermark is joined, so it must be covered (`covers`).
   */
  current(announced: Watermark): Watermark;
  covers(announced: Watermark): boolean;
  /**
   * Lists again what is behind; false when it stays behind. So it does for a kind that only a newer operator knows:
   * without that kind's guards an older one must not take an agent over.
   */
  catchUp(announced: Watermark, timeoutMs: number): Promise<boolean>;
  /** Every watch, pods' included, has proved live in time. */
  live(): boolean;
}

/** Pods are left out: their versions change many times a second, and order among them means nothing to an agent. */
export function createWatermark(informers: Informers, proofMs = watchProofSeconds * 1000): WatermarkSource {
  const ordered = [...Object.values(informers.resources), informers.namespaces];

  function progress(): Watermark {
    return Object.fromEntries(ordered.map((reflector) => [reflector.kind, reflector.progress()]));
  }

  return {
    current: (announced) =>
      Object.fromEntries(
        ordered.map((reflector) => {
          const changed = reflector.lastChange();
          const seen = announced[reflector.kind] ?? '0';
          return [reflector.kind, compareVersions(seen, changed) > 0 ? seen : changed];
        }),
      ),
    covers: (announced) => watermarkCovers(progress(), announced),
    catchUp: async (announced, timeoutMs) => {
      const behind = ordered.map((reflector) =>
        reflector.catchUp(announced[reflector.kind] ?? '0', timeoutMs),
      );
      await Promise.all(behind);
      return watermarkCovers(progress(), announced);
    },
    live: () => {
      const oldestMs = performance.now() - proofMs;
      return informers.all.every((reflector) => reflector.lastProofMs() >= oldestMs);
    },
  };
}
