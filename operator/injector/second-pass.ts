// What is already there under a name of ours. The API server calls the webhook again after other plugins changed the
// pod (reinvocationPolicy: IfNeeded), so our own container comes back with their additions; anything else by our
// name is an author's attempt to choose the sidecar, and is refused.

import { isDeepStrictEqual } from 'node:util';
import type { Container, Volume } from './pod.ts';
import type { Problem } from './problem.ts';
import { sameQuantity } from './quantity.ts';

/** Where the ServiceAccount admission plugin mounts the pod's own token, in every container that it sees. */
const serviceAccountPath = '/var/run/secrets/kubernetes.io/serviceaccount';

/**
 * Our container as a second pass leaves it: the pod's general token is taken out again, since the sidecar's identity
 * is never the pod's. What LimitRanger and AlwaysPullImages wrote stays, because they check that it is there.
 */
export function withoutServiceAccountToken(sidecar: Container): Container {
  const mounts = (sidecar.volumeMounts ?? []).filter(({ mountPath }) => mountPath !== serviceAccountPath);
  return { ...sidecar, volumeMounts: mounts };
}

/** What is wrong with a container by our name, which must be as we would write it. */
export function sidecarProblems(expected: Container, actual: Container): readonly Problem[] {
  const found = comparable(actual, expected);
  const fields = [...new Set([...Object.keys(expected), ...Object.keys(found)])];
  const different = fields.filter((field) => !isDeepStrictEqual(expected[field], found[field]));
  if (different.length === 0) return [];
  const message = `differs from what the webhook writes in ${different.join(', ')}: remove the container, the webhook adds it; or exempt it from what else changes it`;
  return [{ field: `spec.initContainers[${expected.name}]`, message }];
}

export function volumeProblems(expected: Volume, actual: Volume): readonly Problem[] {
  const sizeLimit = expected.emptyDir?.sizeLimit;
  const found =
    actual.emptyDir !== undefined &&
    sizeLimit !== undefined &&
    sameQuantity(sizeLimit, actual.emptyDir.sizeLimit)
      ? { ...actual, emptyDir: { ...actual.emptyDir, sizeLimit } }
      : actual;
  if (isDeepStrictEqual(expected, found)) return [];
  const message = 'differs from what the webhook writes: remove the volume, the webhook adds it';
  return [{ field: `spec.volumes[${expected.name}]`, message }];
}

/** The container without what the API server's own plugins may add to it. */
function comparable(actual: Container, expected: Container): Container {
  // In-place resize gives every container with resources a policy, in some versions of Kubernetes.
  const { resizePolicy: _, ...rest } = withoutServiceAccountToken(actual);
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
