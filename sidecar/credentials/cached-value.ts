// One value of a credential (its secret, or the token that is minted from it) in memory: read by one reader at a time,
// ahead of its end, and never more than once a second.
//
//   read ok            → served until its life ends
//   … at 75 to 90 %    → read again, in the background
//   under a lease      → at two thirds the lease is renewed; where it cannot be, another value takes its place
//   read failed        → the old value is served while it lives, then the failure is; the next read comes after
//                        1 s, 3 s, 9 s … 30 s, or after 1 s, 3 s, 3 s … when a request needs it (P-20, P-21)
//   refused upstream   → read again at once, but at longer and longer intervals while that does not help

import { setTimeout as sleep } from 'node:timers/promises';
import { asSidecarError, SidecarError } from '../errors.ts';
import { isSameMaterial, type Material } from './material.ts';
import type { Lease } from './provider.ts';

export interface FreshValue {
  readonly material: Material;
  /** From when it was asked for. */
  readonly lifetimeMs: number;
  readonly lease: Lease | null;
}

export interface CachedValue {
  /** @throws SidecarError */
  get(): Promise<Material>;
  /**
   * For a value that was refused: another one, if there is one by now, or the same.
   * @throws SidecarError why it cannot be told whether there is another
   */
  replace(refused: Material): Promise<Material>;
  /** Something says that a reading would now give something else. */
  refresh(): void;
  state(): ValueState;
  /** Forgets the value and gives up its lease; who still waits for it is refused. */
  drop(): Promise<void>;
}

export interface ValueState {
  readonly isHeld: boolean;
  readonly failure: SidecarError | null;
  /** RFC 3339; when the value last became another one. */
  readonly rotatedAt: string | null;
}

export interface CachedValueOptions {
  /** Until the first read ahead of any request, so that status can tell of a mistake early; null: on demand. */
  readonly prefetchAfterMs: number | null;
  /** Reads and checks the value. */
  readonly read: () => Promise<FreshValue>;
  readonly onChange: () => void;
  /** Monotonic. */
  readonly now: () => number;
}

interface Held {
  readonly material: Material;
  readonly lease: Lease | null;
  readonly lifetimeMs: number;
  endsAtMs: number;
}

const refreshFrom = 0.75;
const refreshSpread = 0.15;
/** P-21, and as Vault's own agent does. */
const renewFrom = 2 / 3;
const renewSpread = 0.1;
const minReadGapMs = 1000;
const maxRetryDelayMs = 30_000;
/** Vault gives leases of months, and setTimeout takes what is beyond 24.8 days for a millisecond. */
const maxDelayMs = 86_400_000;
/** What fails is up to three calls (the AWS SDK's attempts; Vault's two, and its health when it is sealed). */
const retryGrowth = 3;
const maxFailureLifeMs = 3000;
/** A value that was good for so long is refused because it was rotated, not because each one is. */
const provenMs = 5000;
/** Requests with a value that was replaced meanwhile may still be under way. */
const retiredLeaseMs = 60_000;

