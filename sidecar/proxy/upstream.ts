// Connections to upstreams, kept alive but never shared between two hosts, credentials or ruleset revisions.

import type { Socket } from 'node:net';
import type { buildConnector, Dispatcher } from 'undici';
import Pool from 'undici/lib/dispatcher/pool.js';
import { hostHeader } from './head.ts';
import type { Dial, Place } from './dialler.ts';

/** What a connection must have in common to be used again. */
export interface Route extends Place {
  readonly scheme: 'https' | 'http';
  readonly credential: string | null;
  readonly revision: string;
}

export interface UpstreamRequest {
  readonly method: string;
  /** Path and query as they go onto the wire. */
  readonly target: string;
  /** Name and value alternating. */
  readonly headers: string[];
  readonly body: Dispatcher.DispatchOptions['body'];
}

export interface Upstreams {
  /** Every outcome, synchronous ones too, goes to the handler. */
  dispatch(route: Route, request: UpstreamRequest, handler: Dispatcher.DispatchHandler): void;
  close(): Promise<void>;
}

/**
 * Before the first byte of an answer and between two: LLM APIs think that long without a word, and their SDKs
 * wait 10 minutes by default.
 */
const silenceTimeoutMs = 600_000;
/**
 * Node's and undici's own limit too. undici keeps a buffer for each name and value, so that a head of the shortest takes a
 * hundred times its length of the heap: at 64 KiB, a dozen of them ended the process.
 */
const maxHeaderBytes = 16 * 1024;
/** As many as agents can have connections to us, so that none waits for another's. */
const maxConnections = 512;
/** A grant of `**` can name any number of hosts; each idle pool costs some KiB. */
const maxPools = 256;
const idlePoolMs = 60_000;

interface KeptPool {
  readonly pool: Pool;
  usedAtMs: number;
}

export function createUpstreams(dial: Dial, silenceMs = silenceTimeoutMs): Upstreams {
  let revision = '';
  let pools = new Map<string, KeptPool>();
  const sweep = setInterval(closeIdle, idlePoolMs).unref();

  function poolFor(route: Route): Pool {
    if (route.revision !== revision) {
      for (const { pool } of pools.values()) retire(pool);
      pools = new Map();
      revision = route.revision;
    }
    const key = `${route.scheme} ${route.host} ${route.port} ${route.credential} ${route.destination?.names[0]}`;
    const usedAtMs = performance.now();
    const kept = pools.get(key);
    if (kept !== undefined) {
      kept.usedAtMs = usedAtMs;
      return kept.pool;
    }
    if (pools.size >= maxPools) closeLeastUsed();
    const pool = createPool(route);
    pools.set(key, { pool, usedAtMs });
    return pool;
  }

  function createPool(route: Route): Pool {
    // The origin is also what goes out as Host, always.
    return new Pool(`${route.scheme}://${hostHeader(route, route.scheme)}`, {
      connect: (_options, done) => void connect(route, done),
      allowH2: false,
      pipelining: 1,
      connections: maxConnections,
      maxHeaderSize: maxHeaderBytes,
      headersTimeout: silenceMs,
      bodyTimeout: silenceMs,
      strictContentLength: true,
    });
  }

  async function connect(route: Route, done: buildConnector.Callback): Promise<void> {
    let socket: Socket;
    try {
      socket = await dial(route);
    } catch (error) {
      done(error as Error, null);
      return;
    }
    // TLS 1.3 tells what it has against us after the handshake; undici would report a socket that was closed.
    if (socket.errored === null) done(null, socket);
    else done(socket.errored, null);
  }

  function closeIdle(): void {
    const before = performance.now() - idlePoolMs;
    for (const [key, { pool, usedAtMs }] of pools) {
      if (usedAtMs > before || pool.stats.size > 0) continue;
      pools.delete(key);
      retire(pool);
    }
  }

  function closeLeastUsed(): void {
    const [oldest] = [...pools].toSorted(([, a], [, b]) => a.usedAtMs - b.usedAtMs);
    if (oldest === undefined) return;
    pools.delete(oldest[0]);
    retire(oldest[1].pool);
  }

  return {
    dispatch: (route, { method, target, headers, body = null }, handler) => {
      poolFor(route).dispatch({ method, path: target, headers, body }, handler);
    },
    close: async () => {
      clearInterval(sweep);
      await Promise.all([...pools.values()].map(({ pool }) => pool.destroy()));
    },
  };
}

/** Ends when its last exchange has; nobody waits for it. */
function retire(pool: Pool): void {
  pool.close(() => {});
}
