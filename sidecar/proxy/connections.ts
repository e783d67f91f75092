// The connections of agents, as many as there is memory for. When all are taken, a new one takes the place of the one that did
// nothing for longest: all come from one pod, so there is no telling whose they are, but who talks can be told from who
// holds on. Exchanges under way are never cut for it.

import type { Socket } from 'node:net';

/** A client that opens a connection speaks at once; whoever has not goes before those that have. */
const silenceMs = 100;

export interface Slot {
  /** It carries an exchange, or bytes that nobody reads. */
  hold(): void;
  /** It waits for another request. */
  release(): void;
  /** It said where it leads to. */
  name(): void;
}

export interface Connections {
  /** @returns false for one that is one too many, and gone. */
  readonly admit: (socket: Socket) => boolean;
  /** Of an admitted connection, or of the TLS on top of it. */
  slotOf(socket: Socket): Slot;
  cut(): void;
}

interface Taken extends Slot {
  readonly socket: Socket;
  isHeld: boolean;
  hasSpoken: boolean;
  /** When it last got further than before. */
  sinceMs: number;
}

export function createConnections(maxConnections: number): Connections {
  /** By address: TLS on top of a socket has the same. */
  const taken = new Map<string, Taken>();

  function makeRoom(): boolean {
    if (taken.size < maxConnections) return true;
    const silentSinceMs = performance.now() - silenceMs;
    const isSilent = (slot: Taken): boolean => !slot.hasSpoken && slot.sinceMs < silentSinceMs;
    const goesBefore = (one: Taken, other: Taken): boolean =>
      isSilent(one) === isSilent(other) ? one.sinceMs < other.sinceMs : isSilent(one);
    let least: Taken | null = null;
    for (const slot of taken.values()) {
      if (slot.isHeld) continue;
      if (least === null || goesBefore(slot, least)) least = slot;
    }
    if (least === null) return false;
    taken.delete(addressOf(least.socket));
    least.socket.destroy();
    return true;
  }

  return {
    admit: (socket) => {
      if (!makeRoom()) {
        socket.destroy();
        return false;
      }
      const address = addressOf(socket);
      const slot = createSlot(socket);
      taken.set(address, slot);
      // Until it is handed on nobody else listens, and an unheard error ends the process.
      socket
        .on('error', () => {})
        .on('close', () => {
          if (taken.get(address) === slot) taken.delete(address);
        });
      return true;
    },
    slotOf: (socket) => taken.get(addressOf(socket)) ?? createSlot(socket),
    cut: () => {
      for (const { socket } of taken.values()) socket.destroy();
    },
  };
}

function createSlot(socket: Socket): Taken {
  return {
    socket,
    isHeld: false,
    hasSpoken: false,
    sinceMs: performance.now(),
    hold() {
      this.isHeld = true;
    },
    release() {
      this.isHeld = false;
      this.name();
    },
    name() {
      this.hasSpoken = true;
      this.sinceMs = performance.now();
    },
  };
}

function addressOf({ remoteAddress, remotePort, localPort }: Socket): string {
  return `${remoteAddress} ${remotePort} ${localPort}`;
}
