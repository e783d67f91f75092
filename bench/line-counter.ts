// Reads a pipe as a container runtime does, and counts the lines that come out of it.

import { execFileSync } from 'node:child_process';
import { constants, openSync } from 'node:fs';
import { Socket } from 'node:net';

export interface LineCounter {
  /** A named pipe; whoever writes to it is counted. */
  readonly path: string;
  lines(): number;
  bytes(): number;
}

const lineEnd = 0x0a;

export function createLineCounter(path: string): LineCounter {
  let lines = 0;
  let bytes = 0;
  execFileSync('mkfifo', ['-m', '0600', path]);
  // For reading and writing (fifo(7), "Under Linux"), so that it neither blocks nor ends with its first writer.
  const fd = openSync(path, constants.O_RDWR | constants.O_NONBLOCK);
  const socket = new Socket({ fd, readable: true, writable: false });
  socket.on('data', (chunk: Buffer) => {
    bytes += chunk.length;
    for (let at = chunk.indexOf(lineEnd); at !== -1; at = chunk.indexOf(lineEnd, at + 1)) lines += 1;
  });
  return { path, lines: () => lines, bytes: () => bytes };
}
