// The leader keeps what all pods of a policy share. Storage counts ahead of every grant: a chunk per counter, good for
// some seconds, so that etcd sees a write every few seconds and not one per grant. A new leader takes what was stored
// ahead for spent, until the last moment at which the old one can have granted from it; so not even two replicas that
// both believe they lead can grant too much.

import { randomBytes } from 'node:crypto';
import type { FastifyBaseLogger } from 'fastify';
import type { LimitAnswer } from '../../policy/limits-contract.ts';
import {
  bookNotStored,
  bookStored,
  createBook,
  readBook,
  renderBook,
  sweepBook,
} from '../../policy/limits/book.ts';
import { codeOf, OperatorError } from '../errors.ts';
import { answerAsks, countedLifetimeMs, createShares, type KnownAsk, type Shares } from './shares.ts';
import type { LimitStore, StoredLimits } from './store.ts';

export interface LimitsLeader {
  /** @throws {OperatorError} NOT_LEADER, OVERLOADED or KUBE_*. */
  answer(agent: LimitsAgent, asks: readonly KnownAsk[]): Promise<readonly LimitAnswer[]>;
  /** At the begin of each term. */
  begin(term: AbortSignal): void;
  /** While this replica still leads, for the last time: stores what was granted, without any chunk. Never rejects. */
  close(): Promise<void>;
}

export interface LimitsAgent {
  readonly uid: string;
  readonly namespace: string;
}

export interface LimitsLeaderDeps {
  readonly store: LimitStore;
  readonly leads: () => boolean;
  /** Monotonic. */
  readonly now: () => number;
  readonly log: FastifyBaseLogger;
}

interface Keeper {
  readonly namespace: string;
  /** Null before it is read, and after a write whose outcome is not known. */
  shares: Shares | null;
  previous: StoredLimits | null;
  /** Until when grants may be made from what the last write counted ahead. */
  coverUntilMs: number;
  writtenAtMs: number;
  /** Whether what is stored counts anything. */
  isStored: boolean;
  busy: Promise<void> | null;
}

/** Longer than `writeEveryMs`, so that a busy namespace is written twice in this time at most. */
export const coverMs = 10_000;
const writeEveryMs = 5000;
/** Of a limit that nobody has used yet. */
const firstChunk = 1 / 16;
const idleMs = 30_000;
const tickMs = 5000;
/** A sidecar waits 4 s. */
const answerMs = 3000;
/** Ages are stored, so what a new leader reads is as old as when it was written; this bounds the difference. */
const touchMs = { least: 60_000, most: 3_600_000 };
/** Coarser than in memory: 512 counters then fit into half a MiB. */
const storedBuckets = 16;

