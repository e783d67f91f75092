// Two connections joined into one: bytes as they are, each side no faster than the other takes them, and each direction
// ending by itself, since some protocols say their last words after the other side has said theirs.

import type { Socket } from 'node:net';

export interface Splice {
  /** Settles when both connections are closed. */
  readonly done: Promise<'ended' | 'broken' | 'idle'>;
  /** Resets both. */
  readonly cut: () => void;
}

/** @param idleMs without a byte in either direction. */
export function spliceSockets(agent: Socket, upstream: Socket, idleMs: number): Splice {
  const { promise: done, resolve } = Promise.withResolvers<'ended' | 'broken' | 'idle'>();
  let ending: 'ended' | 'broken' | 'idle' = 'ended';
  let open = 2;

  function breakOff(why: 'broken' | 'idle'): void {
    if (ending === 'ended') ending = why;
    // A FIN would claim that all was said.
    for (const socket of [agent, upstream]) if (!socket.destroyed) socket.resetAndDestroy();
  }

  for (const socket of [agent, upstream]) {
    socket.allowHalfOpen = true;
    socket.on('error', () => breakOff('broken'));
    socket.once('close', () => {
      open -= 1;
      // What closed without having said so was destroyed.
      if (!socket.readableEnded) breakOff('broken');
      if (open === 0) resolve(ending);
    });
  }
  // All that is carried passes here, in either direction.
  upstream.setTimeout(idleMs, () => breakOff('idle'));
  agent.pipe(upstream);
  upstream.pipe(agent);
  return { done, cut: () => breakOff('broken') };
}
