// What was spent in a sliding window, in at most 64 buckets. A spend stands in the bucket that ends next after it and
// counts until the window's length after that end, so it expires late (by at most a 48th of the window) and never early.
//
// Times are milliseconds of one monotonic clock, whose origin means nothing: nothing here reads the wall clock, so
// setting that clock, forward or back, frees nothing. What is kept across processes are ages, not times.

export interface LimitWindow {
  /** Another length, when the policy changes, applies to what is counted already. */
  windowMs: number;
  /** The latest time seen; an earlier one is taken for this one. */
  latestMs: number;
  /** The latest end of a bucket that has expired. */
  expiredMs: number;
  /** By their ends; mutable, since this is on the request path. */
  readonly buckets: Bucket[];
}

interface Bucket {
  endMs: number;
  amount: number;
}

export interface StoredWindow {
  readonly windowMs: number;
  /** Milliseconds since each bucket's end, negative when that is still to come, and its amount. */
  readonly buckets: readonly (readonly [ageMs: number, amount: number])[];
}

const maxBuckets = 64;
/** A window's own buckets; the rest of the 64 is for ends to come, and for those of a former length. */
const bucketsPerWindow = 48;
/** How far ahead anything is ever counted: shares of the operator, which outlive a failover by less than this. */
export const maxAheadMs = 120_000;
/** More than any limit allows (`max` is at most 10^12), and still exact when it is added to. */
export const fullAmount = 2 ** 50;

/** How long a share of a limit may be spent; a window's length and this after its grant, it no longer counts. */
export function shareLifetimeMs(windowMs: number): number {
  return Math.min(30_000, Math.max(1000, Math.ceil(windowMs / 8)));
}

export function createWindow(windowMs: number): LimitWindow {
  return { windowMs, latestMs: -Infinity, expiredMs: -Infinity, buckets: [] };
}

/** What counts now. */
export function used(window: LimitWindow, nowMs: number): number {
  advance(window, nowMs);
  let sum = 0;
  for (const { amount } of window.buckets) sum += amount;
  return sum;
}

/**
 * Counts an amount that is spent at `atMs` or before.
 * @returns the end of its bucket, by which `remove` finds it again.
 */
export function place(window: LimitWindow, amount: number, atMs: number): number {
  const { buckets } = window;
  const widthMs = Math.max(1, Math.ceil(window.windowMs / bucketsPerWindow));
  const endMs = Math.ceil(Math.max(atMs, window.latestMs) / widthMs) * widthMs;
  let index = buckets.length;
  while (index > 0 && (buckets[index - 1]?.endMs ?? 0) >= endMs) index -= 1;
  const there = buckets[index];
  if (there?.endMs === endMs) there.amount += amount;
  else if (amount > 0) {
    buckets.splice(index, 0, { endMs, amount });
    if (buckets.length > maxBuckets) mergeClosest(buckets);
  }
  return endMs;
}

/**
 * Takes back what was placed and never spent. Its bucket may have been merged into a later one; the first bucket at or
 * after its end is never later than where it went, so that nothing else loses time by this. What is not there stays.
 */
export function remove(window: LimitWindow, amount: number, endMs: number): void {
  // It may have expired, and then what follows is not its own.
  if (endMs <= window.expiredMs) return;
  const index = window.buckets.findIndex((bucket) => bucket.endMs >= endMs);
  const bucket = window.buckets[index];
  if (bucket === undefined) return;
  bucket.amount -= Math.min(bucket.amount, amount);
  if (bucket.amount === 0) window.buckets.splice(index, 1);
}

/** How long until `amount` has expired of what counts; null when it never will. */
export function expiryMs(window: LimitWindow, amount: number, nowMs: number): number | null {
  advance(window, nowMs);
  let rest = amount;
  if (rest <= 0) return 0;
  for (const bucket of window.buckets) {
    rest -= bucket.amount;
    if (rest <= 0) return bucket.endMs + window.windowMs - window.latestMs;
  }
  return null;
}

/** @param atMost buckets; fewer are coarser, and so expire later. */
export function serialiseWindow(window: LimitWindow, nowMs: number, atMost = maxBuckets): StoredWindow {
  advance(window, nowMs);
  const buckets = window.buckets.map((bucket) => ({ ...bucket }));
  while (buckets.length > atMost) mergeClosest(buckets);
  return {
    windowMs: window.windowMs,
    buckets: buckets.map(({ endMs, amount }) => [Math.floor(window.latestMs - endMs), amount]),
  };
}

/**
 * Null when it cannot be read; then nobody knows what was spent, and the caller must take it for full.
 * @param writtenAtMs the latest time, on this process's clock, at which it can not yet have been written.
 */
export function parseWindow(value: unknown, writtenAtMs: number): LimitWindow | null {
  const { windowMs, buckets } = (value ?? {}) as Partial<Record<keyof StoredWindow, unknown>>;
  if (typeof windowMs !== 'number' || !(windowMs > 0) || windowMs > Number.MAX_SAFE_INTEGER) return null;
  if (!Array.isArray(buckets) || buckets.length > maxBuckets) return null;
  const window = createWindow(windowMs);
  for (const entry of buckets as unknown[]) {
    const [ageMs, amount, ...rest] = Array.isArray(entry) ? (entry as unknown[]) : [];
    if (rest.length > 0 || !isAmount(amount)) return null;
    if (!Number.isSafeInteger(ageMs) || (ageMs as number) < -2 * (windowMs + maxAheadMs)) return null;
    window.buckets.push({ endMs: writtenAtMs - (ageMs as number), amount });
  }
  window.buckets.sort((a, b) => a.endMs - b.endMs);
  return window;
}

export function isAmount(value: unknown): value is number {
  return Number.isSafeInteger(value) && (value as number) >= 0;
}

function advance(window: LimitWindow, nowMs: number): void {
  if (nowMs > window.latestMs) window.latestMs = nowMs;
  const { buckets, windowMs, latestMs } = window;
  let expired = 0;
  while (expired < buckets.length && (buckets[expired]?.endMs ?? 0) + windowMs <= latestMs) expired += 1;
  if (expired === 0) return;
  window.expiredMs = buckets[expired - 1]?.endMs ?? -Infinity;
  buckets.splice(0, expired);
}

/** Of the two that are closest to each other, the earlier one goes into the later one. */
function mergeClosest(buckets: Bucket[]): void {
  let closest = 1;
  let least = Infinity;
  for (let index = 1; index < buckets.length; index += 1) {
    const gap = (buckets[index]?.endMs ?? 0) - (buckets[index - 1]?.endMs ?? 0);
    if (gap < least) [least, closest] = [gap, index];
  }
  const [earlier] = buckets.splice(closest - 1, 1);
  const later = buckets[closest - 1];
  if (later !== undefined && earlier !== undefined) later.amount += earlier.amount;
}
