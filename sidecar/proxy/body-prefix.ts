// The beginning of a request's body, read before the decision: as much as its rules need, and no more.

import type { IncomingMessage } from 'node:http';
import { readRefUpdates } from '../../policy/github/pack.ts';
import type { BodyNeed } from '../../policy/reading.ts';
import type { Refusal } from '../../policy/refusal.ts';

export interface BodyPrefix {
  readonly bytes: Buffer;
  readonly isWhole: boolean;
}

/** How long an agent may take for what rules need to see: a slow one holds memory meanwhile. */
const maxReadMs = 60_000;

export type PrefixOutcome = BodyPrefix | Refusal | 'gone';

/**
 * Reads until the body ends, until what is needed is there, or until it is certain to be too long. What was read
 * beyond that stays in the prefix, and the rest in the message, paused.
 * @param onCut is given a function that ends the reading, when the rest turns out to be unreadable.
 */
export function readPrefix(
  message: IncomingMessage,
  need: BodyNeed,
  onCut: (cut: (refusal: Refusal) => void) => void,
): Promise<PrefixOutcome> {
  return new Promise((resolve) => {
    const chunks: Buffer[] = [];
    let length = 0;

    function finish(outcome: PrefixOutcome): void {
      clearTimeout(deadline);
      message.off('data', onData).off('end', onEnd).off('close', onClose).pause();
      resolve(outcome);
    }
    function onData(chunk: Buffer): void {
      chunks.push(chunk);
      length += chunk.length;
      const isEnough = length > need.maxBytes || (need.until === 'flush' && hasAllUpdates(chunks));
      if (isEnough) finish({ bytes: Buffer.concat(chunks, length), isWhole: false });
    }
    function onEnd(): void {
      finish({ bytes: Buffer.concat(chunks, length), isWhole: true });
    }
    function onClose(): void {
      finish('gone');
    }

    const deadline = setTimeout(() => {
      finish({ reason: 'request_timeout', message: 'The body did not arrive in time; send it faster.' });
    }, maxReadMs);
    onCut(finish);
    message.on('data', onData).on('end', onEnd).on('close', onClose).resume();
  });
}

/** Or something that no more bytes will make readable. */
function hasAllUpdates(chunks: readonly Buffer[]): boolean {
  const read = readRefUpdates({ kind: 'read', bytes: Buffer.concat(chunks), isWhole: false });
  return read.kind === 'updates' || read.doubt !== 'size';
}