export function createLimitsLeader({ store, leads, now, log }: LimitsLeaderDeps): LimitsLeader {
  const keepers = new Map<string, Keeper>();
  let closed = false;

  function keeperOf(namespace: string): Keeper {
    let keeper = keepers.get(namespace);
    if (keeper === undefined) {
      const rest = { coverUntilMs: -Infinity, writtenAtMs: now(), isStored: false, busy: null };
      keeper = { namespace, shares: null, previous: null, ...rest };
      keepers.set(namespace, keeper);
    }
    return keeper;
  }

  /** @param readAtMs a time at which it had been written already. */
  function adopt(keeper: Keeper, stored: StoredLimits | null, readAtMs: number): void {
    const spentUntilMs = (windowMs: number): number => readAtMs + coverMs + countedLifetimeMs(windowMs);
    const text = stored?.text ?? null;
    let book = text === null ? createBook() : readBook(text, { writtenAtMs: readAtMs, spentUntilMs });
    if (book === null) {
      log.error(
        { namespace: keeper.namespace },
        'what limits counted cannot be read; they are full for a window',
      );
      book = createBook(spentUntilMs(Infinity));
    }
    keeper.shares = createShares(book);
    keeper.previous = stored;
    keeper.coverUntilMs = -Infinity;
    keeper.isStored = book.counters.size > 0;
  }

  async function write(keeper: Keeper, { book, accounts }: Shares): Promise<void> {
    const atMs = now();
    const isInUse = (key: string): boolean => atMs - (accounts.get(key)?.usedAtMs ?? -Infinity) < idleMs;
    sweepBook(book, atMs, isInUse);
    for (const key of accounts.keys()) if (!book.counters.has(key)) accounts.delete(key);
    const factor = atMs - keeper.writtenAtMs < writeEveryMs ? 4 : 2;
    const text = renderBook(
      book,
      (key, counter) => {
        const account = accounts.get(key);
        if (account === undefined || closed || !isInUse(key)) return 0;
        const { max, wanted } = account;
        account.wanted = 0;
        // Not only what there is room for now: room comes back all the time.
        return Math.max(
          wanted,
          Math.min(max, Math.max(counter.recent * factor, Math.ceil(max * firstChunk))),
        );
      },
      atMs,
      storedBuckets,
    );
    try {
      keeper.previous = await store.write(keeper.namespace, text, keeper.previous);
      bookStored(book);
      keeper.coverUntilMs = atMs + coverMs;
      keeper.writtenAtMs = atMs;
      keeper.isStored = book.counters.size > 0;
    } catch (error) {
      bookNotStored(book);
      const code = codeOf(error);
      // Removed by hand: the counters live on here, and are stored anew.
      if (code === 'KUBE_NOT_FOUND') keeper.previous = null;
      // Else what is stored covers all that was ever granted, and what is in memory may not be what is stored.
      else keeper.shares = null;
      if (code !== 'KUBE_CONFLICT' && code !== 'KUBE_NOT_FOUND') throw error;
    }
  }

  async function readOrWrite(keeper: Keeper): Promise<void> {
    if (keeper.shares !== null) return write(keeper, keeper.shares);
    const stored = await store.read(keeper.namespace);
    adopt(keeper, stored, now());
  }

  function work(keeper: Keeper): Promise<void> {
    keeper.busy ??= readOrWrite(keeper).finally(() => {
      keeper.busy = null;
    });
    return keeper.busy;
  }

  async function answer(
    { uid, namespace }: LimitsAgent,
    asks: readonly KnownAsk[],
  ): Promise<readonly LimitAnswer[]> {
    const endsAtMs = now() + answerMs;
    for (;;) {
      if (closed) throw new OperatorError('SHUTTING_DOWN');
      if (!leads()) throw new OperatorError('NOT_LEADER');
      if (now() > endsAtMs) throw new OperatorError('OVERLOADED');
      const keeper = keeperOf(namespace);
      if (keeper.busy === null && keeper.shares !== null) {
        const nowMs = now();
        const isCoverValid = nowMs < keeper.coverUntilMs;
        const createId = (): string => randomBytes(9).toString('base64url');
        const answers = answerAsks(keeper.shares, { uid, asks, nowMs, isCoverValid, createId });
        if (answers !== null) return answers;
      }
      await work(keeper);
    }
  }

  /** Drops chunks that nobody uses, forgets what has expired, and keeps ages from growing old. */
  function tend(keeper: Keeper): void {
    const { shares, namespace } = keeper;
    if (keeper.busy !== null || shares === null) return;
    const nowMs = now();
    const isInUse = [...shares.accounts.values()].some(({ usedAtMs }) => nowMs - usedAtMs < idleMs);
    if (!isInUse) sweepBook(shares.book, nowMs);
    const counters = [...shares.book.counters.values()];
    if (counters.length === 0 && !keeper.isStored && shares.book.lostAtMs === null) {
      keepers.delete(namespace);
      return;
    }
    const shortestMs = Math.min(...counters.map(({ window }) => window.windowMs));
    const dueMs = Math.min(touchMs.most, Math.max(touchMs.least, shortestMs / 16));
    const isAhead = !isInUse && counters.some(({ covered }) => covered > 0);
    const isEmptied = counters.length === 0 && keeper.isStored;
    if (!isAhead && !isEmptied && nowMs - keeper.writtenAtMs < dueMs) return;
    work(keeper).catch((error: unknown) => log.warn({ err: error, namespace }, 'limits could not be stored'));
  }

  async function storeLast(keeper: Keeper): Promise<void> {
    try {
      await keeper.busy;
      if (leads() && keeper.shares !== null) await work(keeper);
    } catch (error) {
      log.warn(
        { err: error, namespace: keeper.namespace },
        'limits could not be stored; their chunks count as spent',
      );
    }
  }

  async function load(term: AbortSignal): Promise<void> {
    try {
      const all = await store.list();
      const readAtMs = now();
      for (const stored of all) {
        if (term.aborted || keepers.has(stored.namespace)) continue;
        adopt(keeperOf(stored.namespace), stored, readAtMs);
      }
    } catch (error) {
      log.warn(
        { err: error },
        'what limits counted could not be listed; each namespace is read when it is asked for',
      );
    }
  }

  return {
    answer,
    async close() {
      closed = true;
      const ahead = [...keepers.values()].filter(({ coverUntilMs }) => coverUntilMs > now());
      await Promise.all(ahead.map((keeper) => storeLast(keeper)));
    },
    begin(term) {
      // What this replica knew may be older than what others have granted since.
      keepers.clear();
      void load(term);
      const ticker = setInterval(() => {
        for (const keeper of keepers.values()) tend(keeper);
      }, tickMs);
      term.addEventListener('abort', () => {
        clearInterval(ticker);
        keepers.clear();
      });
    },
  };
}
