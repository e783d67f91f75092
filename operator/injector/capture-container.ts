// The container that runs before every other one and writes the netfilter rules of a captured pod, and ends.

import { encodePlan, type CapturePlan } from '../../policy/capture-plan.ts';
import { podPaths } from '../../policy/contract.ts';
import type { SidecarIdentity } from './identity.ts';
import type { Container } from './pod.ts';
import type { InjectorSettings } from './settings.ts';

export const captureName = 'outrider-capture';

export const planArgument = '--plan=';

export interface CaptureDeps {
  readonly settings: InjectorSettings;
  /** Who passes freely. */
  readonly identity: SidecarIdentity;
  readonly plan: CapturePlan;
}

/**
 * The sidecar's image, so that there is one digest to pin. It alone has NET_ADMIN and is root, which the kernel asks of
 * whoever writes rules; admission holds it to this shape. As of the sidecar, what the API server defaults is written out.
 */
export function captureContainer({ settings, identity, plan }: CaptureDeps): Container {
  const { sidecar } = settings;
  return {
    name: captureName,
    image: sidecar.image,
    imagePullPolicy: sidecar.imagePullPolicy,
    command: ['/usr/local/bin/node', '--disable-sigusr1', '--no-addons', '/app/capture.js'],
    args: [`--uid=${identity.uid}`, `--gid=${identity.gid}`, `${planArgument}${encodePlan(plan)}`],
    // The sidecar's: it has ended before that one starts, so the node promises nothing more for it.
    resources: {
      requests: { cpu: sidecar.cpu, memory: sidecar.memory },
      limits: { memory: sidecar.memory },
    },
    securityContext: {
      runAsUser: 0,
      runAsGroup: 0,
      runAsNonRoot: false,
      readOnlyRootFilesystem: true,
      allowPrivilegeEscalation: false,
      capabilities: { drop: ['ALL'], add: ['NET_ADMIN'] },
      seccompProfile: { type: 'RuntimeDefault' },
    },
    // Where it leaves its report for the sidecar.
    volumeMounts: [{ name: 'outrider-keys', mountPath: podPaths.keys }],
    terminationMessagePath: '/dev/termination-log',
    terminationMessagePolicy: 'File',
  };
}
