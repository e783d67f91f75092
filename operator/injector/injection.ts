// One pod in, one verdict out: nothing to do, a refusal that says what to change, or a patch. Pure.

import type { Placeholder } from '../../policy/agent-environment.ts';
import type { PlannedDestination } from '../../policy/capture-plan.ts';
import { secretDirectory } from '../../policy/contract.ts';
import type { Labels } from '../../policy/resources/selector.ts';
import { injectedMetadata, type InjectionStatus } from './annotations.ts';
import { skippedContainers } from './aws-identity.ts';
import { captureOf, type Capture } from './capture.ts';
import { captureContainer, captureName } from './capture-container.ts';
import { agentContainer, dropsSome, sidecarContainer, sidecarName } from './containers.ts';
import { agentEnvironment } from './env.ts';
import { drawIdentity, identityOf, type SidecarIdentity } from './identity.ts';
import { meshProblems } from './mesh.ts';
import { createPatch, type PatchOperation } from './patch.ts';
import { heldSecretProblems } from './held-secrets.ts';
import { containersOf, type Container, type Pod, type Volume } from './pod.ts';
import type { Problem } from './problem.ts';
import { reportOn, reportReasons, type ReportReason } from './report.ts';
import { isProblem, repairedContainer, repairedVolume } from './second-pass.ts';
import { isSecretVolume, secretVolumes, type MountedVolume, type SecretNeed } from './secret-volumes.ts';
import type { InjectorSettings } from './settings.ts';
import { shapeProblems } from './shape.ts';
import { podVolumes, reservedName, tokensFor, type StoreToken } from './volumes.ts';

export interface InjectionInput {
  readonly pod: Pod;
  readonly namespaceLabels: Labels;
  /** Of the stores that the namespace may use. */
  readonly stores: readonly StoreToken[];
  /** Of the credentials that the pod's policies name, and of their stores. */
  readonly secrets: readonly SecretNeed[];
  /** Of the credentials that the pod's policies name. */
  readonly placeholders: readonly Placeholder[];
  /** That are open to the namespace. */
  readonly destinations: readonly PlannedDestination[];
  readonly operatorCas: string;
  readonly settings: InjectorSettings;
  /** Draws a number of `idRange`. */
  readonly drawId: () => number;
}

export type Injection =
  | { readonly kind: 'skip'; readonly reasons: readonly ReportReason[] }
  | { readonly kind: 'refuse'; readonly problems: readonly Problem[] }
  | {
      readonly kind: 'patch';
      readonly reasons: readonly ReportReason[];
      readonly operations: readonly PatchOperation[];
      readonly warnings: readonly string[];
    };

export type Derived =
  | Exclude<Injection, { readonly kind: 'patch' }>
  | {
      readonly kind: 'inject';
      readonly reasons: readonly ReportReason[];
      readonly injected: Pod;
      readonly warnings: readonly string[];
    };

export function injectPod(input: InjectionInput): Injection {
  const derived = deriveInjected(input, 'drawn');
  if (derived.kind !== 'inject') return derived;
  const { reasons, injected, warnings } = derived;
  return { kind: 'patch', reasons, operations: createPatch(input.pod, injected), warnings };
}

/**
 * What the pod is to look like; a pod that looks so already is derived from itself. Ids that are there are `kept` to compare
 * with, and `drawn` anew to admit: an author who copies a sidecar can write ids in it that an image of the pod has too.
 */
