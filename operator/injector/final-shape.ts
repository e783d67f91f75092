// Whether a pod that all webhooks are through with is still what ours wrote. What depends on the moment is not compared:
// another replica may have written it a moment ago, knowing other stores, destinations or credentials.

import { isDeepStrictEqual } from 'node:util';
import { encodePlan, parsePlan } from '../../policy/capture-plan.ts';
import { labels, sidecarEnvironment } from '../../policy/contract.ts';
import { readInjectionStatus } from './annotations.ts';
import { captureName, planArgument } from './capture-container.ts';
import { sidecarName } from './containers.ts';
import { isOurVariable } from './env.ts';
import { deriveInjected, type InjectionInput } from './injection.ts';
import { containersOf, type Container, type Pod, type Volume } from './pod.ts';
import type { Problem } from './problem.ts';
import { isSecretMount } from './secret-volumes.ts';
import { currentVariables } from './second-pass.ts';
import { reservedName } from './volumes.ts';

const elsewhere =
  'another webhook changed it after outrider: exempt the pod from that one, or give its configuration a name that sorts before "outrider"';

/** What makes the pod less than it was injected to be; empty of a pod that is not to be injected. */
export function finalProblems(input: InjectionInput): readonly Problem[] {
  const { pod } = input;
  const derived = deriveInjected(input, 'kept');
  if (derived.kind === 'refuse') return derived.problems;
  if (derived.kind === 'skip') return forgedLabel(pod);
  const { injected } = derived;
  const found = new Map(containersOf(pod).map(({ field, container }) => [field, container]));
  return [
    ...metadataProblems(pod, injected),
    ...orderProblems(pod, injected),
    ...containersOf(injected).flatMap(({ field, container }) => {
      const actual = found.get(field);
      return actual === undefined ? [] : containerDifference(field, actual, container);
    }),
    ...ownValueProblems(pod, input),
    ...missingVolumes(pod.spec.volumes ?? [], injected.spec.volumes ?? []),
  ];
}

function forgedLabel({ metadata }: Pod): readonly Problem[] {
  if (metadata.labels?.[labels.injected] === undefined) return [];
  const message = `must be removed: only the webhook writes it; to have the pod injected, write the annotation ${labels.inject}: "true"`;
  return [{ field: `metadata.labels[${labels.injected}]`, message }];
}

function metadataProblems(pod: Pod, injected: Pod): readonly Problem[] {
  const level = readInjectionStatus(injected.metadata.annotations)?.level;
  return [
    ...(pod.metadata.labels?.[labels.injected] === 'true'
      ? []
      : [{ field: `metadata.labels[${labels.injected}]`, message: `must be "true"; ${elsewhere}` }]),
    ...(readInjectionStatus(pod.metadata.annotations)?.level === level
      ? []
      : [{ field: 'metadata.annotations[outrider.dev/status]', message: `must say ${level}; ${elsewhere}` }]),
  ];
}

function orderProblems(pod: Pod, injected: Pod): readonly Problem[] {
  const names = ({ spec }: Pod): string[] => (spec.initContainers ?? []).map(({ name }) => name);
  const wanted = names(injected);
  if (isDeepStrictEqual(names(pod), wanted)) return [];
  const first = wanted.filter((name) => reservedName.test(name)).join(', ');
  return [{ field: 'spec.initContainers', message: `must begin with ${first}; ${elsewhere}` }];
}

function containerDifference(field: string, actual: Container, expected: Container): readonly Problem[] {
  const [found, wanted] = [settled(actual), settled(expected)];
  const different = Object.keys(wanted).filter((key) => !isDeepStrictEqual(found[key], wanted[key]));
  if (different.length === 0) return [];
  return [{ field, message: `lacks what outrider wrote in ${different.join(', ')}; ${elsewhere}` }];
}

/** What of a container is ours, and the same at any moment. */
function settled(container: Container): Readonly<Record<string, unknown>> {
  const { name, env = [], volumeMounts = [], securityContext } = container;
  if (!reservedName.test(name)) {
    return {
      env: env.filter((variable) => isOurVariable(variable.name)),
      volumeMounts: volumeMounts.filter((mount) => reservedName.test(mount.name)),
      securityContext,
    };
  }
  const args = container['args'];
  return {
    ...container,
    env: env.map((variable) => (currentVariables.has(variable.name) ? { name: variable.name } : variable)),
    args: Array.isArray(args)
      ? args.map((text: unknown) => (String(text).startsWith(planArgument) ? planArgument : text))
      : args,
    volumeMounts: volumeMounts.filter((mount) => !isSecretMount(mount)),
  };
}

/** What differs by the moment must still be somebody's of ours: one plan, our servers, and no CA that we do not know. */
function ownValueProblems(pod: Pod, { operatorCas, settings }: InjectionInput): readonly Problem[] {
  const ours = new Map((pod.spec.initContainers ?? []).map((container) => [container.name, container]));
  const variables = new Map(ours.get(sidecarName)?.env?.map(({ name, value = '' }) => [name, value]));
  const plan = variables.get(sidecarEnvironment.capture);
  const args = ours.get(captureName)?.['args'];
  const planned = Array.isArray(args)
    ? args.map(String).find((text) => text.startsWith(planArgument))
    : undefined;
  const isOnePlan =
    plan === undefined ? planned === undefined : planned === `${planArgument}${plan}` && isPlan(plan);
  const known = new Set(certificatesOf(operatorCas));
  const wrong = [
    ...(isOnePlan ? [] : [sidecarEnvironment.capture]),
    ...((variables.get(sidecarEnvironment.dnsServers) ?? '') === settings.dnsServers.join(',')
      ? []
      : [sidecarEnvironment.dnsServers]),
    ...(certificatesOf(variables.get(sidecarEnvironment.operatorCa) ?? '').every((each) => known.has(each))
      ? []
      : [sidecarEnvironment.operatorCa]),
  ];
  return wrong.map((name) => ({
    field: `spec.initContainers[${sidecarName}].env[${name}]`,
    message: `must be outrider’s own; ${elsewhere}; after an upgrade of outrider, try again`,
  }));
}

function isPlan(text: string): boolean {
  try {
    return encodePlan(parsePlan(text)) === text;
  } catch {
    return false;
  }
}

/** Blocks of a PEM; whatever stands outside them is one more. */
function certificatesOf(pem: string): readonly string[] {
  return pem
    .split(/(?<=-----END CERTIFICATE-----)/)
    .map((block) => block.trim())
    .filter((block) => block !== '');
}

/** Those of Secrets come and go with credentials, and tokens with stores; the first token is the operator's, always. */
function missingVolumes(found: readonly Volume[], wanted: readonly Volume[]): readonly Problem[] {
  const first = ({ projected }: Volume): unknown => projected?.sources?.[0];
  const isThere = (volume: Volume): boolean =>
    found.some((each) => each.name === volume.name && isDeepStrictEqual(first(each), first(volume)));
  return wanted
    .filter((volume) => reservedName.test(volume.name) && !/^outrider-(?:secret|csi)-/.test(volume.name))
    .filter((volume) => !isThere(volume))
    .map(({ name }) => ({
      field: `spec.volumes[${name}]`,
      message: `must be as outrider wrote it; ${elsewhere}`,
    }));
}
