// What is already there under a name of ours. The API server calls the webhook again after other plugins changed the
// pod (reinvocationPolicy: IfNeeded), so our own container comes back with their additions; anything else by our
// name is an author's attempt to choose the sidecar, and is refused.

import { isDeepStrictEqual } from 'node:util';
import { audiencePrefix, podIdentityAudience, sidecarEnvironment } from '../../policy/contract.ts';
import type { Container, EnvVar, Volume, VolumeMount } from './pod.ts';
import type { Problem } from './problem.ts';
import { planArgument } from './capture-container.ts';
import { sameQuantity } from './quantity.ts';
import { isSecretMount, isSecretVolume } from './secret-volumes.ts';

/** Where the ServiceAccount admission plugin mounts the pod's own token, in every container that it sees. */
const serviceAccountPath = '/var/run/secrets/kubernetes.io/serviceaccount';

/** What another replica may have known otherwise between the passes: CAs that it announced, destinations that came. */
export const currentVariables: ReadonlySet<string> = new Set([
  sidecarEnvironment.operatorCa,
  sidecarEnvironment.dnsServers,
  sidecarEnvironment.capture,
]);

/**
 * A container of ours as a second pass leaves it. The pod's general token is taken out again, since the sidecar's
 * identity is never the pod's; what the operator knows better now is written anew. What LimitRanger and AlwaysPullImages
 * wrote stays: they check that it is there.
 */
export function repairedContainer(expected: Container, actual: Container): Container | Problem {
  const repaired = {
    ...actual,
    ...(expected.env === undefined ? {} : { env: repairedVariables(expected.env, actual.env) }),
    ...(isStrings(actual['args']) && isStrings(expected['args'])
      ? { args: repairedArguments(expected['args'], actual['args']) }
      : {}),
    volumeMounts: repairedMounts(expected.volumeMounts, actual.volumeMounts),
  };
  const found = comparable(repaired, expected);
  const fields = [...new Set([...Object.keys(expected), ...Object.keys(found)])];
  const different = fields.filter((field) => !isDeepStrictEqual(expected[field], found[field]));
  if (different.length === 0) return repaired;
  const message = `differs from what the webhook writes in ${different.join(', ')}: remove the container, the webhook adds it; or exempt it from what else changes it`;
  return { field: `spec.initContainers[${expected.name}]`, message };
}

function repairedVariables(expected: readonly EnvVar[], actual: readonly EnvVar[] = []): EnvVar[] {
  const isCurrent = ({ name, value, valueFrom }: EnvVar): boolean =>
    currentVariables.has(name) && valueFrom === undefined && typeof value === 'string';
  const rest = (variables: readonly EnvVar[]): EnvVar[] =>
    variables.filter((variable) => !isCurrent(variable));
  return [...(isDeepStrictEqual(rest(expected), rest(actual)) ? expected : actual)];
}

function repairedArguments(expected: readonly string[], actual: readonly string[]): readonly string[] {
  const isPlan = (text: string): boolean => text.startsWith(planArgument);
  const rest = (texts: readonly string[]): string[] => texts.filter((text) => !isPlan(text));
  return isDeepStrictEqual(rest(expected), rest(actual)) ? expected : actual;
}

function isStrings(value: unknown): value is readonly string[] {
  return Array.isArray(value) && value.every((item) => typeof item === 'string');
}

/** Without the pod's token, and with the secrets that the pod's credentials ask for now. */
function repairedMounts(
  expected: readonly VolumeMount[] = [],
  actual: readonly VolumeMount[] = [],
): VolumeMount[] {
  return [
    ...actual.filter((mount) => mount.mountPath !== serviceAccountPath && !isSecretMount(mount)),
    ...expected.filter(isSecretMount),
  ];
}

/** Our volume as a second pass leaves it; its tokens are for the stores that there are now. */
export function repairedVolume(expected: Volume, actual: Volume): Volume | Problem {
  const sizeLimit = expected.emptyDir?.sizeLimit;
  const sources = expected.projected?.sources;
  if (sizeLimit !== undefined && sameQuantity(sizeLimit, actual.emptyDir?.sizeLimit)) {
    const found = { ...actual, emptyDir: { ...actual.emptyDir, sizeLimit } };
    if (isDeepStrictEqual(expected, found)) return actual;
  }
  if (sources !== undefined && actual.projected?.sources?.every(isToken) === true) {
    const found = { ...actual, projected: { ...actual.projected, sources } };
    if (isDeepStrictEqual(expected, found)) return expected;
  }
  // Which keys of a Secret are needed may have changed between the passes.
  if (isDeepStrictEqual(expected, actual) || (isSecretVolume(expected) && isSecretVolume(actual)))
    return expected;
  const message = 'differs from what the webhook writes: remove the volume, the webhook adds it';
  return { field: `spec.volumes[${expected.name}]`, message };
}

export function isProblem(value: object): value is Problem {
  return 'field' in value;
}

function isToken(source: {
  readonly serviceAccountToken?: { readonly audience?: string | undefined } | undefined;
}): boolean {
  const audience = source.serviceAccountToken?.audience;
  return (
    Object.keys(source).length === 1 &&
    (audience?.startsWith(audiencePrefix) === true || audience === podIdentityAudience)
  );
}

/** The container without what the API server's own plugins may add to it. */
function comparable(actual: Container, expected: Container): Container {
  // In-place resize gives every container with resources a policy, in some versions of Kubernetes.
  const { resizePolicy: _, ...rest } = actual;
  const alwaysPulled = rest['imagePullPolicy'] === 'Always';
  return {
    ...rest,
    imagePullPolicy: alwaysPulled ? expected['imagePullPolicy'] : rest['imagePullPolicy'],
    resources: {
      ...rest.resources,
      requests: ourQuantities(rest.resources?.requests, expected.resources?.requests),
      limits: ourQuantities(rest.resources?.limits, expected.resources?.limits),
    },
  };
}

type Quantities = Readonly<Record<string, string>>;

/** Ours of the found quantities, in our spelling where they mean the same. */
function ourQuantities(found: Quantities = {}, expected: Quantities = {}): Quantities {
  return Object.fromEntries(
    Object.entries(expected).flatMap(([name, quantity]) => {
      const value = found[name];
      if (value === undefined) return [];
      return [[name, sameQuantity(quantity, value) ? quantity : value] as const];
    }),
  );
}
