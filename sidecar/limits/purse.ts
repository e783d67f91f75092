// What this pod holds of one limit that it shares with others: units leased from the operator, each until its time ends.
// Pure; what goes over the wire is composed and taken in here, and sent by `policy-budget.ts`.
//
// A unit is usable, claimed by a request that was sent and whose answer may give it back (tokens), or spent. The
// operator counts all of them as spent until a window after the lease's end, and units stop being usable before that: so
// whatever is lost on the way is counted, too late and never too early.

import { maxShares, type HeldShare, type LimitAnswer, type LimitAsk } from '../../policy/limits-contract.ts';

export interface Purse {
  max: number;
  windowMs: number;
  readonly shares: Share[];
  /** Of sent requests whose answers may give units back. */
  readonly claims: Set<TokenClaim>;
  /** Promised to requests that are not sent yet: so many usable units are kept. */
  reserved: number;
  /** Amounts that requests wait for. */
  readonly waiting: Set<{ readonly amount: number }>;
  /** Spent without a unit, and not told yet. */
  overdrawn: number;
  /** Reserved since, and in the period before: what is kept ahead. */
  recent: number;
  before: number;
  periodEndsAtMs: number;
  /** Something is to be told even though nothing is wanted. */
  isDirty: boolean;
}

export interface Share {
  readonly id: string;
  /** What is left of it at the operator: usable, claimed and spent. */
  total: number;
  usable: number;
  claimed: number;
  readonly fromMs: number;
  readonly untilMs: number;
  /** False once it was asked for: the operator then counts it in the new share, whether or not the answer came. */
  renewable: boolean;
}

export interface TokenClaim {
  readonly sinceMs: number;
  readonly parts: { share: Share; amount: number }[];
}

const maxClaimMs = 60 * 60_000;

/** What was asked, to understand the answer. */
export interface Asked {
  readonly ask: LimitAsk;
  readonly shares: readonly Share[];
  readonly atMs: number;
}

export function createPurse(max: number, windowMs: number): Purse {
  const claims = new Set<TokenClaim>();
  const rest = { overdrawn: 0, recent: 0, before: 0, periodEndsAtMs: -Infinity, isDirty: false };
  return { max, windowMs, shares: [], claims, reserved: 0, waiting: new Set(), ...rest };
}

/** Units that no request has reserved. */
export function freeUnits(purse: Purse, nowMs: number): number {
  dropLapsed(purse, nowMs);
  return usableUnits(purse) - purse.reserved;
}

export function reserve(purse: Purse, amount: number, nowMs: number, periodMs: number): void {
  purse.reserved += amount;
  turnPeriod(purse, nowMs, periodMs);
  purse.recent += amount;
}

export function unreserve(purse: Purse, amount: number): void {
  purse.reserved -= amount;
}

/** Whether what was reserved is still there: leases end while requests wait. */
export function canSpend(purse: Purse, amount: number, nowMs: number): boolean {
  dropLapsed(purse, nowMs);
  return usableUnits(purse) >= amount;
}

/** Spends reserved units, those that end first; with a claim, what is not needed after all can come back. */
export function spendUnits(purse: Purse, amount: number, claims: boolean, nowMs: number): TokenClaim {
  const claim: TokenClaim = { sinceMs: nowMs, parts: [] };
  purse.reserved -= amount;
  let rest = amount;
  for (const share of purse.shares) {
    const part = Math.min(rest, share.usable);
    if (part === 0) continue;
    share.usable -= part;
    rest -= part;
    if (!claims) continue;
    share.claimed += part;
    claim.parts.push({ share, amount: part });
  }
  if (claim.parts.length > 0) purse.claims.add(claim);
  return claim;
}

/** @param amount what was spent of the claim after all, perhaps more than it has. */
export function settleClaim(purse: Purse, claim: TokenClaim, amount: number): void {
  if (!purse.claims.delete(claim)) return;
  let rest = amount;
  // In the order of their ends: each was usable when the request was sent, the lapsed ones too.
  for (const { share, amount: part } of claim.parts.toSorted((a, b) => a.share.untilMs - b.share.untilMs)) {
    const spent = Math.min(rest, part);
    rest -= spent;
    share.claimed -= part;
    share.usable += part - spent;
  }
  purse.overdrawn += rest;
  if (rest > 0) purse.isDirty = true;
}

/** Another limit by the same name: what is not promised goes back, and the operator says anew what can be had. */
export function changeLimit(purse: Purse, max: number, windowMs: number): void {
  if (purse.max === max && purse.windowMs === windowMs) return;
  [purse.max, purse.windowMs] = [max, windowMs];
  if (giveBack(purse, purse.reserved) > 0) purse.isDirty = true;
}

/** Takes usable units out for good, those that end first, until `keep` are left. @returns how many. */
export function giveBack(purse: Purse, keep: number): number {
  let surplus = Math.max(0, usableUnits(purse) - keep);
  const given = surplus;
  for (const share of purse.shares) {
    const part = Math.min(surplus, share.usable);
    share.usable -= part;
    share.total -= part;
    surplus -= part;
  }
  return given;
}

