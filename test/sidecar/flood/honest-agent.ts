// An agent that behaves: one request at a time on a connection that it keeps, and now and then one on a new connection.

import type { TLSSocket } from 'node:tls';
import { setTimeout as sleep } from 'node:timers/promises';
import { openTls, place, read, type Target } from './connection.ts';

export interface Honesty {
  readonly latenciesMs: readonly number[];
  /** Of requests on connections of their own, their handshake included. */
  readonly freshMs: readonly number[];
  /** What went wrong on the kept connection, its end included. */
  readonly failures: readonly string[];
  readonly freshFailures: readonly string[];
}

export interface HonestAgent {
  stop(): Promise<Honesty>;
}

export interface HonestOptions {
  readonly path: string;
  readonly expected: string;
  readonly everyMs?: number;
  readonly freshEveryMs?: number;
  readonly headers?: string;
}

const answerTimeoutMs = 10_000;

export async function startHonestAgent(target: Target, options: HonestOptions): Promise<HonestAgent> {
  const { path, expected, everyMs = 20, freshEveryMs = 500, headers = '' } = options;
  const request = `GET ${path} HTTP/1.1\r\nHost: ${place(target)}\r\n${headers}\r\n`;
  const first = await openTls(target);
  if (first === null) throw new Error('an honest agent has no connection');
  const kept = first;
  const latenciesMs: number[] = [];
  const freshMs: number[] = [];
  const failures: string[] = [];
  const freshFailures: string[] = [];
  const over = new AbortController();

  async function ask(socket: TLSSocket): Promise<string | null> {
    socket.write(request);
    const late = new AbortController();
    const answer = await Promise.race([
      read(socket, expected),
      sleep(answerTimeoutMs, `late after ${answerTimeoutMs} ms`, { signal: late.signal }).catch(() => null),
    ]);
    late.abort();
    if (answer === null) return 'closed';
    return answer.startsWith('HTTP/1.1 200 ') ? null : (answer.split('\r\n')[0] ?? '');
  }

  async function keep(): Promise<void> {
    while (!over.signal.aborted) {
      const startedMs = performance.now();
      const failure = await ask(kept);
      if (failure !== null) {
        failures.push(failure);
        return;
      }
      latenciesMs.push(performance.now() - startedMs);
      await sleep(everyMs);
    }
  }

  async function refresh(): Promise<void> {
    while (!over.signal.aborted) {
      const startedMs = performance.now();
      const socket = await openTls(target);
      const failure = socket === null ? 'refused' : await ask(socket);
      if (failure !== null) freshFailures.push(failure);
      else freshMs.push(performance.now() - startedMs);
      socket?.destroy();
      await sleep(freshEveryMs);
    }
  }

  const running = Promise.all([keep(), refresh()]);
  return {
    stop: async () => {
      over.abort();
      await running;
      kept.destroy();
      return { latenciesMs, freshMs, failures, freshFailures };
    },
  };
}
