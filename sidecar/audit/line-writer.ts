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
/** Nobody sees the delay, and under load the system call per line would be most of a line's cost. */
const gatherMs = 5;
const maxGatheredBytes = 16 * 1024;

export function createLineWriter({ stream, onDropped }: LineWriterOptions): LineWriter {
  let gathered = '';
  let dropped = 0;
  let timer: NodeJS.Timeout | null = null;

  function flush(done: () => void = () => {}): void {
    if (timer !== null) clearTimeout(timer);
    timer = null;
    stream.write(gathered, 'latin1', done);
    gathered = '';
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
      gathered += `${line}\n`;
      if (gathered.length >= maxGatheredBytes) flush();
      else timer ??= setTimeout(flush, gatherMs);
    },
    close: () => new Promise((resolve) => flush(resolve)),
  };
}
