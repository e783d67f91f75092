// What the agent signed with its placeholder keys: for which region and service, and which headers it covered. Its
// signature means nothing, so it is not looked at; what it asks for must lie inside what the credential fixes.

import { isRefusal, refuse, type Refusal } from '../../../../policy/refusal.ts';
import type { AwsSigV4Inject } from '../../../../policy/ruleset-credential.ts';
import { queryPairs } from './canonical.ts';
import { headerValues } from './headers.ts';
import type { Outgoing } from '../injector.ts';

export interface Claim {
  readonly region: string;
  /** Names in lower case that the agent's signature covered. */
  readonly signed: ReadonlySet<string>;
}

/** Whose paths are encoded once, who are told the hash of the payload in a header, and who take it unsigned. */
const s3Services = new Set(['s3', 's3-object-lambda', 's3-outposts']);

export function isS3(service: string): boolean {
  return s3Services.has(service);
}

/** What authenticates a request through its query, in whatever letter case a server reads it. */
const queryAuthentication = new Set([
  ...'x-amz-algorithm x-amz-credential x-amz-signature x-amz-signedheaders x-amz-security-token'.split(' '),
  ...'x-amz-date x-amz-expires x-amz-content-sha256 x-amz-region-set x-amz-s3session-token'.split(' '),
  'awsaccesskeyid',
]);

const asymmetric =
  'Signature Version 4A has no region and no secret key in common; sign for one region with AWS4-HMAC-SHA256 (no multi-Region access points).';
const express =
  'Directory buckets (S3 Express) take keys that a session mints, which would have to be given to you; use a general purpose bucket.';
const malformed =
  'Authorization is not `AWS4-HMAC-SHA256 Credential=KEY/DATE/REGION/SERVICE/aws4_request, SignedHeaders=…, Signature=…`; sign with the placeholder keys, or leave it out.';

/** Some SDKs write a space after the commas and some do not (S3's own documentation does both). */
const authorizationPattern =
  /^AWS4-HMAC-SHA256 +Credential=([^/,\s]+)\/(\d{8})\/([A-Za-z0-9-]{1,64})\/([a-z0-9-]{1,64})\/aws4_request, *SignedHeaders=([A-Za-z0-9;._-]+), *Signature=[0-9a-f]{64}$/;

export function readClaim(inject: AwsSigV4Inject, outgoing: Outgoing): Claim | Refusal {
  const refusal = refuseByName(inject, outgoing);
  if (refusal !== null) return refusal;
  const [authorization, another] = headerValues(outgoing.headers, 'authorization');
  if (another !== undefined)
    return refuse('request_unsignable', 'Authorization was sent twice; send it once.');
  if (authorization === undefined) return withoutSignature(inject);
  const claim = parseAuthorization(authorization);
  if (isRefusal(claim)) return claim;
  const { region, service, signed } = claim;
  if (service === 's3express') return refuse('request_unsignable', express);
  if (service !== inject.service) {
    return refuse(
      'credential_ceiling',
      `The request is signed for ${service}, and the credential is for ${inject.service} alone.`,
    );
  }
  if (!inject.regions.includes(region)) {
    return refuse(
      'credential_ceiling',
      `The request is signed for ${region}; the credential is for ${inject.regions.join(', ')}.`,
    );
  }
  return { region, signed };
}

function refuseByName(inject: AwsSigV4Inject, outgoing: Outgoing): Refusal | null {
  if (inject.service === 's3express' || headerValues(outgoing.headers, 'x-amz-s3session-token').length > 0)
    return refuse('request_unsignable', express);
  if (headerValues(outgoing.headers, 'x-amz-region-set').length > 0)
    return refuse('request_unsignable', asymmetric);
  // Canonical names have no escape of a letter or hyphen left, so another spelling of these hides nothing.
  const found = queryPairs(outgoing.query).find(([name]) => {
    const lower = name.toLowerCase();
    return queryAuthentication.has(lower) || (lower === 'signature' && isS3(inject.service));
  });
  if (found === undefined) return null;
  return refuse(
    'request_unsignable',
    `The query has ${found[0]}, as presigned URLs do; whoever has such a URL has the credential, so sign in Authorization instead.`,
  );
}

function withoutSignature({ regions }: AwsSigV4Inject): Claim | Refusal {
  const [region, another] = regions;
  if (region !== undefined && another === undefined) return { region, signed: new Set() };
  return refuse(
    'request_unsignable',
    `The credential is for several regions (${regions.join(', ')}); sign with the placeholder keys, so that one is named.`,
  );
}

function parseAuthorization(value: string): (Claim & { readonly service: string }) | Refusal {
  // Also of chunked requests, whose Authorization is the same but for the algorithm.
  if (/^AWS4-ECDSA-/i.test(value)) return refuse('request_unsignable', asymmetric);
  if (/^AWS /i.test(value)) {
    return refuse('request_unsignable', 'This is Signature Version 2; sign with AWS4-HMAC-SHA256.');
  }
  const found = authorizationPattern.exec(value);
  if (found === null) return refuse('request_unsignable', malformed);
  const [, , , region = '', service = '', names = ''] = found;
  return { region, service, signed: new Set(names.toLowerCase().split(';')) };
}
