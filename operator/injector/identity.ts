// The uid and gid of one pod's sidecar. Nothing else in the pod may have either: what is not the agent's to read
// or to pass is told apart by them.

import type { Container, Pod } from './pod.ts';
import { containersOf } from './pod.ts';

export interface SidecarIdentity {
  readonly uid: number;
  readonly gid: number;
}

/**
 * Below 65536, since a user namespace (`hostUsers: false`) maps no more than that; above what images and their
 * packages use, and below 60000, from where Debian and systemd hand out their own.
 */
export const idRange = { first: 20_000, last: 59_999 } as const;

/** `drawId` answers any number of the range; each pod gets two that it does not use otherwise. */
export function drawIdentity(pod: Pod, drawId: () => number): SidecarIdentity {
  const taken = idsOf(pod);
  const draw = (): number => {
    for (let attempt = 0; attempt < 1000; attempt++) {
      const id = drawId();
      if (!taken.has(id)) return id;
    }
    throw new Error('the pod uses so many user and group ids that none was found for its sidecar');
  };
  return { uid: draw(), gid: draw() };
}

/** The identity of a sidecar that is there already: an injected pod keeps what was drawn for it. */
export function identityOf(sidecar: Container): SidecarIdentity | null {
  const { runAsUser, runAsGroup } = sidecar.securityContext ?? {};
  const drawn = (id: number | undefined): id is number =>
    id !== undefined && Number.isInteger(id) && id >= idRange.first && id <= idRange.last;
  return drawn(runAsUser) && drawn(runAsGroup) ? { uid: runAsUser, gid: runAsGroup } : null;
}

function idsOf(pod: Pod): ReadonlySet<number> {
  const { securityContext } = pod.spec;
  return new Set(
    [
      securityContext?.runAsUser,
      securityContext?.runAsGroup,
      securityContext?.fsGroup,
      ...(securityContext?.supplementalGroups ?? []),
      ...containersOf(pod).flatMap(({ container }) => [
        container.securityContext?.runAsUser,
        container.securityContext?.runAsGroup,
      ]),
    ].filter((id) => id !== undefined),
  );
}
