// Requests for conditions on fields, written as a query, headers and a body.

import { createReading, type Reading } from '../../../policy/reading.ts';
import type { CanonicalRequest, RequestBody } from '../../../policy/request.ts';

export interface Asked {
  readonly query?: string;
  /** Name and value alternating; a Content-Type here replaces that of the body. */
  readonly headers?: readonly string[];
  readonly json?: string;
  readonly form?: string;
  readonly bytes?: Uint8Array;
  /** Of a body that came with more than was read, or that nobody has read. */
  readonly isCut?: true;
  readonly isUnread?: true;
}

export function readingOf(asked: Asked): Reading {
  const { query = null, headers = [] } = asked;
  const type = asked.json !== undefined ? 'application/json' : 'application/x-www-form-urlencoded';
  const hasType = headers.includes('content-type') || (asked.json ?? asked.form) === undefined;
  const request: CanonicalRequest = {
    scheme: 'https',
    host: 'api.example',
    port: 443,
    method: 'POST',
    path: '/',
    segments: [''],
    opens: [],
    query,
    headers: hasType ? headers : [...headers, 'content-type', type],
    body: bodyOf(asked),
    placeholder: null,
  };
  return createReading(request, 0);
}

function bodyOf({ json, form, bytes, isCut, isUnread }: Asked): RequestBody {
  if (isUnread === true) return { kind: 'unread' };
  const sent = bytes ?? (json === undefined && form === undefined ? null : Buffer.from(json ?? form ?? ''));
  return sent === null ? { kind: 'none' } : { kind: 'read', bytes: sent, isWhole: isCut !== true };
}
