// What the agent says of its payload in x-amz-content-sha256, and so how the body is signed and what it goes through.

import { refuse, type Refusal } from '../../../../policy/refusal.ts';
import { SidecarError } from '../../../errors.ts';
import { sha256 } from './canonical.ts';
import { headerValues } from './headers.ts';
import type { Outgoing } from '../injector.ts';

export type Payload =
  /** Hashed here, held whole or absent. */
  | { readonly kind: 'held'; readonly hash: string }
  /** The agent's hash, to be compared with what comes. */
  | { readonly kind: 'stated'; readonly hash: string }
  /** Not signed; it passes as it is. */
  | { readonly kind: 'unsigned'; readonly hash: string }
  /** Chunks that the agent signed, to be signed again. */
  | {
      readonly kind: 'chunks';
      readonly hash: string;
      readonly decodedLength: number;
      /** Names in lower case; null where no trailer is announced. */
      readonly trailers: readonly string[] | null;
    };

export const payloadHeader = 'x-amz-content-sha256';
const signedChunks = 'STREAMING-AWS4-HMAC-SHA256-PAYLOAD';
const signedTrailer = `${signedChunks}-TRAILER`;
const unsignedPayloads = new Set(['UNSIGNED-PAYLOAD', 'STREAMING-UNSIGNED-PAYLOAD-TRAILER']);

export function statesPayload(headers: readonly string[]): boolean {
  return headerValues(headers, payloadHeader).length > 0;
}

export function readPayload(outgoing: Outgoing, isS3: boolean): Payload | Refusal {
  const { headers, hasBody, body } = outgoing;
  const [stated, another] = headerValues(headers, payloadHeader);
  if (another !== undefined) return refuse('request_unsignable', `${payloadHeader} was sent twice.`);
  // An empty body must never be signed in place of one that was not held.
  if (stated === undefined && hasBody && body === null) throw new SidecarError('SIDECAR_FAILED');
  if (stated === undefined) return { kind: 'held', hash: sha256(body ?? '') };
  if (/^[0-9a-f]{64}$/.test(stated)) {
    if (hasBody) return { kind: 'stated', hash: stated };
    return stated === sha256('') ? { kind: 'held', hash: stated } : refuse('request_unsignable', wrongHash);
  }
  if (stated.startsWith('STREAMING-AWS4-ECDSA-P256-SHA256')) {
    return refuse(
      'request_unsignable',
      'The payload is signed by Signature Version 4A, which is not supported; sign for one region with AWS4-HMAC-SHA256.',
    );
  }
  if (unsignedPayloads.has(stated)) {
    if (isS3) return { kind: 'unsigned', hash: stated };
    return refuse(
      'request_unsignable',
      `${payloadHeader} is ${stated}, which is for S3 alone; send the SHA-256 of the body in hex, or leave the header out.`,
    );
  }
  if (isS3 && (stated === signedChunks || stated === signedTrailer)) return chunksOf(outgoing, stated);
  // STREAMING-AWS4-HMAC-SHA256-EVENTS among others: it needs HTTP/2.
  return refuse(
    'request_unsignable',
    `${payloadHeader} is neither a SHA-256 in lower-case hex nor a kind of payload that this service takes.`,
  );
}

export const wrongHash = `${payloadHeader} is not the SHA-256 of the body, so its end was not sent; send the hash of what you send.`;

function chunksOf({ headers, hasBody }: Outgoing, hash: string): Payload | Refusal {
  const [length = '', another] = headerValues(headers, 'x-amz-decoded-content-length');
  if (!hasBody || another !== undefined || !/^(?:0|[1-9]\d{0,14})$/.test(length)) {
    return refuse(
      'request_unsignable',
      'A payload in signed chunks needs a body, and x-amz-decoded-content-length once, as a decimal number.',
    );
  }
  const announced = headerValues(headers, 'x-amz-trailer');
  if ((hash === signedTrailer) !== announced.length > 0) {
    return refuse(
      'request_unsignable',
      'x-amz-trailer must be there exactly when the payload has a trailer.',
    );
  }
  const names = announced.flatMap((list) => list.split(',')).map((name) => name.trim().toLowerCase());
  if (!names.every((name) => /^x-amz-[a-z0-9-]{1,64}$/.test(name)) || names.length > maxTrailers) {
    return refuse('request_unsignable', 'x-amz-trailer does not name trailers of S3.');
  }
  return {
    kind: 'chunks',
    hash,
    decodedLength: Number(length),
    trailers: hash === signedTrailer ? names : null,
  };
}

/** SDKs send one checksum; there are eight kinds. */
const maxTrailers = 8;
