import { connect, createServer } from 'node:net';
import type { Server } from 'node:net';
import { setTimeout as sleep } from 'node:timers/promises';

export interface HostLock {
  release(): Promise<void>;
}

export interface HostLockOptions {
  readonly name: string;
  readonly timeoutMs: number;
  readonly onWait?: (holder: string) => void;
}

/**
 * One holder of `name` on this host at a time. The lock is a socket in Linux's abstract namespace (unix(7)): binding is
 * atomic, nothing is left on disk, and the kernel lets go when the holder dies, however it dies, so a lock can
 * never be stale. Node has no flock(2), and a file with a pid in it is stale whenever that pid is reused.
 */
export async function acquireHostLock(options: HostLockOptions): Promise<HostLock> {
  const path = `\0outrider-test/${options.name}`;
  const deadline = Date.now() + options.timeoutMs;
  for (let told = false; ;) {
    const server = await bind(path);
    if (server !== undefined) {
      return { release: () => new Promise((resolve) => server.close(() => resolve())) };
    }
    const holder = await askHolder(path);
    if (Date.now() > deadline) {
      throw new Error(
        `"${options.name}" is still in use by ${holder} after ${Math.round(options.timeoutMs / 1000)} s`,
      );
    }
    if (!told) options.onWait?.(holder);
    told = true;
    await sleep(200);
  }
}

function bind(path: string): Promise<Server | undefined> {
  return new Promise((resolve, reject) => {
    const server = createServer((socket) => {
      socket.on('error', () => undefined);
      socket.end(`process ${process.pid} (${process.argv.slice(1).join(' ')})`);
    });
    server.once('error', (error: NodeJS.ErrnoException) => {
      if (error.code === 'EADDRINUSE') resolve(undefined);
      else reject(error);
    });
    server.listen({ path }, () => resolve(server.unref()));
  });
}

// Only for the message: a holder that is too busy to answer holds the lock all the same.
function askHolder(path: string): Promise<string> {
  return new Promise((resolve) => {
    let answer = '';
    const socket = connect({ path });
    const finish = (): void => {
      socket.destroy();
      resolve(answer === '' ? 'another process' : answer);
    };
    socket.setTimeout(1000, finish);
    socket.on('data', (chunk) => (answer += chunk.toString()));
    socket.on('end', finish);
    socket.on('error', finish);
  });
}
