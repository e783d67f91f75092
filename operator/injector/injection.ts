// One pod in, one verdict out: nothing to do, a refusal that says what to change, or a patch. Pure.

import type { Placeholder } from '../../policy/agent-environment.ts';
import { secretDirectory } from '../../policy/contract.ts';
import type { Labels } from '../../policy/resources/selector.ts';
import { injectedMetadata, type InjectionStatus } from './annotations.ts';
import { skippedContainers } from './aws-identity.ts';
import { agentContainer, sidecarContainer, sidecarName } from './containers.ts';
import { agentEnvironment } from './env.ts';
import { drawIdentity, identityOf } from './identity.ts';
import { createPatch, type PatchOperation } from './patch.ts';
import { heldSecretProblems } from './held-secrets.ts';
import { containersOf, type Container, type Pod, type Volume } from './pod.ts';
import type { Problem } from './problem.ts';
import { reportOn, reportReasons, type ReportReason } from './report.ts';
import { isProblem, repairedSidecar, repairedVolume } from './second-pass.ts';
import { isSecretVolume, secretVolumes, type SecretNeed } from './secret-volumes.ts';
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
  const secrets = secretVolumes(input.secrets);
  const sidecar = sidecarContainer({ settings, identity, operatorCas, secrets });
  const volumes = podVolumes(settings, input.stores, secrets);
  const kept = found === undefined ? sidecar : repairedSidecar(sidecar, found);
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
    ...heldSecretProblems(pod, input.secrets, sidecarName, (name) => environments.get(name)?.env ?? []),
    ...[kept, ...keptVolumes].filter(isProblem),
  ];
  if (problems.length > 0 || isProblem(kept)) return { kind: 'refuse', problems };

  const warnings: string[] = report.reasons
    .filter((reason) => reason === 'opt_out_without_effect')
    .map((reason) => reportReasons[reason]);
  const toAgent = (list: string) => (container: Container) => {
    const { env, warnings: about } = environments.get(container.name) ?? { env: [], warnings: [] };
    warnings.push(
      ...about.map(({ name, message }) => `spec.${list}[${container.name}].env[${name}] ${message}`),
    );
    return agentContainer(container, pod, env);
  };
  const others = (pod.spec.initContainers ?? []).filter(({ name }) => name !== sidecarName);
  const injected: Pod = {
    ...pod,
    metadata: injectedMetadata(pod.metadata, {
      status: statusOf(input),
      version: settings.version,
      skippedByEks: skippedContainers(pod, sidecarName),
    }),
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

function statusOf({ settings, stores, secrets, placeholders }: InjectionInput): InjectionStatus {
  return {
    level: settings.level,
    image: settings.sidecar.image,
    stores: tokensFor(settings, stores)
      .map(({ store }) => store)
      .toSorted(),
    volumes: [...new Set(secrets.map(({ volume }) => secretDirectory(volume)))].toSorted(),
    placeholders: Object.fromEntries(placeholders.map(({ env, credential }) => [env, credential])),
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
