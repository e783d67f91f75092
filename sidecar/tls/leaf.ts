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

interface CachedLeaf {
  readonly context: SecureContext;
  readonly mintedAtMs: number;
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

  function mint(host: string, nowMs: number): SecureContext {
    const certificate = encode([host], {
      notBefore: new Date(nowMs - clockSkewMs),
      notAfter: new Date(nowMs - clockSkewMs + lifetimeMs),
    });
    return createSecureContext({ key: keyPem, cert: certificate, minVersion: 'TLSv1.2' });
  }

  return (host) => {
    const nowMs = now();
    const known = cache.get(host);
    if (known !== undefined) cache.delete(host);
    if (known !== undefined && Math.abs(nowMs - known.mintedAtMs) < renewAfterMs) {
      cache.set(host, { ...known, isUsedAgain: true });
      return known.context;
    }
    budget = Math.min(mintBurst, budget + (Math.max(0, nowMs - budgetAtMs) / 1000) * mintsPerSecond);
    budgetAtMs = nowMs;
    if (budget < 1) return null;
    budget -= 1;
    const context = mint(host, nowMs);
    cache.set(host, { context, mintedAtMs: nowMs, isUsedAgain: false });
    if (cache.size > maxCached) cache.delete(leastNeeded());
    return context;
  };
}
