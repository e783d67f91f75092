// The counters that are stored together: of one pod in a file, of one namespace in a ConfigMap.

import {
  createCounter,
  notStored,
  restoreCounter,
  snapshot,
  stored,
  type Counter,
  type StoredCounter,
} from './counter.ts';
import { fullAmount, place, used } from './window.ts';

export interface Book {
  readonly counters: Map<string, Counter>;
  /** Since when nothing is known of before, because what was stored could not be read; null: all is known. */
  lostAtMs: number | null;
}

interface StoredBook {
  readonly format: 1;
  readonly lostAgeMs: number | null;
  readonly counters: Readonly<Record<string, StoredCounter>>;
}

/** 400 characters of name and 64 buckets of about 20 are below 900 KiB, and so below what an object of etcd may be. */
export const maxCounters = 512;

/** As long as a limit's `per` can be. */
const longestWindowMs = 744 * 3_600_000;

/** @param lostAtMs for what could not be read: every counter is full for one window from then. */
export function createBook(lostAtMs: number | null = null): Book {
  return { counters: new Map(), lostAtMs };
}

/** Creates it if need be; null when there are as many as there may be. */
export function counterIn(book: Book, key: string, windowMs: number, nowMs: number): Counter | null {
  let counter = book.counters.get(key);
  if (counter === undefined) {
    if (book.counters.size >= maxCounters) sweepBook(book, nowMs);
    if (book.counters.size >= maxCounters) return null;
    counter = createCounter(windowMs);
    if (book.lostAtMs !== null) place(counter.window, fullAmount, book.lostAtMs);
    book.counters.set(key, counter);
  }
  counter.window.windowMs = windowMs;
  return counter;
}

/** Forgets counters on which nothing counts any more, but for those that are wanted. */
export function sweepBook(book: Book, nowMs: number, isWanted: (key: string) => boolean = () => false): void {
  for (const [key, counter] of book.counters) {
    const isIdle = counter.pending === 0 && counter.nextCovered === null;
    if (isIdle && used(counter.window, nowMs) === 0 && !isWanted(key)) book.counters.delete(key);
  }
  if (book.lostAtMs !== null && nowMs - book.lostAtMs > longestWindowMs) book.lostAtMs = null;
}

/**
 * What to store; `bookStored` or `bookNotStored` must follow.
 * @param aheadOf how much of a counter to store ahead of its being spent.
 */
export function renderBook(
  book: Book,
  aheadOf: (key: string, counter: Counter) => number,
  nowMs: number,
  buckets?: number,
): string {
  const counters = [...book.counters].map(
    ([key, counter]) => [key, snapshot(counter, aheadOf(key, counter), nowMs, buckets)] as const,
  );
  const lostAgeMs = book.lostAtMs === null ? null : Math.floor(nowMs - book.lostAtMs);
  const content: StoredBook = { format: 1, lostAgeMs, counters: Object.fromEntries(counters) };
  return JSON.stringify(content);
}

export function bookStored(book: Book): void {
  for (const counter of book.counters.values()) stored(counter);
}

export function bookNotStored(book: Book): void {
  for (const counter of book.counters.values()) notStored(counter);
}

export interface BookReading {
  /** The latest time, on this process's clock, at which the text can not yet have been written. */
  readonly writtenAtMs: number;
  /** The latest time at which anything stored ahead for a counter of this length can have been spent. */
  readonly spentUntilMs: (windowMs: number) => number;
}

/** Null when it cannot be read. */
export function readBook(text: string, { writtenAtMs, spentUntilMs }: BookReading): Book | null {
  const value = parseJson(text);
  if (value?.format !== 1 || typeof value.counters !== 'object' || value.counters === null) return null;
  const { lostAgeMs } = value;
  if (lostAgeMs !== null && !(Number.isSafeInteger(lostAgeMs) && (lostAgeMs as number) >= 0)) return null;
  const book = createBook(lostAgeMs === null ? null : writtenAtMs - (lostAgeMs as number));
  for (const [key, entry] of Object.entries<unknown>(value.counters as Record<string, unknown>)) {
    const { windowMs } = (entry ?? {}) as { readonly windowMs?: unknown };
    if (typeof windowMs !== 'number' || book.counters.size >= maxCounters) return null;
    const counter = restoreCounter(entry, writtenAtMs, spentUntilMs(windowMs));
    if (counter === null) return null;
    book.counters.set(key, counter);
  }
  return book;
}

function parseJson(text: string): Readonly<Record<string, unknown>> | null {
  try {
    const value: unknown = JSON.parse(text);
    return typeof value === 'object' && value !== null && !Array.isArray(value)
      ? (value as Readonly<Record<string, unknown>>)
      : null;
  } catch {
    return null;
  }
}
