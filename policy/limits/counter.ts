// One counter: what was spent in its window, what is promised to requests that have not gone yet, and how much of both
// stable storage already counts. Storage counts ahead, in chunks, so that nothing is written per request and yet nothing
// that was spent is forgotten by a crash: what was stored ahead and not spent then counts as spent.
//
// With A stored ahead at the last snapshot, P pending then and S spent since, `covered` is P + A - S. All that may be
// taken is what keeps pending + amount <= covered.

import {
  createWindow,
  expiryMs,
  isAmount,
  parseWindow,
  place,
  remove,
  serialiseWindow,
  used,
  type LimitWindow,
  type StoredWindow,
} from './window.ts';

export interface Counter {
  readonly window: LimitWindow;
  /** Reserved and not sent: counts without end until it is spent or dropped. */
  pending: number;
  covered: number;
  /** `covered` of a snapshot that is being stored; until that is known, both must hold. */
  nextCovered: number | null;
  /** Taken since the last snapshot: what the next chunk is sized by. */
  recent: number;
}

export interface StoredCounter extends StoredWindow {
  /** Pending, and the chunk: may have been spent at any time until the storage was read again. */
  readonly ahead: number;
}

/** @param covered Infinity for a counter that is not stored. */
export function createCounter(windowMs: number, covered = 0): Counter {
  return { window: createWindow(windowMs), pending: 0, covered, nextCovered: null, recent: 0 };
}

export function roomOf(counter: Counter, max: number, nowMs: number): number {
  return max - used(counter.window, nowMs) - counter.pending;
}

/** Nothing costs nothing, even where a limit was overdrawn or lowered. */
export function hasRoom(counter: Counter, amount: number, max: number, nowMs: number): boolean {
  return isAmount(amount) && (amount === 0 || amount <= roomOf(counter, max, nowMs));
}

/** How long until there is room; null when time alone will not make it. */
export function retryAfterMs(counter: Counter, amount: number, max: number, nowMs: number): number | null {
  if (!isAmount(amount) || amount > max) return null;
  return expiryMs(counter.window, amount - roomOf(counter, max, nowMs), nowMs);
}

export function isCovered(counter: Counter, amount: number): boolean {
  return counter.pending + amount <= Math.min(counter.covered, counter.nextCovered ?? Infinity);
}

/** Of what was found to have room and to be covered. */
export function take(counter: Counter, amount: number): void {
  counter.pending += amount;
  counter.recent += amount;
}

export function drop(counter: Counter, amount: number): void {
  counter.pending -= amount;
}

/** @returns the end of its bucket in the window. */
export function spend(counter: Counter, amount: number, atMs: number): number {
  counter.covered -= amount;
  if (counter.nextCovered !== null) counter.nextCovered -= amount;
  return place(counter.window, amount, atMs);
}

/** Of what was spent by `spend`, which returned `endMs`, and was not used after all. Storage keeps counting it. */
export function refund(counter: Counter, amount: number, endMs: number): void {
  remove(counter.window, amount, endMs);
}

/** What to store; in force once `stored` says so. */
export function snapshot(counter: Counter, ahead: number, nowMs: number, buckets?: number): StoredCounter {
  counter.nextCovered = counter.pending + ahead;
  counter.recent = 0;
  return { ...serialiseWindow(counter.window, nowMs, buckets), ahead: counter.nextCovered };
}

export function stored(counter: Counter): void {
  if (counter.nextCovered !== null) counter.covered = counter.nextCovered;
  counter.nextCovered = null;
}

/** Also when nobody knows whether it was: the old and the new both hold then. */
export function notStored(counter: Counter): void {
  counter.covered = Math.min(counter.covered, counter.nextCovered ?? Infinity);
  counter.nextCovered = null;
}

/**
 * Null when it cannot be read.
 * @param writtenAtMs as for `parseWindow`.
 * @param spentUntilMs the latest time at which any of `ahead` can have been spent.
 */
export function restoreCounter(value: unknown, writtenAtMs: number, spentUntilMs: number): Counter | null {
  const window = parseWindow(value, writtenAtMs);
  const { ahead } = (value ?? {}) as { readonly ahead?: unknown };
  if (window === null || !isAmount(ahead)) return null;
  place(window, ahead, spentUntilMs);
  return { window, pending: 0, covered: 0, nextCovered: null, recent: 0 };
}
