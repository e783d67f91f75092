// What the webhook of Amazon EKS does to the pods of a ServiceAccount with an IAM role or a pod identity association: the
// same variables, volumes and mounts in every container that its annotation does not name, and the volume even where it
// names all. Observed at https://github.com/aws/amazon-eks-pod-identity-webhook.

import type { Container, Pod } from '../../operator/injector/pod.ts';
import type { FixedAuthority } from './fixed-authority.ts';
import type { InstalledChart } from './installed-chart.ts';
import { startPatchingWebhook, type PatchingWebhook } from './patching-webhook.ts';

interface Identity {
  readonly volume: string;
  readonly audience: string;
  readonly directory: string;
  readonly file: string;
  readonly env: readonly { readonly name: string; readonly value: string }[];
}

const irsa = '/var/run/secrets/eks.amazonaws.com/serviceaccount';
const podIdentity = '/var/run/secrets/pods.eks.amazonaws.com/serviceaccount';

export const eksIdentities: Readonly<Record<'IRSA' | 'EKS Pod Identity', Identity>> = {
  IRSA: {
    volume: 'aws-iam-token',
    audience: 'sts.amazonaws.com',
    directory: irsa,
    file: 'token',
    env: [
      { name: 'AWS_ROLE_ARN', value: 'arn:aws:iam::111122223333:role/triage' },
      { name: 'AWS_WEB_IDENTITY_TOKEN_FILE', value: `${irsa}/token` },
    ],
  },
  'EKS Pod Identity': {
    volume: 'eks-pod-identity-token',
    audience: 'pods.eks.amazonaws.com',
    directory: podIdentity,
    file: 'eks-pod-identity-token',
    env: [
      { name: 'AWS_CONTAINER_CREDENTIALS_FULL_URI', value: 'http://169.254.170.23/v1/credentials' },
      { name: 'AWS_CONTAINER_AUTHORIZATION_TOKEN_FILE', value: `${podIdentity}/eks-pod-identity-token` },
    ],
  },
};

export function startEksWebhook(
  chart: InstalledChart,
  authority: FixedAuthority,
  options: { readonly name: string; readonly identity: Identity; readonly heedsAnnotation?: boolean },
): Promise<PatchingWebhook> {
  const { name, identity, heedsAnnotation = true } = options;
  return startPatchingWebhook(chart, authority, name, (pod) => operations(pod, identity, heedsAnnotation));
}

function operations({ metadata, spec }: Pod, identity: Identity, heedsAnnotation: boolean): object[] {
  const annotation = metadata.annotations?.['eks.amazonaws.com/skip-containers'] ?? '';
  // One record of CSV, which is not trimmed.
  const skipped = heedsAnnotation ? annotation.split(',') : [];
  const withIdentity = (container: Container): Container => {
    if (skipped.includes(container.name)) return container;
    const mount = { name: identity.volume, mountPath: identity.directory, readOnly: true };
    return {
      ...container,
      env: [...(container.env ?? []), { name: 'AWS_REGION', value: 'eu-central-1' }, ...identity.env],
      volumeMounts: [...(container.volumeMounts ?? []), mount],
    };
  };
  const token = { audience: identity.audience, expirationSeconds: 86_400, path: identity.file };
  const volume = { name: identity.volume, projected: { sources: [{ serviceAccountToken: token }] } };
  return [
    spec.volumes === undefined
      ? { op: 'add', path: '/spec/volumes', value: [volume] }
      : { op: 'add', path: '/spec/volumes/0', value: volume },
    { op: 'add', path: '/spec/containers', value: spec.containers.map(withIdentity) },
    ...(spec.initContainers === undefined
      ? []
      : [{ op: 'add', path: '/spec/initContainers', value: spec.initContainers.map(withIdentity) }]),
  ];
}