/** What the pod is likely to reserve in one period. */
export function demandOf(purse: Purse, nowMs: number, periodMs: number): number {
  turnPeriod(purse, nowMs, periodMs);
  return Math.min(purse.max, Math.max(purse.recent, purse.before));
}

/** When something must be done for the shares there are: half-way through their lives. */
export function dueAtMs(purse: Purse): number {
  let dueMs = Infinity;
  for (const share of purse.shares) {
    if (share.renewable && share.usable + share.claimed > 0) dueMs = Math.min(dueMs, halfLifeMs(share));
  }
  return dueMs;
}

/** @param name of the limit. */
export function composeAsk(
  purse: Purse,
  name: Pick<LimitAsk, 'policy' | 'rule' | 'limit'>,
  nowMs: number,
  periodMs: number,
): Asked {
  dropLapsed(purse, nowMs);
  spendOldClaims(purse, nowMs);
  const ahead = demandOf(purse, nowMs, periodMs);
  giveBack(purse, purse.reserved + ahead);
  const free = freeUnits(purse, nowMs);
  const amounts = [...purse.waiting].map(({ amount }) => amount);
  const waiting = amounts.reduce((sum, amount) => sum + amount, 0);
  const need = amounts.length === 0 ? 0 : Math.max(0, Math.min(...amounts) - free);
  const shares = purse.shares.filter(({ renewable }) => renewable).slice(0, maxShares);
  const isCrowded = shares.length > maxShares / 2;
  const held = shares.map((share): HeldShare => {
    const unspent = share.usable + share.claimed;
    const isDue = isCrowded || nowMs >= halfLifeMs(share);
    const renew = isDue ? unspent : 0;
    return { id: share.id, spent: share.total - unspent, kept: share.total - renew, renew };
  });
  const { overdrawn } = purse;
  purse.overdrawn = 0;
  purse.isDirty = false;
  const want = Math.max(need, Math.min(purse.max, waiting + ahead) - free);
  for (const [index, share] of shares.entries()) if ((held[index]?.renew ?? 0) > 0) share.renewable = false;
  return { ask: { ...name, need, want, overdrawn, shares: held }, shares, atMs: nowMs };
}

export function takeAnswer(purse: Purse, asked: Asked, { share, renewed, granted }: LimitAnswer): void {
  if (share === null) return;
  const moved = renewed.reduce((sum, amount) => sum + amount, 0);
  if (moved + granted > share.amount) return;
  const untilMs = asked.atMs + share.lifetimeMs;
  const { id, amount: total } = share;
  const next: Share = {
    id,
    total,
    usable: granted,
    claimed: 0,
    fromMs: asked.atMs,
    untilMs,
    renewable: true,
  };
  for (const [index, from] of asked.shares.entries()) move(purse, from, next, renewed[index] ?? 0);
  // By their ends: a changed limit can make a newer one end sooner.
  const later = purse.shares.findIndex((each) => each.untilMs > untilMs);
  purse.shares.splice(later < 0 ? purse.shares.length : later, 0, next);
}

/** Claims first: they live longest. What was spent while the question was under way is spent of the new share. */
function move(purse: Purse, from: Share, to: Share, amount: number): void {
  let rest = Math.min(amount, from.usable + from.claimed);
  for (const part of [...purse.claims].flatMap(({ parts }) => parts)) {
    // A part moves whole or stays: then it is counted until the old share's end.
    if (part.share !== from || part.amount > rest) continue;
    part.share = to;
    from.claimed -= part.amount;
    to.claimed += part.amount;
    rest -= part.amount;
  }
  const units = Math.min(rest, from.usable);
  from.usable -= units;
  to.usable += units;
}

/** Of an answer that did not come, or was no answer. */
export function forgetAsk(purse: Purse, { ask }: Asked): void {
  purse.overdrawn += ask.overdrawn;
  purse.isDirty = true;
}

/** Leases are not renewed for ever for an answer that does not end. */
function spendOldClaims({ claims }: Purse, nowMs: number): void {
  for (const claim of claims) {
    if (nowMs - claim.sinceMs < maxClaimMs) return;
    for (const { share, amount } of claim.parts) share.claimed -= amount;
    claims.delete(claim);
  }
}

function halfLifeMs({ fromMs, untilMs }: Share): number {
  return (fromMs + untilMs) / 2;
}

function usableUnits({ shares }: Purse): number {
  let sum = 0;
  for (const { usable } of shares) sum += usable;
  return sum;
}

function dropLapsed({ shares }: Purse, nowMs: number): void {
  while (shares[0] !== undefined && shares[0].untilMs <= nowMs) shares.shift();
}

function turnPeriod(purse: Purse, nowMs: number, periodMs: number): void {
  if (nowMs < purse.periodEndsAtMs) return;
  const isNext = nowMs < purse.periodEndsAtMs + periodMs;
  [purse.before, purse.recent] = [isNext ? purse.recent : 0, 0];
  purse.periodEndsAtMs = nowMs + periodMs;
}
