// The sidecar's container, and what every other container of the pod gets.

import { encodePlan, type CapturePlan } from '../../policy/capture-plan.ts';
import { podPaths, sidecarEnvironment, sidecarPorts } from '../../policy/contract.ts';
import type { SidecarIdentity } from './identity.ts';
import type { Container, EnvVar, Pod } from './pod.ts';
import type { MountedVolume } from './secret-volumes.ts';
import type { InjectorSettings } from './settings.ts';
import { agentMount, sidecarMounts } from './volumes.ts';

export const sidecarName = 'outrider';

export interface SidecarDeps {
  readonly settings: InjectorSettings;
  readonly identity: SidecarIdentity;
  /** PEM: who may sign the operator's certificate now or next. */
  readonly operatorCas: string;
  readonly secrets: readonly MountedVolume[];
  /** Null where the pod is not captured. */
  readonly plan: CapturePlan | null;
}

/**
 * A native sidecar. Every field that the API server would default is written out, so that the webhook's second pass
 * can compare what it finds with what it would write.
 */
export function sidecarContainer(deps: SidecarDeps): Container {
  const { identity, secrets } = deps;
  const { sidecar } = deps.settings;
  return {
    name: sidecarName,
    image: sidecar.image,
    imagePullPolicy: sidecar.imagePullPolicy,
    ...(sidecar.args.length === 0 ? {} : { args: [...sidecar.args] }),
    restartPolicy: 'Always',
    env: sidecarVariables(deps),
    // No agent starts before its policy: the kubelet starts the next container when this passes. An hour of patience
    // costs nothing, while a restart would throw away what has been fetched.
    startupProbe: {
      httpGet: { path: '/readyz', port: sidecarPorts.health, scheme: 'HTTP' },
      periodSeconds: 1,
      timeoutSeconds: 1,
      successThreshold: 1,
      failureThreshold: 3600,
    },
    resources: {
      requests: { cpu: sidecar.cpu, memory: sidecar.memory },
      limits: { memory: sidecar.memory },
    },
    securityContext: {
      runAsUser: identity.uid,
      runAsGroup: identity.gid,
      runAsNonRoot: true,
      readOnlyRootFilesystem: true,
      allowPrivilegeEscalation: false,
      capabilities: { drop: ['ALL'] },
      seccompProfile: { type: 'RuntimeDefault' },
    },
    volumeMounts: sidecarMounts(secrets),
    terminationMessagePath: '/dev/termination-log',
    terminationMessagePolicy: 'File',
  };
}

function sidecarVariables({ settings, operatorCas, plan }: SidecarDeps): EnvVar[] {
  const { operator, dnsServers } = settings;
  const pod = (name: string, fieldPath: string): EnvVar => ({
    name,
    valueFrom: { fieldRef: { apiVersion: 'v1', fieldPath } },
  });
  return [
    { name: sidecarEnvironment.operator, value: operator },
    { name: sidecarEnvironment.operatorCa, value: operatorCas },
    pod(sidecarEnvironment.podName, 'metadata.name'),
    pod(sidecarEnvironment.podNamespace, 'metadata.namespace'),
    pod(sidecarEnvironment.podUid, 'metadata.uid'),
    pod(sidecarEnvironment.podIp, 'status.podIP'),
    ...(dnsServers.length === 0
      ? []
      : [{ name: sidecarEnvironment.dnsServers, value: dnsServers.join(',') }]),
    ...(plan === null ? [] : [{ name: sidecarEnvironment.capture, value: encodePlan(plan) }]),
  ];
}

/** A container of the agent: it finds the proxy, trusts its CA, and starts without privileges it did not ask for. */
export function agentContainer(container: Container, pod: Pod, env: readonly EnvVar[]): Container {
  const mounts = container.volumeMounts ?? [];
  const mounted = mounts.some(({ mountPath }) => mountPath === podPaths.trust);
  return {
    ...container,
    env: [...env],
    volumeMounts: mounted ? mounts : [...mounts, { ...agentMount }],
    securityContext: hardened(container, pod),
  };
}

/** What is unset, or drops too little. What an author wrote otherwise is refused before, or fine (container-shape.ts). */
function hardened(container: Container, pod: Pod): NonNullable<Container['securityContext']> {
  const own = container.securityContext ?? {};
  const seccomp = own.seccompProfile ?? pod.spec.securityContext?.seccompProfile;
  return {
    ...own,
    allowPrivilegeEscalation: own.allowPrivilegeEscalation ?? false,
    capabilities: dropsAll(container) ? own.capabilities : { ...own.capabilities, drop: ['ALL'] },
    ...(seccomp === undefined ? { seccompProfile: { type: 'RuntimeDefault' } } : {}),
  };
}

function dropsAll({ securityContext }: Container): boolean {
  return securityContext?.capabilities?.drop?.includes('ALL') === true;
}

/** The author wanted to keep others. */
export function dropsSome(container: Container): boolean {
  return (container.securityContext?.capabilities?.drop ?? []).length > 0 && !dropsAll(container);
}