export function createCachedValue(options: CachedValueOptions): CachedValue {
  const { read, onChange, now } = options;
  // Kept beyond its end, to tell a rotation; served only before.
  let held: Held | null = null;
  let failure: SidecarError | null = null;
  let failuresInRow = 0;
  let readStartedAtMs = -Infinity;
  let readEndedAtMs = -Infinity;
  let reading: Promise<void> | null = null;
  let rotatedAt: string | null = null;
  /** When the value became what it is, and when that was first refused upstream. */
  let changedAtMs = -Infinity;
  let refusedAtMs: number | null = null;
  let replacedAtMs = -Infinity;
  let replacements = 0;
  let isDropped = false;
  let timer: NodeJS.Timeout | undefined;
  const retired = new Map<Lease, NodeJS.Timeout>();
  if (options.prefetchAfterMs !== null) schedule(options.prefetchAfterMs, load);

  function schedule(delayMs: number, next: () => Promise<void>): void {
    clearTimeout(timer);
    timer = setTimeout(() => void next(), Math.min(delayMs, maxDelayMs)).unref();
  }

  /** Never rejects: what came of it is in `held` and `failure`. */
  function load(): Promise<void> {
    if (isDropped) return Promise.resolve();
    reading ??= attempt(readOnce);
    return reading;
  }

  function renew(): Promise<void> {
    if (isDropped) return Promise.resolve();
    reading ??= attempt(renewOnce);
    return reading;
  }

  async function attempt(step: (startedAtMs: number) => Promise<void>): Promise<void> {
    readStartedAtMs = now();
    try {
      await step(readStartedAtMs);
    } catch (error) {
      if (!isDropped) fail(asSidecarError(error));
    }
    readEndedAtMs = now();
    reading = null;
  }

  async function readAfter(delayMs: number): Promise<void> {
    await sleep(delayMs);
    // Dropped meanwhile: the session with its source was given up, and is not to be opened again (P-11).
    if (!isDropped) await attempt(readOnce);
  }

  async function readOnce(startedAtMs: number): Promise<void> {
    const fresh = await read();
    if (isDropped) void fresh.lease?.revoke();
    else accept(fresh, startedAtMs);
  }

  async function renewOnce(startedAtMs: number): Promise<void> {
    const renewing = live();
    const lifetimeMs = (await renewing?.lease?.renew()) ?? null;
    if (isDropped) return;
    if (renewing === null || lifetimeMs === null) {
      await readOnce(startedAtMs);
      return;
    }
    renewing.endsAtMs = startedAtMs + lifetimeMs;
    succeed();
    schedule(lifetimeMs * (renewFrom - renewSpread * Math.random()), renew);
  }

  function accept({ material, lifetimeMs, lease }: FreshValue, startedAtMs: number): void {
    const previous = held;
    const hasRotated = previous !== null && !isSameMaterial(previous.material, material);
    if (previous?.lease) retire(previous.lease);
    if (hasRotated) rotatedAt = new Date().toISOString();
    if (hasRotated || previous === null) [changedAtMs, refusedAtMs] = [now(), null];
    held = { material, lease, lifetimeMs, endsAtMs: startedAtMs + lifetimeMs };
    succeed(hasRotated || previous === null);
    if (lease === null) schedule(lifetimeMs * (refreshFrom + refreshSpread * Math.random()), load);
    else schedule(lifetimeMs * (renewFrom - renewSpread * Math.random()), renew);
  }

  function succeed(isNews = false): void {
    const hadFailed = failure !== null;
    failure = null;
    failuresInRow = 0;
    if (isNews || hadFailed) onChange();
  }

  function fail(error: SidecarError): void {
    const isNews = failure?.message !== error.message;
    failure = error;
    const delayMs = Math.min(maxRetryDelayMs, minReadGapMs * retryGrowth ** failuresInRow);
    failuresInRow += 1;
    schedule(delayMs * (1 + Math.random() / 4), live()?.lease ? renew : load);
    if (isNews) onChange();
  }

  /** P-20: requests that need a value do not ask a failing source more often than it bears. */
  function isFailureFresh(): boolean {
    const lifeMs = Math.min(maxFailureLifeMs, minReadGapMs * retryGrowth ** (failuresInRow - 1));
    return failure !== null && now() - readEndedAtMs < lifeMs;
  }

  function retire(lease: Lease): void {
    const end = (): void => {
      retired.delete(lease);
      void lease.revoke();
    };
    retired.set(lease, setTimeout(end, retiredLeaseMs).unref());
  }

  function live(): Held | null {
    return held !== null && now() < held.endsAtMs ? held : null;
  }

  async function loaded(): Promise<Material> {
    if (reading !== null || !isFailureFresh()) await load();
    if (isDropped) throw new SidecarError('CREDENTIAL_UNBOUND');
    const value = live();
    if (value === null) throw failure ?? new SidecarError('SIDECAR_FAILED');
    return value.material;
  }

  async function otherThan(refused: Material): Promise<Material> {
    const material = await loaded();
    return isSameMaterial(material, refused) ? orFailure(material) : material;
  }

  /** What is refused, while nobody can tell whether there is another by now, is as good as none. */
  function orFailure(refused: Material): Material {
    if (failure !== null) throw failure;
    return refused;
  }

  /** How long to leave the source alone, after so many replacements of which none helped for long. */
  function replaceGapMs(): number {
    return Math.min(maxRetryDelayMs, minReadGapMs * 2 ** replacements);
  }

  return {
    async get() {
      return live()?.material ?? loaded();
    },
    async replace(refused) {
      const value = live();
      if (value !== null && !isSameMaterial(value.material, refused)) return value.material;
      if (reading !== null) return otherThan(refused);
      if (refusedAtMs === null) {
        refusedAtMs = now();
        if (refusedAtMs - changedAtMs > provenMs) replacements = 0;
      }
      if (value !== null && now() - replacedAtMs < replaceGapMs()) return orFailure(value.material);
      replacedAtMs = now();
      replacements += 1;
      // What was read less than a second ago may have been read just before it changed.
      reading = readAfter(Math.max(0, readStartedAtMs + minReadGapMs - now()));
      return otherThan(refused);
    },
    refresh() {
      schedule(Math.max(0, readStartedAtMs + minReadGapMs - now()), load);
    },
    state: () => ({ isHeld: live() !== null, failure, rotatedAt }),
    async drop() {
      isDropped = true;
      clearTimeout(timer);
      const leases = [...retired.keys(), ...(held?.lease ? [held.lease] : [])];
      for (const pending of retired.values()) clearTimeout(pending);
      retired.clear();
      held = null;
      await Promise.all(leases.map((lease) => lease.revoke()));
    },
  };
}
