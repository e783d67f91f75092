// Limits that all pods of a policy share: this pod spends from shares that the operator leased to it, asks for more
// before they are used up, and gives back what it does not need. Nothing of it outlives the process: what a pod that
// crashed still held counts as spent.

import { controlPaths } from '../../policy/contract.ts';
import {
  maxLimitAsks,
  type LimitAnswer,
  type LimitsAnswer,
  type LimitsRequest,
} from '../../policy/limits-contract.ts';
import type { LimitRefusal } from '../../policy/limits/apply.ts';
import { counterKey, type Charge } from '../../policy/limits/charge.ts';
import { shareLifetimeMs } from '../../policy/limits/window.ts';
import { asSidecarError, SidecarError } from '../errors.ts';
import type { Budget, Claim } from './budget.ts';
import {
  canSpend,
  changeLimit,
  composeAsk,
  createPurse,
  demandOf,
  dueAtMs,
  forgetAsk,
  freeUnits,
  giveBack,
  reserve,
  settleClaim,
  spendUnits,
  takeAnswer,
  unreserve,
  type Asked,
  type Purse,
  type TokenClaim,
} from './purse.ts';

export interface PolicyBudgetOptions {
  /** Asks the operator. @throws SidecarError when it does not answer. */
  readonly post: (path: string, body: string) => Promise<string>;
  /** Monotonic. */
  readonly now: () => number;
  readonly onFailure: (error: SidecarError) => void;
}

interface Account {
  readonly name: Pick<Charge, 'policy' | 'rule' | 'limit'>;
  readonly purse: Purse;
  refusal: {
    readonly kind: LimitRefusal['kind'];
    readonly need: number;
    readonly afterMs: number | null;
  } | null;
  refusedAtMs: number;
  usedAtMs: number;
}

interface PolicyClaim extends Claim {
  readonly account: Account;
  tokens: TokenClaim | null;
}

/** An agent that tries again and again must not make the operator work; what others give back is seen so much later. */
const quietMs = 1000;
/** Purses that hold nothing and were not used for so long are forgotten. */
const idleMs = 10 * 60_000;

