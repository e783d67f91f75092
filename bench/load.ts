// The load process: tunnels through one proxy, driven by orders from the bench. Run by `startLoad`, never by hand.

import type { LoadOrder, LoadReport, LoadResult } from './load-messages.ts';
import { quantile, rounded } from './statistics.ts';
import { openTunnel, type Tunnel, type TunnelOptions } from './tunnel.ts';

type Open = Extract<LoadOrder, { kind: 'open' }>;

interface Slot {
  tunnel: Tunnel | null;
  /** When its request was sent, or was due; 0 while it waits for none. */
  sinceMs: number;
}

const slots: Slot[] = [];
/** Of the round that is under way. */
let latenciesMs: number[] = [];
let refused: Record<string, number> = {};
let reopened = 0;
let settled: (slot: Slot) => void = () => {};

function report(message: LoadReport): void {
  process.send?.(message);
}

function fail(error: unknown): void {
  report({ kind: 'failed', message: (error as Error).message });
}

async function open(order: Open): Promise<void> {
  const options: Omit<TunnelOptions, 'onAnswer' | 'onEnd'> = {
    ...order,
    request: Buffer.from(order.request, 'latin1'),
  };
  const fill = async (slot: Slot): Promise<void> => {
    slot.tunnel = await openTunnel({
      ...options,
      onAnswer: (status) => {
        latenciesMs.push(performance.now() - slot.sinceMs);
        if (status !== 200) refused[status] = (refused[status] ?? 0) + 1;
        slot.sinceMs = 0;
        settled(slot);
      },
      onEnd: (reason) => {
        // An answer that is lost would be missing in the count, so it ends the run.
        if (slot.sinceMs !== 0) return fail(new Error(`a request was left unanswered: ${reason}`));
        reopened += 1;
        slot.tunnel = null;
        settled(slot);
        fill(slot).then(() => settled(slot), fail);
      },
    });
  };
  for (let opened = 0; opened < order.connections; opened++) {
    const slot: Slot = { tunnel: null, sinceMs: 0 };
    await fill(slot);
    slots.push(slot);
  }
  report({ kind: 'opened', tls: slots[0]?.tunnel?.tls ?? '' });
}

function send(slot: Slot, dueMs: number): void {
  slot.sinceMs = dueMs;
  slot.tunnel?.send();
}

/** Sends what `next` says is due on each tunnel that is free, until it says null and all is answered. */
function round(next: () => number | null, ticking: boolean): Promise<LoadResult> {
  latenciesMs = [];
  refused = {};
  reopened = 0;
  const startedMs = performance.now();
  const { promise, resolve } = Promise.withResolvers<LoadResult>();
  const idle = new Set<Slot>(slots);
  let over = false;
  const offer = (): void => {
    for (const slot of idle) {
      const dueMs = over ? null : next();
      if (dueMs === null) over = true;
      if (dueMs === null || Number.isNaN(dueMs)) break;
      idle.delete(slot);
      send(slot, dueMs);
    }
    if (over && idle.size === slots.length) end();
  };
  settled = (slot) => {
    if (slot.tunnel === null) idle.delete(slot);
    else idle.add(slot);
    offer();
  };
  // One millisecond, the finest that timers have: at 1,000 a second that is one request each.
  const ticker = ticking ? setInterval(offer, 1) : undefined;
  const end = (): void => {
    clearInterval(ticker);
    settled = () => {};
    resolve({
      completed: latenciesMs.length,
      lengthMs: performance.now() - startedMs,
      refused,
      reopened,
      p50Ms: rounded(quantile(latenciesMs, 0.5), 3),
      p99Ms: rounded(quantile(latenciesMs, 0.99), 3),
    });
  };
  offer();
  return promise;
}

function closedLoop(leastRequests: number, leastMs: number): Promise<LoadResult> {
  const startedMs = performance.now();
  let sent = 0;
  return round(() => {
    const nowMs = performance.now();
    if (sent >= leastRequests && nowMs - startedMs >= leastMs) return null;
    sent += 1;
    return nowMs;
  }, false);
}

function pacedLoop(perSecond: number, lengthMs: number): Promise<LoadResult> {
  const startedMs = performance.now();
  const total = Math.round((perSecond * lengthMs) / 1000);
  let sent = 0;
  return round(() => {
    if (sent === total) return null;
    const dueMs = startedMs + (sent * 1000) / perSecond;
    if (dueMs > performance.now()) return Number.NaN;
    sent += 1;
    return dueMs;
  }, true);
}

function follow(order: LoadOrder): Promise<void> {
  if (order.kind === 'open') return open(order);
  const result =
    order.kind === 'closed'
      ? closedLoop(order.leastRequests, order.leastMs)
      : pacedLoop(order.perSecond, order.lengthMs);
  return result.then((done) => report({ kind: 'done', result: done }));
}

process.on('message', (order: LoadOrder) => void follow(order).catch(fail));
process.on('disconnect', () => process.exit());
