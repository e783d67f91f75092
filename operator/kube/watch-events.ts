// The events of a watch's body: one JSON object a line.

import { OperatorError } from '../errors.ts';
import type { KubeObject } from './client.ts';

export interface WatchEvent {
  readonly type: string;
  /** Of ERROR a metav1.Status. */
  readonly object: KubeObject & { readonly code?: number; readonly message?: string };
}

/** etcd takes objects of at most 1.5 MiB; JSON of what it stored as protobuf is up to a few times larger. */
const maxLineBytes = 16 * 1024 * 1024;

/** @throws {OperatorError} KUBE_INVALID for a line that is no event; a body that breaks off throws its own error. */
export async function* readWatchEvents(body: AsyncIterable<Buffer>): AsyncGenerator<WatchEvent> {
  let pending: Buffer[] = [];
  let pendingBytes = 0;
  for await (const chunk of body) {
    let start = 0;
    for (let end = chunk.indexOf(10); end >= 0; end = chunk.indexOf(10, start)) {
      yield parseEvent(Buffer.concat([...pending, chunk.subarray(start, end)]));
      pending = [];
      pendingBytes = 0;
      start = end + 1;
    }
    if (start < chunk.length) pending.push(chunk.subarray(start));
    pendingBytes += chunk.length - start;
    if (pendingBytes > maxLineBytes)
      throw new OperatorError('KUBE_INVALID', { detail: 'An event is too large.' });
  }
}

function parseEvent(line: Buffer): WatchEvent {
  let event: Partial<WatchEvent> | null;
  try {
    event = JSON.parse(line.toString('utf8')) as Partial<WatchEvent> | null;
  } catch (cause) {
    throw new OperatorError('KUBE_INVALID', { detail: 'A line of a watch is no JSON.', cause });
  }
  if (typeof event?.type !== 'string' || typeof event.object !== 'object') {
    throw new OperatorError('KUBE_INVALID', { detail: 'A line of a watch is no event.' });
  }
  return event as WatchEvent;
}
