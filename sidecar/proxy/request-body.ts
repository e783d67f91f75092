// A request's body on its way: counted, with backpressure, and apart from the agent's connection, so that an
// upstream which stops reading does not cut the answer off.

import type { IncomingMessage } from 'node:http';
import { Readable, type Transform } from 'node:stream';
import type { BodyPrefix } from './body-prefix.ts';

export interface RequestBody {
  readonly stream: Readable;
  bytes(): number;
}

/**
 * @param prefix what was read of it already; it is sent first.
 * @param transform what all of it goes through; its failure is the request's.
 */
export function createRequestBody(
  message: IncomingMessage,
  prefix: BodyPrefix | null = null,
  transform?: Transform,
): RequestBody {
  const source = createSource(message, prefix);
  if (transform === undefined) return source;
  transform.on('error', () => {}); // told by the relay, as below
  transform.on('close', () => source.stream.destroy());
  source.stream.pipe(transform);
  return { stream: transform, bytes: () => source.bytes() };
}

function createSource(message: IncomingMessage, prefix: BodyPrefix | null): RequestBody {
  let bytes = prefix?.bytes.length ?? 0;
  const stream = new Readable({
    read: () => {
      message.resume();
    },
    destroy: (error, done) => {
      message.off('data', onData).off('end', onEnd);
      done(error);
    },
  });

  function onData(chunk: Buffer): void {
    bytes += chunk.length;
    if (!stream.push(chunk)) message.pause();
  }
  function onEnd(): void {
    stream.push(null);
  }

  stream.on('error', () => {}); // an exchange that fails is told so by its relay
  if (prefix !== null && prefix.bytes.length > 0) stream.push(prefix.bytes);
  if (prefix?.isWhole === true) {
    stream.push(null);
    return { stream, bytes: () => bytes };
  }
  message.on('data', onData).on('end', onEnd).pause();
  return { stream, bytes: () => bytes };
}

/** What a client may still have under way when it is refused: the usual socket buffers. */
const maxDiscardedBytes = 1024 * 1024;
const maxDiscardMs = 2000;

/**
 * Reads and throws away what is left of a body, within bounds. Closing a connection with unread bytes makes TCP
 * reset it, and the client loses the answer that says why (RFC 9112 section 9.6).
 */
export function discardBody(message: IncomingMessage): Promise<void> {
  if (message.complete || message.destroyed) return Promise.resolve();
  return new Promise((resolve) => {
    let left = maxDiscardedBytes;
    const deadline = setTimeout(finish, maxDiscardMs);
    function onData(chunk: Buffer): void {
      left -= chunk.length;
      if (left < 0) finish();
    }
    function finish(): void {
      clearTimeout(deadline);
      message.off('data', onData).off('end', finish).off('close', finish);
      resolve();
    }
    message.on('data', onData).on('end', finish).on('close', finish).resume();
  });
}
