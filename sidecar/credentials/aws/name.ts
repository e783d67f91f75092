// Regions, endpoints and ARNs, checked before anything is sent to where they lead.

import type { AwsSecretsManagerSource, AwsStore } from '../../../policy/ruleset-credential.ts';
import { SidecarError } from '../../errors.ts';
import { awsFields } from './answer.ts';

/** It becomes a part of a host's name. */
export function checkedRegion({ region }: AwsStore): string {
  if (!/^[a-z]{2,}(?:-[a-z0-9]+){1,6}$/.test(region) || region.length > 32) {
    throw new SidecarError('AWS_REGION_WRONG', { field: awsFields.region });
  }
  return region;
}

/** `https://host[:port]`, without a trailing slash. */
export function awsOrigin(address: string, field: string): string {
  const url = URL.canParse(address) ? new URL(address) : null;
  const plain = url !== null && url.username + url.password + url.search + url.hash === '';
  if (!plain || url.protocol !== 'https:' || url.pathname !== '/') {
    throw new SidecarError('AWS_ENDPOINT_INVALID', { field });
  }
  return url.origin;
}

/** An ARN says its region, so that a store of another one need not be asked for what it cannot have. */
export function checkSecretId({ secretId }: AwsSecretsManagerSource, store: AwsStore): void {
  if (!secretId.startsWith('arn:')) return;
  const [, region] = /^arn:[a-z-]+:secretsmanager:([a-z0-9-]+):\d{12}:secret:./.exec(secretId) ?? [];
  if (region === undefined) throw new SidecarError('AWS_REQUEST_INVALID', { field: awsFields.secretId });
  if (region !== store.region) {
    throw new SidecarError('AWS_REGION_WRONG', {
      field: awsFields.secretId,
      detail: `The store's region is ${store.region}.`,
    });
  }
}

/** Of characters that AWS accepts in a session's name, two to 64 of them. */
export function sessionNameOf(store: string): string {
  return `outrider-${store.replaceAll(/[^\w+=,.@-]/g, '-')}`.slice(0, 64);
}
