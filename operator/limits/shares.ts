// The leader's side of limits that pods share, for one namespace; pure. A share counts from its grant until a window after
// the end of its lease, whether or not it is spent; what a pod gives back before that no longer counts. So whatever is
// lost, repeated or overtaken on the way, too much is counted and never too little: at the grant of the last unit of any
// window, all the other units of that window still counted.

import type { LimitAnswer, LimitAsk } from '../../policy/limits-contract.ts';
import { counterIn, type Book } from '../../policy/limits/book.ts';
import { counterKey } from '../../policy/limits/charge.ts';
import { isCovered, retryAfterMs, roomOf, spend, type Counter } from '../../policy/limits/counter.ts';
import { remove, shareLifetimeMs } from '../../policy/limits/window.ts';
import type { RulesetLimit } from '../../policy/ruleset.ts';

export interface Shares {
  readonly book: Book;
  readonly accounts: Map<string, Account>;
}

/** What is known of a counter besides its window. Lost with the leader; then shares can no longer be given back. */
export interface Account {
  readonly counter: Counter;
  max: number;
  readonly grants: Map<string, Grant>;
  /** Pods that asked, and when last. */
  readonly askers: Map<string, number>;
  usedAtMs: number;
  /** What storage must count ahead so that an ask can be answered. */
  wanted: number;
}

interface Grant {
  readonly uid: string;
  /** What was not given back, nor went over into another grant. */
  left: number;
  /** Of that, what its pod said it spent. */
  spent: number;
  /** Of its bucket in the window. */
  readonly endMs: number;
  readonly untilMs: number;
}

/** An ask, with the limit of that name in the pod's ruleset. */
export interface KnownAsk {
  readonly ask: LimitAsk;
  /** Null: its ruleset has none, or not one that is shared. */
  readonly limit: LimitRule | null;
}

export interface LimitRule extends RulesetLimit {
  readonly windowMs: number;
}

export interface Asking {
  readonly uid: string;
  readonly asks: readonly KnownAsk[];
  readonly nowMs: number;
  /** False: what storage counts ahead must not be granted from any more. */
  readonly isCoverValid: boolean;
  readonly createId: () => string;
}

/** Of what is free, a pod gets at most this part of an equal share at once, so that later pods find something too. */
const partOfEqualShare = 1 / 4;
/** When what others hold may have come back. */
const othersMs = 1000;
const unknown: LimitAnswer = {
  share: null,
  granted: 0,
  renewed: [],
  refusal: 'unavailable',
  retryAfterMs: null,
};

export function createShares(book: Book): Shares {
  return { book, accounts: new Map() };
}

/** A lease in the leader's time: a little longer, since clocks run differently (NTP slews by up to 1 in 2000). */
export function countedLifetimeMs(windowMs: number): number {
  const lifetimeMs = shareLifetimeMs(windowMs);
  return lifetimeMs + Math.ceil(lifetimeMs / 64);
}

/** Null when storage must count further ahead first; then nothing was granted, and the same can be asked again. */
export function answerAsks(shares: Shares, asking: Asking): readonly LimitAnswer[] | null {
  const plans = asking.asks.map(({ ask, limit }) => {
    const account = limit === null ? null : accountOf(shares, ask, limit, asking);
    return limit === null || account === null ? null : plan(account, ask, limit, asking);
  });
  if (!plans.every((each) => each === null || isPossible(each, asking))) return null;
  return plans.map((each) => (each === null ? unknown : carryOut(each, asking)));
}

function accountOf(shares: Shares, ask: LimitAsk, limit: LimitRule, { uid, nowMs }: Asking): Account | null {
  const key = counterKey(ask);
  const counter = counterIn(shares.book, key, limit.windowMs, nowMs);
  if (counter === null) return null;
  let account = shares.accounts.get(key);
  if (account?.counter !== counter) {
    account = { counter, max: 0, grants: new Map(), askers: new Map(), usedAtMs: nowMs, wanted: 0 };
    shares.accounts.set(key, account);
  }
  account.max = limit.max;
  account.usedAtMs = nowMs;
  account.askers.set(uid, nowMs);
  for (const [other, atMs] of account.askers) {
    if (nowMs - atMs > 2 * shareLifetimeMs(limit.windowMs)) account.askers.delete(other);
  }
  for (const [id, grant] of account.grants) if (grant.untilMs <= nowMs) account.grants.delete(id);
  return account;
}

