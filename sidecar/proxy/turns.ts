// Large bodies are read by rules one at a time, and between two of them everything else gets as long as the last one took: a
// mebibyte of JSON takes tens of milliseconds, and an agent may send hundreds of them at once.

export interface Turns {
  /** Resolves when it is the caller's turn, which lasts until it waits for anything. */
  next(bytes: number): Promise<void>;
}

/** What is shorter takes a millisecond or less and does not wait. */
const freeBytes = 16 * 1024;

export function createTurns(): Turns {
  const waiting: (() => void)[] = [];
  let isTaken = false;

  function start(): void {
    const begin = waiting.shift();
    isTaken = begin !== undefined;
    if (begin === undefined) return;
    const startedMs = performance.now();
    begin();
    setImmediate(() => setTimeout(start, performance.now() - startedMs));
  }

  return {
    next: (bytes) => {
      if (bytes <= freeBytes) return Promise.resolve();
      return new Promise((resolve) => {
        waiting.push(resolve);
        if (!isTaken) start();
      });
    },
  };
}
