// Lines to standard output that never make a request wait: when nobody reads, they are dropped and counted.

export interface LineWriter {
  /** @param line of ASCII, without its end. */
  write(line: string): void;
  close(): Promise<void>;
}

export interface LineWriterOptions {
  readonly stream: NodeJS.WritableStream & { readonly writableLength: number };
  /** Called with how many were dropped, once lines can be written again. */
  readonly onDropped: (lines: number) => void;
}

/** About two thousand decisions, a second or two of a busy sidecar, out of its 64 MiB. */
const maxWaitingBytes = 1024 * 1024;

export function createLineWriter({ stream, onDropped }: LineWriterOptions): LineWriter {
  let gathered = '';
  let dropped = 0;

  /** All lines of one turn of the event loop are one write: under load the system call is most of the cost. */
  function flush(): void {
    const lines = gathered;
    gathered = '';
    stream.write(lines, 'latin1');
  }

  return {
    write(line) {
      if (stream.writableLength + gathered.length + line.length >= maxWaitingBytes) {
        dropped += 1;
        return;
      }
      if (dropped > 0) {
        onDropped(dropped);
        dropped = 0;
      }
      if (gathered === '') setImmediate(flush);
      gathered += `${line}\n`;
    },
    async close() {
      await new Promise<void>((resolve) => stream.write(gathered, 'latin1', () => resolve()));
      gathered = '';
    },
  };
}
