// One pod in, one verdict out: nothing to do, a refusal that says what to change, or a patch. Pure.

import type { Labels } from '../../policy/resources/selector.ts';
import { injectedMetadata, type InjectionStatus } from './annotations.ts';
import { agentContainer, sidecarContainer, sidecarName } from './containers.ts';
import { agentEnvironment, type Placeholder } from './env.ts';
import { drawIdentity, identityOf } from './identity.ts';
import { createPatch, type PatchOperation } from './patch.ts';
import type { Container, Pod, Volume } from './pod.ts';
import type { Problem } from './problem.ts';
import { reportOn, reportReasons, type ReportReason } from './report.ts';
import { isProblem, repairedSidecar, repairedVolume } from './second-pass.ts';
import type { InjectorSettings } from './settings.ts';
import { shapeProblems } from './shape.ts';
import { podVolumes, reservedName, type StoreToken } from './volumes.ts';

export interface InjectionInput {
  readonly pod: Pod;
  readonly namespaceLabels: Labels;
  /** The stores that the namespace may use. */
  readonly stores: readonly StoreToken[];
  /** Of the credentials that the pod's policies name. */
  readonly placeholders: readonly Placeholder[];
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

export function injectPod(input: InjectionInput): Injection {
  const { pod, settings, operatorCas } = input;
  const report = reportOn(pod, input.namespaceLabels);
  if (report.kind !== 'inject') return report;

  const found = pod.spec.initContainers?.find(({ name }) => name === sidecarName);
  const identity = (found && identityOf(found)) ?? drawIdentity(pod, input.drawId);
  const sidecar = sidecarContainer({ settings, identity, operatorCas });
  const volumes = podVolumes(settings.sidecar, input.stores);
  const kept = found === undefined ? sidecar : repairedSidecar(sidecar, found);
  const keptVolumes = (pod.spec.volumes ?? []).map((volume) => repairedReserved(volume, volumes));
  const problems = [...shapeProblems(pod, identity), ...[kept, ...keptVolumes].filter(isProblem)];
  if (problems.length > 0 || isProblem(kept)) return { kind: 'refuse', problems };

  const warnings: string[] = report.reasons
    .filter((reason) => reason === 'opt_out_without_effect')
    .map((reason) => reportReasons[reason]);
  const toAgent = (list: string) => (container: Container) => {
    const { env, warnings: about } = agentEnvironment(container, input.placeholders);
    warnings.push(
      ...about.map(({ name, message }) => `spec.${list}[${container.name}].env[${name}] ${message}`),
    );
    return agentContainer(container, pod, env);
  };
  const others = (pod.spec.initContainers ?? []).filter(({ name }) => name !== sidecarName);
  const injected: Pod = {
    ...pod,
    metadata: injectedMetadata(pod.metadata, statusOf(input), settings.version),
    spec: {
      ...pod.spec,
      initContainers: [kept, ...others.map(toAgent('initContainers'))],
      containers: pod.spec.containers.map(toAgent('containers')),
      volumes: withVolumes(
        keptVolumes.flatMap((volume) => (isProblem(volume) ? [] : [volume])),
        volumes,
      ),
    },
  };
  return { kind: 'patch', reasons: report.reasons, operations: createPatch(pod, injected), warnings };
}

function statusOf({ settings, stores, placeholders }: InjectionInput): InjectionStatus {
  return {
    level: 'cooperative',
    image: settings.sidecar.image,
    stores: stores.map(({ store }) => store).toSorted(),
    credentials: [...new Set(placeholders.map(({ credential }) => credential))].toSorted(),
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
