// The keys and strings of Signature Version 4 (AWS General Reference, "Create a signed AWS API request"; Amazon S3 API
// Reference, "Signature Calculations for the Authorization Header: Transferring Payload in Multiple Chunks").

import { createHmac, createSecretKey, type KeyObject } from 'node:crypto';
import type { Secret } from '../../secret.ts';
import { canonicalRequest, sha256, type Signable } from './canonical.ts';

export interface SignerOptions {
  readonly accessKeyId: string;
  readonly secretAccessKey: Secret;
  readonly region: string;
  readonly service: string;
  /** Wall clock. */
  readonly nowMs: number;
}

export interface Signer {
  /** As in x-amz-date: 20150830T123600Z. */
  readonly date: string;
  authorize(signable: Signable): { readonly authorization: string; readonly signature: string };
  /** What follows the header of a streamed payload, each signed on top of the one before. */
  chunk(previous: string, dataHash: string): string;
  trailer(previous: string, trailerHash: string): string;
}

const emptyHash = sha256('');

export function createSigners(): (options: SignerOptions) => Signer {
  const keyOf = createKeyCache();
  return (options) => {
    const date = amzDate(options.nowMs);
    const scope = `${date.slice(0, 8)}/${options.region}/${options.service}/aws4_request`;
    const key = keyOf(options, date.slice(0, 8));
    const sign = (lines: readonly string[]): string =>
      createHmac('sha256', key).update(lines.join('\n')).digest('hex');
    return {
      date,
      authorize: (signable) => {
        const { text, signedHeaders } = canonicalRequest(signable);
        const signature = sign(['AWS4-HMAC-SHA256', date, scope, sha256(text)]);
        const authorization = `AWS4-HMAC-SHA256 Credential=${options.accessKeyId}/${scope}, SignedHeaders=${signedHeaders}, Signature=${signature}`;
        return { authorization, signature };
      },
      chunk: (previous, dataHash) =>
        sign(['AWS4-HMAC-SHA256-PAYLOAD', date, scope, previous, emptyHash, dataHash]),
      trailer: (previous, trailerHash) =>
        sign(['AWS4-HMAC-SHA256-TRAILER', date, scope, previous, trailerHash]),
    };
  };
}

/**
 * A derived key signs for a day, so it is a secret too: a KeyObject prints nothing, and it is gone with the Secret that
 * it comes from. Of each Secret the last day's keys are kept, one per region and service that it is used for.
 */
function createKeyCache(): (options: SignerOptions, day: string) => KeyObject {
  const kept = new WeakMap<Secret, { readonly day: string; readonly keys: Map<string, KeyObject> }>();
  return ({ secretAccessKey, region, service }, day) => {
    let ofDay = kept.get(secretAccessKey);
    if (ofDay?.day !== day) {
      ofDay = { day, keys: new Map() };
      kept.set(secretAccessKey, ofDay);
    }
    const known = ofDay.keys.get(`${region}/${service}`);
    if (known !== undefined) return known;
    let key = Buffer.from(`AWS4${secretAccessKey.open()}`);
    for (const part of [day, region, service, 'aws4_request']) {
      key = createHmac('sha256', key).update(part).digest();
    }
    const derived = createSecretKey(key);
    ofDay.keys.set(`${region}/${service}`, derived);
    return derived;
  };
}

function amzDate(nowMs: number): string {
  return new Date(nowMs).toISOString().replaceAll(/[-:]|\.\d{3}/g, '');
}
