// Counters of this pod alone. They are stored ahead in chunks: a request is written down before it is sent, and yet only
// one in many waits for the disk. After a crash the rest of a chunk counts as spent.

import type { LimitRefusal } from '../../policy/limits/apply.ts';
import {
  bookNotStored,
  bookStored,
  counterIn,
  createBook,
  renderBook,
  sweepBook,
} from '../../policy/limits/book.ts';
import { counterKey, type Charge } from '../../policy/limits/charge.ts';
import {
  drop,
  hasRoom,
  isCovered,
  refund,
  retryAfterMs,
  spend,
  take,
  type Counter,
} from '../../policy/limits/counter.ts';
import { asSidecarError, type SidecarError } from '../errors.ts';
import type { Budget, Claim } from './budget.ts';
import type { KeptCounters } from './kept-counters.ts';

export interface PodBudgetOptions {
  /** Null: nothing is kept, for local mode. */
  readonly kept: KeptCounters | null;
  /** Monotonic, and the same clock as that of `kept`. */
  readonly now: () => number;
  readonly onFailure: (error: SidecarError) => void;
}

/** Besides its counter, what says how large its next chunk is. */
interface Account {
  readonly counter: Counter;
  max: number;
  /** The last chunk. */
  chunk: number;
  /** What requests wait for. */
  waiting: number;
  takenAtMs: number;
}

interface PodClaim extends Claim {
  readonly account: Account;
  /** Of its bucket, once it was sent. */
  endMs: number;
}

/** A chunk lasts for about this long, if the pod goes on as it does. */
const saveEveryMs = 1000;
/** After this the rest of a chunk is taken back, so that a restart finds what was really spent. */
const idleMs = 30_000;
/** Of a limit that nobody has used yet. */
const firstChunk = 1 / 16;
const retryMs = 1000;

export function createPodBudget({ kept, now, onFailure }: PodBudgetOptions): Budget {
  const book = kept?.load() ?? createBook();
  const accounts = new Map<string, Account>();
  let saving: Promise<void> | null = null;
  let savedAtMs = -Infinity;
  let failedAtMs = -Infinity;
  let idleCheck: NodeJS.Timeout | undefined;

  function accountOf(charge: Charge): Account | null {
    const key = counterKey(charge);
    const counter = counterIn(book, key, charge.windowMs, now());
    if (counter === null) return null;
    if (kept === null) counter.covered = Infinity;
    let account = accounts.get(key);
    if (account?.counter !== counter) {
      account = { counter, max: charge.max, chunk: 0, waiting: 0, takenAtMs: -Infinity };
      accounts.set(key, account);
    }
    account.max = charge.max;
    return account;
  }

  function aheadOf(key: string, counter: Counter, sinceSavedMs: number): number {
    const account = accounts.get(key);
    if (account === undefined || !isInUse(account)) return 0;
    const faster = sinceSavedMs < saveEveryMs ? 4 : 2;
    const wanted = Math.max(account.waiting, counter.recent * faster, Math.ceil(account.max * firstChunk));
    // Not only what there is room for now: room comes back all the time, and that must not cost a write each time.
    account.chunk = Math.min(wanted, account.max);
    return account.chunk;
  }

  function isInUse(account: Account | undefined): boolean {
    return account !== undefined && now() - account.takenAtMs < idleMs;
  }

  async function save(store: KeptCounters, isLast: boolean): Promise<void> {
    const atMs = now();
    sweepBook(book, atMs, (key) => isInUse(accounts.get(key)));
    for (const key of accounts.keys()) if (!book.counters.has(key)) accounts.delete(key);
    const sinceSavedMs = atMs - savedAtMs;
    const text = renderBook(book, (key, counter) => (isLast ? 0 : aheadOf(key, counter, sinceSavedMs)), atMs);
    savedAtMs = atMs;
    try {
      await store.save(text, atMs);
      bookStored(book);
    } catch (error) {
      bookNotStored(book);
      failedAtMs = now();
      onFailure(asSidecarError(error));
    }
  }

  /** One at a time; whoever comes during one waits for the next. */
  function saveOnce(isLast = false): Promise<void> {
    if (kept === null) return Promise.resolve();
    saving ??= save(kept, isLast).finally(() => {
      saving = null;
      clearTimeout(idleCheck);
      idleCheck = isLast ? undefined : setTimeout(dropIdleChunks, idleMs * 1.1).unref();
    });
    return saving;
  }

  function dropIdleChunks(): void {
    const isAhead = [...accounts.values()].some(({ counter }) => counter.covered > counter.pending);
    if (isAhead) void saveOnce();
  }

  function look(charge: Charge): 'ready' | 'wait' | LimitRefusal {
    const account = accountOf(charge);
    if (account === null) return { kind: 'unavailable', charge, retryAfterMs: null };
    const { counter } = account;
    if (!hasRoom(counter, charge.amount, charge.max, now())) {
      // Where time alone does not help, a request that is under way may.
      const afterMs = retryAfterMs(counter, charge.amount, charge.max, now());
      return { kind: 'exceeded', charge, retryAfterMs: afterMs ?? (counter.pending > 0 ? retryMs : null) };
    }
    if (isCovered(counter, charge.amount)) return 'ready';
    if (now() - failedAtMs < retryMs) return { kind: 'unavailable', charge, retryAfterMs: retryMs };
    return 'wait';
  }

  return {
    look,
    async replenish(charge) {
      const account = accountOf(charge);
      if (account === null) return;
      account.waiting += charge.amount;
      account.takenAtMs = now();
      try {
        // The one under way does not know of this charge.
        await saving;
        if (look(charge) === 'wait') await saveOnce();
      } finally {
        account.waiting -= charge.amount;
      }
    },
    take(charge): PodClaim {
      const account = accountOf(charge);
      if (account === null) throw new Error('a charge was taken that had not been looked at');
      take(account.counter, charge.amount);
      account.takenAtMs = now();
      // Ahead of need: the next chunk is there before this one is spent.
      const half = Math.ceil(account.chunk / 2);
      if (saving === null && !isCovered(account.counter, half)) void saveOnce();
      return { charge, account, endMs: Infinity };
    },
    release: (claim) => drop((claim as PodClaim).account.counter, claim.charge.amount),
    isAlive: () => true,
    send(claim) {
      const { charge, account } = claim as PodClaim;
      drop(account.counter, charge.amount);
      (claim as PodClaim).endMs = spend(account.counter, charge.amount, now());
    },
    settle(claim, amount) {
      const { charge, account, endMs } = claim as PodClaim;
      if (amount <= charge.amount) return refund(account.counter, charge.amount - amount, endMs);
      spend(account.counter, amount - charge.amount, now());
      // It is known to this process alone until it is written down.
      void Promise.resolve(saving).then(() => saveOnce());
    },
    async close() {
      clearTimeout(idleCheck);
      await saving;
      if (accounts.size > 0) await saveOnce(true);
    },
  };
}
