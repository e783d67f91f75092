// What an agent may do to its own sidecar (threats D): each attack goes on until it is told to stop, and opens again what it
// is thrown out of.

import { randomBytes } from 'node:crypto';
import type { Socket } from 'node:net';
import { setTimeout as sleep } from 'node:timers/promises';
import { brotliCompressSync, deflateSync, gzipSync, zstdCompressSync } from 'node:zlib';
import { open, openConnect, openTls, place, type Target } from './connection.ts';

/** Resolves when `over` is aborted and all its connections are gone. */
export type Attack = (target: Target, over: AbortSignal) => Promise<void>;

/** More than the sidecar takes. */
const manyConnections = 600;

/** Workers that each live one life after another. */
async function crowd(size: number, over: AbortSignal, live: () => Promise<void>): Promise<void> {
  const worker = async (): Promise<void> => {
    while (!over.aborted) {
      await live();
      // Whoever is thrown out at once would otherwise starve the rest of this process.
      await sleep(5);
    }
  };
  await Promise.all(Array.from({ length: size }, worker));
}

/** Until the connection or the attack ends. */
function held(socket: Socket, over: AbortSignal, everyMs = 0, drip: () => void = () => {}): Promise<void> {
  return new Promise((resolve) => {
    const timer = everyMs === 0 ? undefined : setInterval(drip, everyMs);
    const finish = (): void => {
      clearInterval(timer);
      over.removeEventListener('abort', finish);
      socket.destroy();
      resolve();
    };
    if (over.aborted || socket.destroyed) finish();
    over.addEventListener('abort', finish);
    socket.once('close', finish);
  });
}

/** Each worker opens, writes `bytes`, reads whatever comes, and holds on until it is closed. */
function throwing(size: number, bytes: (target: Target) => Buffer | string): Attack {
  return (target, over) =>
    crowd(size, over, async () => {
      const socket = await open(target.proxyPort);
      if (socket === null) return;
      socket.resume().write(bytes(target));
      await Promise.race([held(socket, over), sleep(1000)]);
      socket.destroy();
    });
}

/** Whole requests, one after the other on kept connections, as fast as answers come. */
function asking(size: number, request: (target: Target) => Buffer): Attack {
  return async (target, over) => {
    const bytes = request(target);
    await crowd(size, over, async () => {
      const socket = await open(target.proxyPort);
      if (socket === null) return;
      socket.on('data', (chunk: Buffer) => {
        if (!over.aborted && chunk.includes('HTTP/1.1 ')) socket.write(bytes);
      });
      socket.write(bytes);
      await held(socket, over);
    });
  };
}

function get(target: Target, path: string, head = ''): string {
  return `GET https://${place(target)}${path} HTTP/1.1\r\nHost: ${place(target)}\r\n${head}\r\n`;
}

function post(target: Target, path: string, head: string, body: Buffer | string): Buffer {
  const bytes = Buffer.from(body);
  const line = `POST https://${place(target)}${path} HTTP/1.1\r\nHost: ${place(target)}\r\n`;
  return Buffer.concat([Buffer.from(`${line}${head}Content-Length: ${bytes.length}\r\n\r\n`), bytes]);
}

const json = 'Content-Type: application/json\r\n';
/** 100 MiB of zeros, in a JSON string. */
const inflated = (): string => `"${'0'.repeat(100 * 1024 * 1024)}"`;
const bomb = (coding: string, compress: (text: string) => Buffer): Attack => {
  let body: Buffer | null = null;
  return asking(8, (target) => {
    body ??= compress(inflated());
    return post(target, '/json', `${json}Content-Encoding: ${coding}\r\n`, body);
  });
};

/** Requests a large answer and reads none of it. */
const slowReader = (path: string, size: number): Attack => {
  return (target, over) =>
    crowd(size, over, async () => {
      const socket = await open(target.proxyPort);
      if (socket === null) return;
      socket.pause().write(get(target, path));
      await held(socket, over);
    });
};

