// Leaves of the pod's own CA, one per name that an agent asks for, as TLS contexts ready to use.

import { generateKeyPairSync } from 'node:crypto';
import { createSecureContext, type SecureContext } from 'node:tls';
import { createLeafEncoder, type Issuer } from '../../x509/certificate.ts';

/** A context holds about 29 KiB, so a full cache costs 7 MiB; an agent talks to tens of names. */
const maxCached = 256;
/** Of those, how many may be names that were asked for once: beyond it they are the first to go. */
const cachedOnce = 64;
/** Minting costs 0.3 ms of CPU: after a burst of a whole cache, at most 0.6 % of one core. */
const mintsPerSecond = 20;
const mintBurst = maxCached;

const hourMs = 3_600_000;
/** Agents in the pod share our clock, so this is for time namespaces and clocks that step. */
const clockSkewMs = hourMs;
const lifetimeMs = 24 * hourMs;
/** Half of the lifetime: whoever gets a leaf can use it for at least as long again. */
const renewAfterMs = 12 * hourMs;
/** It was valid an hour before it was minted, and whoever gets it needs some time. */
const serveAtMostMs = lifetimeMs - 2 * clockSkewMs;

interface Leaf {
  readonly context: SecureContext;
  readonly mintedAtMs: number;
}

interface CachedLeaf extends Leaf {
  readonly isUsedAgain: boolean;
}

export interface LeavesOptions {
  readonly issuer: Issuer;
  readonly now?: () => number;
}

/** @returns null when names are asked for faster than leaves may be minted. */
export type Leaves = (host: string) => SecureContext | null;

export function createLeaves({ issuer, now = Date.now }: LeavesOptions): Leaves {
  // One key for all leaves of this process, in memory only: whoever could read it could read every stream.
  const { privateKey } = generateKeyPairSync('ec', { namedCurve: 'P-256' });
  const keyPem = privateKey.export({ type: 'pkcs8', format: 'pem' });
  const encode = createLeafEncoder(issuer, privateKey);
  /** In order of use, oldest first. */
  const cache = new Map<string, CachedLeaf>();
  let budget = mintBurst;
  let budgetAtMs = now();

  /** A flood of names must not cost those in use their leaves, since it has used up what may be minted too. */
  function leastNeeded(): string {
    const once = [...cache].filter(([, { isUsedAgain }]) => !isUsedAgain);
    return (once.length > cachedOnce ? once[0]?.[0] : cache.keys().next().value) ?? '';
  }

  /** Null where the budget is spent. */
  function mint(host: string, nowMs: number): Leaf | null {
    budget = Math.min(mintBurst, budget + (Math.max(0, nowMs - budgetAtMs) / 1000) * mintsPerSecond);
    budgetAtMs = nowMs;
    if (budget < 1) return null;
    budget -= 1;
    const certificate = encode([host], {
      notBefore: new Date(nowMs - clockSkewMs),
      notAfter: new Date(nowMs - clockSkewMs + lifetimeMs),
    });
    const context = createSecureContext({ key: keyPem, cert: certificate, minVersion: 'TLSv1.2' });
    return { context, mintedAtMs: nowMs };
  }

  return (host) => {
    const nowMs = now();
    const known = cache.get(host);
    const ageMs = known === undefined ? Infinity : Math.abs(nowMs - known.mintedAtMs);
    const renewed = ageMs < renewAfterMs ? undefined : mint(host, nowMs);
    // What cannot be renewed, since a flood has spent the budget, still serves.
    const leaf = renewed ?? (ageMs < serveAtMostMs ? known : undefined);
    if (leaf === undefined) return null;
    cache.delete(host);
    cache.set(host, { ...leaf, isUsedAgain: known !== undefined });
    if (cache.size > maxCached) cache.delete(leastNeeded());
    return leaf.context;
  };
}