interface Plan {
  readonly account: Account;
  readonly ask: LimitAsk;
  readonly windowMs: number;
  readonly renewed: readonly number[];
  readonly granted: number;
  readonly refusal: LimitAnswer['refusal'];
}

/** Takes back what is given back, which can be done any number of times, and says what the rest will be. */
function plan(account: Account, ask: LimitAsk, { windowMs, max }: LimitRule, asking: Asking): Plan {
  const renewed = ask.shares.map(({ id, spent, kept, renew }) => {
    const grant = account.grants.get(id);
    if (grant === undefined || grant.uid !== asking.uid) return 0;
    const left = Math.min(grant.left, kept + renew);
    remove(account.counter.window, grant.left - left, grant.endMs);
    grant.left = left;
    grant.spent = Math.min(left, Math.max(grant.spent, spent));
    return Math.max(0, left - kept);
  });
  const room = roomOf(account.counter, max, asking.nowMs) - ask.overdrawn;
  const fair = Math.floor((Math.max(0, room) / account.askers.size) * partOfEqualShare);
  const granted = ask.need > room ? 0 : Math.min(Math.max(ask.want, ask.need), Math.max(ask.need, fair));
  const isRefused = ask.need > Math.max(0, room);
  const refusal = isRefused ? refusalOf(account, ask.need - room, ask.need <= max, asking) : null;
  return { account, ask, windowMs, renewed, granted, refusal };
}

/** What other pods hold and have not spent may come back; the rest is spent. */
function refusalOf(
  { grants }: Account,
  lacking: number,
  isWithinMax: boolean,
  { uid }: Asking,
): LimitAnswer['refusal'] {
  let held = 0;
  for (const grant of grants.values()) if (grant.uid !== uid) held += grant.left - grant.spent;
  return isWithinMax && lacking <= held ? 'unavailable' : 'exceeded';
}

function isPossible({ account, renewed, granted }: Plan, { isCoverValid }: Asking): boolean {
  const amount = sum(renewed) + granted;
  if (amount === 0 || (isCoverValid && isCovered(account.counter, amount))) return true;
  account.wanted += amount;
  return false;
}

function carryOut(planned: Plan, { uid, nowMs, createId }: Asking): LimitAnswer {
  const { account, ask, windowMs, renewed, granted, refusal } = planned;
  const { counter, grants, max } = account;
  for (const [index, held] of ask.shares.entries()) {
    const grant = grants.get(held.id);
    const moved = renewed[index] ?? 0;
    if (grant === undefined || moved === 0) continue;
    remove(counter.window, moved, grant.endMs);
    grant.left -= moved;
  }
  if (ask.overdrawn > 0) spend(counter, ask.overdrawn, nowMs);
  const retryMs = refusal === 'unavailable' ? othersMs : retryAfterMs(counter, ask.need, max, nowMs);
  // Whole milliseconds, as the contract has them: the leader's clock has fractions.
  const retryAfter = refusal === null || retryMs === null ? null : Math.ceil(retryMs);
  const answer = { granted, renewed, refusal, retryAfterMs: retryAfter };
  const amount = sum(renewed) + granted;
  if (amount === 0) return { share: null, ...answer };
  const untilMs = nowMs + countedLifetimeMs(windowMs);
  const endMs = spend(counter, amount, untilMs);
  counter.recent += amount;
  const id = createId();
  grants.set(id, { uid, left: amount, spent: 0, endMs, untilMs });
  return { share: { id, amount, lifetimeMs: shareLifetimeMs(windowMs) }, ...answer };
}

function sum(amounts: readonly number[]): number {
  return amounts.reduce((total, amount) => total + amount, 0);
}
