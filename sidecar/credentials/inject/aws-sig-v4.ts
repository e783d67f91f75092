// AWS Signature Version 4: what the agent signed with placeholder keys is signed again with the real ones, over exactly
// what is sent. Region and service of the signature are fixed by the credential, never by the agent.

import { isRefusal, refuse, type Refusal } from '../../../policy/refusal.ts';
import type { AwsSigV4Inject } from '../../../policy/ruleset-credential.ts';
import { SidecarError } from '../../errors.ts';
import type { Material } from '../material.ts';
import type { Secret } from '../secret.ts';
import { queryPairs } from './aws-sig-v4/canonical.ts';
import { createChunkSigner } from './aws-sig-v4/chunks.ts';
import { isS3, readClaim } from './aws-sig-v4/claim.ts';
import { withHeaders } from './aws-sig-v4/headers.ts';
import { payloadHeader, readPayload, statesPayload } from './aws-sig-v4/payload.ts';
import { createSigners } from './aws-sig-v4/signer.ts';
import { createHashCheck } from './aws-sig-v4/stated-hash.ts';
import type { Filled, Injector, Outgoing } from './injector.ts';
import { findPart, partOf } from './part.ts';
import { assertPrintable } from './printable.ts';

interface Keys {
  readonly accessKeyId: string;
  readonly secretAccessKey: Secret;
  readonly sessionToken: string | null;
}

const field = 'spec.inject.awsSigV4';
const tokenHeader = 'x-amz-security-token';

const presignedPlaces = ['X-Amz-Credential', 'X-Amz-Security-Token', 'AWSAccessKeyId'];

const signerFor = createSigners();

export const awsSigV4: Injector<'awsSigV4'> = {
  check: (inject, material) => void keysOf(inject, material),
  // Nothing is put into the query: what an SDK presigned with placeholders is left to `fill`, which says what it is.
  places: () => ({ headers: ['authorization', tokenHeader], query: presignedPlaces }),
  needsBody: (_inject, { headers }) => !statesPayload(headers),
  fill,
};

function fill(
  inject: AwsSigV4Inject,
  material: Material,
  outgoing: Outgoing,
  nowMs: number,
): Filled | Refusal {
  const keys = keysOf(inject, material);
  const claim = readClaim(inject, outgoing);
  if (isRefusal(claim)) return claim;
  const once = isS3(inject.service);
  const ambiguity = once ? refuseAmbiguous(outgoing) : null;
  if (ambiguity !== null) return ambiguity;
  const payload = readPayload(outgoing, once);
  if (isRefusal(payload)) return payload;

  const signer = signerFor({ ...keys, region: claim.region, service: inject.service, nowMs });
  const set: [name: string, value: string][] = [['x-amz-date', signer.date]];
  if (once && payload.kind === 'held') set.push([payloadHeader, payload.hash]);
  if (keys.sessionToken !== null) set.push([tokenHeader, keys.sessionToken]);
  // The agent's own belongs to its placeholder keys.
  const dropped = keys.sessionToken === null ? [tokenHeader] : [];
  const { authorization, signature } = signer.authorize({
    ...outgoing,
    headers: withHeaders(outgoing.headers, set, dropped),
    signed: claim.signed,
    payloadHash: payload.hash,
    encodesPathOnce: once,
  });
  set.push(['authorization', authorization]);

  const filled = { headers: set, dropped };
  if (payload.kind === 'stated') return { ...filled, transform: createHashCheck(payload.hash) };
  if (payload.kind !== 'chunks') return filled;
  return { ...filled, transform: createChunkSigner({ signer, seed: signature, ...payload }) };
}

/** What S3 reads in another way than whoever decided on it, or than other servers of its protocol. */
function refuseAmbiguous({ path, query }: Outgoing): Refusal | null {
  if (path.includes('+')) {
    return refuse(
      'request_unsignable',
      'The path has a plus, which S3 reads as a space; write %2B, or %20 for a space.',
    );
  }
  const names = queryPairs(query).map(([name]) => name);
  if (new Set(names).size === names.length) return null;
  return refuse(
    'request_unsignable',
    'The query has a parameter twice, and S3 takes one of them; send it once.',
  );
}

/** @throws SidecarError that names the part and prints none. */
function keysOf(inject: AwsSigV4Inject, material: Material): Keys {
  const named = inject.accessKeyId ?? partOf(material, inject, 'accessKeyId').open();
  // AWS's own have 16 to 128 letters and digits; other servers of S3's protocol take what their operators write. It
  // stands between `=` and `/`, so it may be nothing that ends it.
  if (!/^[A-Za-z0-9._@+-]{3,128}$/.test(named)) {
    throw new SidecarError('SECRET_UNPRINTABLE', {
      field,
      detail:
        'An access key id is 3 to 128 letters, digits or one of . _ @ + -, such as AKIAIOSFODNN7EXAMPLE.',
    });
  }
  const secretAccessKey = partOf(material, inject, 'secretAccessKey', 'main');
  assertPrintable(secretAccessKey.open(), /^[!-~]+$/, field);
  const token = findPart(material, inject, 'sessionToken')?.open() ?? null;
  return {
    accessKeyId: named,
    secretAccessKey,
    sessionToken: token === null ? null : assertPrintable(token, /^[!-~]+$/, field),
  };
}