export const attacks: Readonly<Record<string, Attack>> = {
  'idle connections': (target, over) =>
    crowd(manyConnections, over, async () => {
      const socket = await open(target.proxyPort);
      if (socket !== null) await held(socket, over);
    }),
  'idle connections that had an answer': (target, over) =>
    crowd(manyConnections, over, async () => {
      const socket = await open(target.proxyPort);
      if (socket === null) return;
      socket.resume().write(get(target, '/nothing'));
      await held(socket, over);
    }),
  'slow heads': (target, over) =>
    crowd(manyConnections, over, async () => {
      const socket = await open(target.proxyPort);
      if (socket === null) return;
      socket.resume().write(`GET https://${place(target)}/plain HTTP/1.1\r\n`);
      await held(socket, over, 200, () => socket.write('X-A: b\r\n'));
    }),
  'slow bodies': (target, over) =>
    crowd(400, over, async () => {
      const socket = await open(target.proxyPort);
      if (socket === null) return;
      const whole = post(target, '/json', json, `{"amount":"${'x'.repeat(200_000)}"}`);
      socket.resume().write(whole.subarray(0, 400));
      await held(socket, over, 200, () => socket.write('x'));
    }),
  'slow readers': slowReader('/endless', 60),
  'large heads': throwing(50, (target) => get(target, '/plain', `X-A: ${'a'.repeat(63 * 1024)}\r\n`)),
  'many headers': throwing(50, (target) => get(target, '/plain', 'A: b\r\n'.repeat(8000))),
  'endless heads': throwing(50, (target) => get(target, '/plain', 'A: b\r\n'.repeat(100_000))),
  'names to mint leaves for': (target, over) =>
    crowd(16, over, async () => {
      const name = `${randomBytes(8).toString('hex')}.example.test`;
      const socket = await openTls(target, name, `${name}:443`);
      socket?.destroy();
    }),
  handshakes: (target, over) =>
    crowd(16, over, async () => {
      const socket = await openTls(target);
      socket?.destroy();
    }),
  'handshakes that stop': (target, over) =>
    crowd(manyConnections, over, async () => {
      const socket = await openConnect(target);
      if (socket === null) return;
      socket.write(Buffer.from('160301010001000100', 'hex'));
      await held(socket, over);
    }),
  'a bomb of gzip': bomb('gzip', (text) => gzipSync(text)),
  'a bomb of deflate': bomb('deflate', (text) => deflateSync(text)),
  'a bomb of Brotli': bomb('br', (text) => brotliCompressSync(text)),
  'a bomb of Zstandard': bomb('zstd', (text) => zstdCompressSync(text)),
  'deep JSON': asking(8, (target) =>
    post(target, '/json', json, `${'['.repeat(500_000)}${']'.repeat(500_000)}`),
  ),
  'huge JSON': asking(8, (target) =>
    post(
      target,
      '/json',
      json,
      JSON.stringify({ amount: 1, list: Array.from({ length: 150_000 }, () => ({})) }),
    ),
  ),
  'JSON of many names': asking(8, (target) =>
    post(
      target,
      '/json',
      json,
      `{${Array.from({ length: 80_000 }, (_, index) => `"${index.toString(36)}":1`).join(',')}}`,
    ),
  ),
  'many query parameters': asking(16, (target) =>
    Buffer.from(
      get(target, `/query?${Array.from({ length: 1500 }, (_, i) => `${i.toString(36)}=1`).join('&')}`),
    ),
  ),
  'pipelined requests': throwing(50, (target) => get(target, '/plain').repeat(1000)),
  'small chunks with large extensions': throwing(30, (target) => {
    const head = `POST https://${place(target)}/json HTTP/1.1\r\nHost: ${place(target)}\r\n${json}`;
    return `${head}Transfer-Encoding: chunked\r\n\r\n${`1;${'e'.repeat(1000)}\r\nx\r\n`.repeat(2000)}`;
  }),
  // Few, since undici keeps 200 bytes of heap for each name and value until a head ends: docs/lifecycle.md.
  'endless headers of an upstream': slowReader('/endless-head', 8),
  'endless interim answers of an upstream': slowReader('/endless-interim', 100),
  'an endless body of an upstream, read slowly': (target, over) =>
    crowd(50, over, async () => {
      const socket = await open(target.proxyPort);
      if (socket === null) return;
      socket.pause().write(get(target, '/endless'));
      await held(socket, over, 100, () => socket.read(1024));
    }),
};
