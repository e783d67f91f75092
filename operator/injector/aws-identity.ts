// Amazon EKS gives every container of a pod the AWS identity of its ServiceAccount, by a webhook of its own. An agent
// that holds one needs no sidecar, so it gets none: the webhook is told to pass our containers over, and a pod where it
// did not is refused, whichever of the two webhooks ran last (threat K-05).
// https://github.com/aws/amazon-eks-pod-identity-webhook

import { placeholderPrefix, podIdentityAudience } from '../../policy/contract.ts';
import type { Container, Pod, Volume } from './pod.ts';
import { containersOf } from './pod.ts';
import type { Problem } from './problem.ts';

/** By these AWS SDKs find an identity: IRSA's, that of EKS Pod Identity, and that of ECS. */
export const awsVariables: ReadonlySet<string> = new Set([
  'AWS_ROLE_ARN',
  'AWS_WEB_IDENTITY_TOKEN_FILE',
  'AWS_CONTAINER_CREDENTIALS_FULL_URI',
  'AWS_CONTAINER_CREDENTIALS_RELATIVE_URI',
  'AWS_CONTAINER_AUTHORIZATION_TOKEN',
  'AWS_CONTAINER_AUTHORIZATION_TOKEN_FILE',
]);

/** Names and audiences of the webhook's volumes; a ServiceAccount may choose another audience, the name is fixed. */
const volumeNames: ReadonlySet<string> = new Set(['aws-iam-token', 'eks-pod-identity-token']);
const audiences: ReadonlySet<string> = new Set(['sts.amazonaws.com', podIdentityAudience]);

export const skipContainers = 'eks.amazonaws.com/skip-containers';

/**
 * Every container, ours too, since its tokens are its own. What else is named stays: another webhook may add it later.
 * The value is one record of CSV, whose reader neither trims nor forgives quotes; so it is written as plain names.
 */
export function skippedContainers(pod: Pod, ours: readonly string[]): string {
  const author = (pod.metadata.annotations?.[skipContainers] ?? '').split(/[\s,"]+/);
  const named = author.filter((name) => /^[a-z0-9](?:[a-z0-9-]*[a-z0-9])?$/.test(name));
  const containers = containersOf(pod).map(({ container }) => container.name);
  return [...new Set([...named, ...ours, ...containers])].join(',');
}

/** The volume alone is no problem: the webhook adds it even where it passes every container over. */
export function awsIdentityProblems(
  field: string,
  container: Container,
  volumes: readonly Volume[],
): readonly Problem[] {
  const env = (container.env ?? [])
    .filter(({ name, value }) => awsVariables.has(name) && value?.startsWith(placeholderPrefix) !== true)
    .map(({ name }) => ({ field: `${field}.env[${name}]`, message: message(container) }));
  const identities = new Set(volumes.filter(isIdentity).map(({ name }) => name));
  const mounts = (container.volumeMounts ?? [])
    .filter(({ name }) => identities.has(name))
    .map(({ name }) => ({ field: `${field}.volumeMounts[${name}]`, message: message(container) }));
  return [...env, ...mounts];
}

function isIdentity({ name, projected }: Volume): boolean {
  const tokens = (projected?.sources ?? []).map(({ serviceAccountToken }) => serviceAccountToken?.audience);
  return (
    volumeNames.has(name) || tokens.some((audience) => audience !== undefined && audiences.has(audience))
  );
}

function message({ name }: Container): string {
  return `must be removed: it gives the agent an AWS identity of its own; where Amazon EKS added it, write the annotation ${skipContainers}: ${name} on the pod template, or use a ServiceAccount without an IAM role`;
}