export function createPolicyBudget({ post, now, onFailure }: PolicyBudgetOptions): Budget {
  const accounts = new Map<string, Account>();
  let asking: Promise<void> | null = null;
  let failedAtMs = -Infinity;
  let alarm: NodeJS.Timeout | undefined;
  let closed = false;

  function accountOf(charge: Charge): Account {
    const key = counterKey(charge);
    let account = accounts.get(key);
    if (account === undefined) {
      const { policy, rule, limit, max, windowMs } = charge;
      const purse = createPurse(max, windowMs);
      const name = { policy, rule, limit };
      account = { name, purse, refusal: null, refusedAtMs: -Infinity, usedAtMs: now() };
      accounts.set(key, account);
    }
    if (account.purse.max !== charge.max || account.purse.windowMs !== charge.windowMs) {
      changeLimit(account.purse, charge.max, charge.windowMs);
      account.refusal = null;
    }
    account.usedAtMs = now();
    return account;
  }

  function periodOf({ purse }: Account): number {
    return shareLifetimeMs(purse.windowMs);
  }

  function refusalOf(account: Account, charge: Charge): LimitRefusal | null {
    const { refusal, purse, refusedAtMs } = account;
    if (now() - failedAtMs < quietMs) return { kind: 'unavailable', charge, retryAfterMs: quietMs };
    const sinceMs = now() - refusedAtMs;
    const lacks = charge.amount - Math.max(0, freeUnits(purse, now()));
    if (refusal === null || lacks < refusal.need || sinceMs >= quietMs) return null;
    const afterMs = refusal.afterMs === null ? null : Math.max(0, Math.ceil(refusal.afterMs - sinceMs));
    return { kind: refusal.kind, charge, retryAfterMs: afterMs };
  }

  function isRefused({ refusedAtMs }: Account): boolean {
    return now() - refusedAtMs < quietMs;
  }

  function needsAsking(account: Account): boolean {
    const { purse } = account;
    if (purse.isDirty || purse.waiting.size > 0 || dueAtMs(purse) <= now()) return true;
    const free = freeUnits(purse, now());
    return !isRefused(account) && free < demandOf(purse, now(), periodOf(account)) / 4;
  }

  async function ask(): Promise<void> {
    const chosen = [...accounts.values()].filter(needsAsking).slice(0, maxLimitAsks);
    if (chosen.length === 0) return;
    const asked = chosen.map((account) => composeAsk(account.purse, account.name, now(), periodOf(account)));
    try {
      const request: LimitsRequest = { asks: asked.map(({ ask }) => ask) };
      const answers = readAnswers(await post(controlPaths.limits, JSON.stringify(request)), asked);
      for (const [index, account] of chosen.entries()) take(account, asked[index], answers[index]);
    } catch (error) {
      failedAtMs = now();
      for (const [index, { purse }] of chosen.entries()) {
        const each = asked[index];
        if (each !== undefined) forgetAsk(purse, each);
      }
      onFailure(asSidecarError(error));
    }
  }

  function take(account: Account, asked: Asked | undefined, answer: LimitAnswer | undefined): void {
    if (asked === undefined || answer === undefined) return;
    takeAnswer(account.purse, asked, answer);
    const { need } = asked.ask;
    account.refusal =
      answer.refusal === null ? null : { kind: answer.refusal, need, afterMs: answer.retryAfterMs };
    // Also what was only wanted ahead and not given: asking again at once would change nothing.
    if (answer.refusal !== null || answer.granted < asked.ask.want) account.refusedAtMs = now();
  }

  /** One question at a time; what comes up meanwhile goes into the next. */
  function askOnce(): Promise<void> {
    asking ??= ask().finally(() => {
      asking = null;
      setAlarm();
    });
    return asking;
  }

  function setAlarm(): void {
    clearTimeout(alarm);
    if (closed) return;
    forgetIdle();
    const purses = [...accounts.values()].map(({ purse }) => purse);
    const dueMs = Math.min(...purses.map((purse) => (purse.isDirty ? now() : dueAtMs(purse))));
    if (dueMs === Infinity) return;
    const pauseMs = Math.max(dueMs - now(), failedAtMs + quietMs - now(), 5);
    alarm = setTimeout(() => void askOnce(), pauseMs).unref();
  }

  function forgetIdle(): void {
    for (const [key, { purse, usedAtMs }] of accounts) {
      const isEmpty = purse.reserved === 0 && purse.claims.size === 0 && freeUnits(purse, now()) === 0;
      if (isEmpty && !purse.isDirty && now() - usedAtMs > idleMs) accounts.delete(key);
    }
  }

  function look(charge: Charge): 'ready' | 'wait' | LimitRefusal {
    const account = accountOf(charge);
    if (charge.amount <= freeUnits(account.purse, now()) || charge.amount === 0) return 'ready';
    return refusalOf(account, charge) ?? 'wait';
  }

  return {
    look,
    async replenish(charge) {
      const { purse } = accountOf(charge);
      const wait = { amount: charge.amount };
      purse.waiting.add(wait);
      try {
        // The question under way does not know of this charge.
        if (asking !== null) await asking;
        if (look(charge) === 'wait') await askOnce();
      } finally {
        purse.waiting.delete(wait);
      }
    },
    take(charge): PolicyClaim {
      const account = accountOf(charge);
      reserve(account.purse, charge.amount, now(), periodOf(account));
      if (asking === null && now() - failedAtMs >= quietMs && needsAsking(account)) void askOnce();
      return { charge, account, tokens: null };
    },
    release: (claim) => unreserve((claim as PolicyClaim).account.purse, claim.charge.amount),
    isAlive: (claim) => canSpend((claim as PolicyClaim).account.purse, claim.charge.amount, now()),
    send(claim) {
      const { account, charge } = claim as PolicyClaim;
      const mayReturn = charge.counts === 'tokens';
      (claim as PolicyClaim).tokens = spendUnits(account.purse, charge.amount, mayReturn, now());
    },
    settle(claim, amount) {
      const { account, tokens } = claim as PolicyClaim;
      if (tokens !== null) settleClaim(account.purse, tokens, amount);
      if (asking === null && account.purse.isDirty) setAlarm();
    },
    async close() {
      closed = true;
      clearTimeout(alarm);
      if (asking !== null) await asking;
      for (const { purse } of accounts.values()) {
        purse.recent = 0;
        purse.before = 0;
        if (giveBack(purse, 0) > 0) purse.isDirty = true;
      }
      await askOnce();
    },
  };
}

/** @throws SidecarError STREAM_MALFORMED */
function readAnswers(text: string, asked: readonly Asked[]): readonly LimitAnswer[] {
  try {
    const { answers } = JSON.parse(text) as LimitsAnswer;
    if (answers.length === asked.length && answers.every(isAnswer)) return answers;
  } catch {
    // Falls through to the failure.
  }
  throw new SidecarError('STREAM_MALFORMED');
}

/** The operator is authenticated; this guards against skew, in which amounts would become NaN and compare as anything. */
function isAnswer({ share, granted, renewed, refusal, retryAfterMs }: LimitAnswer): boolean {
  const isCount = (value: unknown): boolean => Number.isSafeInteger(value) && (value as number) >= 0;
  const isShare =
    share === null || (typeof share.id === 'string' && isCount(share.amount) && isCount(share.lifetimeMs));
  return (
    isShare &&
    isCount(granted) &&
    renewed.every(isCount) &&
    (refusal === null || refusal === 'exceeded' || refusal === 'unavailable') &&
    (retryAfterMs === null || isCount(retryAfterMs))
  );
}