export function deriveInjected(input: InjectionInput, ids: 'kept' | 'drawn'): Derived {
  const { pod, settings, namespaceLabels } = input;
  const report = reportOn(pod, namespaceLabels);
  if (report.kind !== 'inject') return report;
  const capture = captureOf(settings, namespaceLabels, input.destinations);
  if (isProblem(capture)) return { kind: 'refuse', problems: [capture] };

  const secrets = secretVolumes(input.secrets);
  const { ours, identity, problems: inOurs } = ownContainers(input, ids, capture, secrets);
  const volumes = podVolumes(settings, capture.level, input.stores, secrets);
  const keptVolumes = (pod.spec.volumes ?? [])
    // Of a pass that saw other credentials. Nothing but the sidecar may mount it, so without it nothing is amiss.
    .filter((volume) => !isSecretVolume(volume) || volumes.some(({ name }) => name === volume.name))
    .map((volume) => repairedReserved(volume, volumes));
  const environments = new Map(
    containersOf(pod).map(({ container }) => [
      container.name,
      agentEnvironment(container, input.placeholders),
    ]),
  );
  const problems = [
    ...shapeProblems(pod, identity),
    ...(capture.level === 'captured' ? meshProblems(pod, namespaceLabels) : []),
    ...heldSecretProblems(pod, input.secrets, (name) => environments.get(name)?.env ?? []),
    ...inOurs,
    ...keptVolumes.filter(isProblem),
  ];
  if (problems.length > 0) return { kind: 'refuse', problems };

  const warnings: string[] = [
    ...report.reasons
      .filter((reason) => reason === 'opt_out_without_effect')
      .map((reason) => reportReasons[reason]),
    ...capture.warnings,
  ];
  const toAgent = (list: string) => (container: Container) => {
    const { env, warnings: about } = environments.get(container.name) ?? { env: [], warnings: [] };
    warnings.push(
      ...about.map(({ name, message }) => `spec.${list}[${container.name}].env[${name}] ${message}`),
    );
    if (dropsSome(container)) {
      warnings.push(
        `spec.${list}[${container.name}].securityContext.capabilities.drop is ALL now: SETUID alone would be enough to become the sidecar`,
      );
    }
    return agentContainer(container, pod, env);
  };
  const others = (pod.spec.initContainers ?? []).filter(({ name }) => !reservedName.test(name));
  const injected: Pod = {
    ...pod,
    metadata: injectedMetadata(pod.metadata, {
      status: statusOf(input, capture),
      version: settings.version,
      skippedByEks: skippedContainers(
        pod,
        ours.map(({ name }) => name),
      ),
    }),
    spec: {
      ...pod.spec,
      initContainers: [...ours, ...others.map(toAgent('initContainers'))],
      containers: pod.spec.containers.map(toAgent('containers')),
      volumes: withVolumes(
        keptVolumes.flatMap((volume) => (isProblem(volume) ? [] : [volume])),
        volumes,
      ),
    },
  };
  return { kind: 'inject', reasons: report.reasons, injected, warnings };
}

/** In the order in which they start; what is there already under their names must be what the webhook wrote. */
function ownContainers(
  { pod, settings, operatorCas, drawId }: InjectionInput,
  ids: 'kept' | 'drawn',
  { plan }: Capture,
  secrets: readonly MountedVolume[],
): { readonly identity: SidecarIdentity; readonly ours: Container[]; readonly problems: readonly Problem[] } {
  const found = (wanted: string) => pod.spec.initContainers?.find(({ name }) => name === wanted);
  const sidecar = found(sidecarName);
  const former = sidecar && identityOf(sidecar);
  const identity = (ids === 'kept' ? former : null) ?? drawIdentity(pod, drawId);
  const written = (by: SidecarIdentity): readonly Container[] => [
    // Without a plan it has nothing to do; one of an earlier pass, before the namespace's level changed, is left out.
    captureContainer({ settings, identity: by, plan: plan ?? { ports: [], relays: [] } }),
    sidecarContainer({ settings, identity: by, operatorCas, secrets, plan }),
  ];
  const now = written(identity);
  const repaired = written(former ?? identity).map((each, index) => {
    const actual = found(each.name);
    const container = actual === undefined ? each : repairedContainer(each, actual);
    return isProblem(container) ? container : { ...container, ...idsOf(now[index] ?? each) };
  });
  return {
    identity,
    ours: repaired.flatMap((each) =>
      isProblem(each) || (plan === null && each.name === captureName) ? [] : [each],
    ),
    problems: repaired.filter(isProblem),
  };
}

/** The fields of our containers that say who passes freely. */
function idsOf({ args, securityContext }: Container): Partial<Container> {
  return { ...(args === undefined ? {} : { args }), securityContext };
}

function statusOf(
  { settings, stores, secrets, placeholders }: InjectionInput,
  { level, destinations }: Capture,
): InjectionStatus {
  return {
    level,
    image: settings.sidecar.image,
    stores: tokensFor(level, stores)
      .map(({ store }) => store)
      .toSorted(),
    volumes: [...new Set(secrets.map(({ volume }) => secretDirectory(volume)))].toSorted(),
    placeholders: Object.fromEntries(placeholders.map(({ env, credential }) => [env, credential])),
    destinations,
  };
}

/** Volumes by other names are none of our business. */
function repairedReserved(volume: Volume, ours: readonly Volume[]): Volume | Problem {
  if (!reservedName.test(volume.name)) return volume;
  const expected = ours.find(({ name }) => name === volume.name);
  if (expected !== undefined) return repairedVolume(expected, volume);
  const message = 'must have another name: outrider and outrider-* are the webhook’s';
  return { field: `spec.volumes[${volume.name}]`, message };
}

/** Those of ours that are there already stay where they are. */
function withVolumes(found: readonly Volume[], ours: readonly Volume[]): Volume[] {
  const names = new Set(found.map(({ name }) => name));
  return [...found, ...ours.filter(({ name }) => !names.has(name))];
}
