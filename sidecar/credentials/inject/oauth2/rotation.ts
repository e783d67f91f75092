// A refresh token that each use replaces, shared by many pods. Who shows a used one again has the whole family revoked
// (RFC 9700 section 4.14.2), so one pod at a time refreshes, and the secret itself says which: it is only ever changed
// by compare and set. docs/credentials/oauth2.md draws it.
//
//   it holds an access token that lives       → take it
//   another pod's claim                       → wait, and read again
//   neither                                   → write a claim; refresh; write what came of it, without a claim
//   the last write fails                      → keep it here, and write it before anything else
//
// What remains: a pod that dies between the provider's answer and the write takes the new token with it. Nothing can
// be written ahead of an answer, so providers allow for it with a grace period, or not at all.

import { randomUUID } from 'node:crypto';
import { setTimeout as sleep } from 'node:timers/promises';
import { SidecarError } from '../../../errors.ts';
import { isSameMaterial, onlyPart, type Material } from '../../material.ts';
import type { VersionedSource } from '../../provider.ts';
import { Secret } from '../../secret.ts';
import type { Minted } from '../injector.ts';
import { isClaimed, writeClaim, type SeenClaim } from './claim.ts';
import {
  fields,
  partsOf,
  storedToken,
  writtenFields,
  type AccessToken,
  type NewTokens,
  type RotatingGrant,
  type RotationContext,
} from './kept-token.ts';

export interface Rotation {
  /** @throws SidecarError */
  mint(grant: RotatingGrant, context: RotationContext): Promise<Minted>;
}

/** A refresh token that this pod has claimed. */
interface OwnedToken {
  readonly used: Secret;
  /** All parts of the secret as of the claim. */
  readonly material: Material;
  readonly version: number;
  readonly claimAgeMs: () => number;
}

/** Of one credential. */
interface Memory {
  running: Promise<Minted> | null;
  /** What the provider gave, and the secret does not hold yet. */
  unsaved: (NewTokens & { readonly used: Secret }) | null;
  refused: { readonly used: Secret; readonly error: SidecarError; readonly atMs: number } | null;
  lastGiven: { readonly token: Secret; readonly material: Material; readonly atMs: number } | null;
  readonly seen: SeenClaim;
}

/** A refresh takes less than a second, or ten at most. */
const maxPolls = 10;
/** A call to a token endpoint takes ten; a pod that slept since its claim must not start one. */
const latestStartMs = 15_000;
const saveAttempts = 3;
/** Who asks again for what it was just given has met a refusal that another token would not change. */
const minAgeMs = 30_000;
const minRestMs = 5000;
/** What expires_in is cut to as well; a time that somebody wrote by hand would else run over a timer's 24 days. */
const maxRestMs = 24 * 60 * 60_000;
/** A refused token stays so until another is stored, and each try costs two versions of the secret. */
const refusedForMs = 5 * 60_000;

export interface RotationOptions {
  readonly monotonicMs?: () => number;
  /** A source is asked at most once a second. */
  readonly pollMs?: number;
}

export function createRotation(options: RotationOptions = {}): Rotation {
  const { monotonicMs = () => performance.now(), pollMs = 1000 } = options;
  const memories = new WeakMap<VersionedSource, Memory>();

  function memoryOf(versioned: VersionedSource): Memory {
    const known = memories.get(versioned);
    if (known !== undefined) return known;
    const created: Memory = {
      running: null,
      unsaved: null,
      refused: null,
      lastGiven: null,
      seen: { own: null, claim: null, sinceMs: 0 },
    };
    memories.set(versioned, created);
    return created;
  }

  /** By whichever clock ran further: one of them stands still in a machine that is suspended. */
  function ageOf(nowMs: () => number): () => number {
    const [monotonicThen, wallThen] = [monotonicMs(), nowMs()];
    return () => Math.max(monotonicMs() - monotonicThen, nowMs() - wallThen);
  }

  async function run(grant: RotatingGrant, context: RotationContext, memory: Memory): Promise<Minted> {
    const { versioned, nowMs } = context;
    for (let poll = 0; ; poll += 1) {
      const { unsaved } = memory;
      if (unsaved !== null && (await save(grant, context, memory, null))) {
        memory.unsaved = null;
        if (unsaved.endsAtMs - nowMs() >= minRestMs) return give(memory, context, unsaved);
      }
      const { material: stored, version } = await versioned.read();
      const token = storedToken(stored, grant);
      if (token !== null && isWanted(token, memory, context)) return give(memory, context, token);

      const material = partsOf(context, stored);
      const used = new Secret(grant.tokenOf(material));
      if (isRefused(used, memory)) throw memory.refused.error;
      const claim = stored.get(fields.claim)?.open();
      if (!isClaimed(claim, memory.seen, nowMs(), monotonicMs())) {
        const claimAgeMs = ageOf(nowMs);
        const own = writeClaim(memory.seen, nowMs(), randomUUID());
        const claimed = await versioned.swap(version, { [fields.claim]: own });
        if (claimed !== null) {
          return refreshAs(grant, context, memory, { material, used, version: claimed, claimAgeMs });
        }
      }
      if (poll === maxPolls) throw busy(grant);
      await sleep(pollMs * (1 + Math.random() / 2));
    }
  }

  async function refreshAs(
    grant: RotatingGrant,
    context: RotationContext,
    memory: Memory,
    owned: OwnedToken,
  ): Promise<Minted> {
    const { versioned, nowMs } = context;
    const { used, version } = owned;
    try {
      if (owned.claimAgeMs() > latestStartMs) throw busy(grant);
      const sentAtMs = nowMs();
      const { minted, refreshToken } = await grant.refresh(owned.material);
      memory.unsaved = {
        token: minted.material.get(onlyPart) ?? new Secret(''),
        endsAtMs: sentAtMs + minted.lifetimeMs,
        used,
        next: refreshToken === null ? used : new Secret(refreshToken),
      };
    } catch (error) {
      if (error instanceof SidecarError && error.code === 'MINT_REFUSED') {
        memory.refused = { used, error, atMs: monotonicMs() };
      }
      // The others need not wait for a claim to end. What was sent may have been used up even so; only trying tells.
      await versioned.swap(version, { [fields.claim]: null }).catch(() => null);
      throw error;
    }
    const { unsaved } = memory;
    if (!(await save(grant, context, memory, version))) return run(grant, context, memory);
    memory.unsaved = null;
    return give(memory, context, unsaved);
  }

  /**
   * @param version at which the secret is known to hold the token that was used; null: look.
   * @returns false when the secret holds another refresh token by now, which then counts.
   * @throws SidecarError REFRESH_TOKEN_UNSAVED. The access token is not given away before: whoever has it would not ask
   * again for most of an hour, in which the new refresh token could be lost with this pod.
   */
  async function save(
    grant: RotatingGrant,
    context: RotationContext,
    memory: Memory,
    version: number | null,
  ): Promise<boolean> {
    const { unsaved } = memory;
    if (unsaved === null) return true;
    const { versioned } = context;
    let at = version;
    for (let attempt = 0; attempt < saveAttempts; attempt += 1) {
      try {
        if (at === null) {
          const reading = await versioned.read();
          const current = new Secret(grant.tokenOf(partsOf(context, reading.material)));
          const isWritten =
            current.sameAs(unsaved.next) &&
            reading.material.get(fields.token)?.sameAs(unsaved.token) === true;
          if (isWritten) return true;
          if (!current.sameAs(unsaved.used) && !current.sameAs(unsaved.next)) {
            memory.unsaved = null;
            return false;
          }
          at = reading.version;
        }
        if ((await versioned.swap(at, writtenFields(grant, context, unsaved))) !== null) return true;
        at = null;
      } catch {
        at = null;
        if (attempt < saveAttempts - 1) await sleep(pollMs);
      }
    }
    // A provider that has left the token as it was has given nothing that could be lost.
    if (unsaved.next.sameAs(unsaved.used)) return true;
    throw new SidecarError('REFRESH_TOKEN_UNSAVED', { field: grant.field });
  }

  function isRefused(
    used: Secret,
    memory: Memory,
  ): memory is Memory & { readonly refused: NonNullable<Memory['refused']> } {
    const { refused } = memory;
    return refused !== null && refused.used.sameAs(used) && monotonicMs() - refused.atMs < refusedForMs;
  }

  /** A token that lives, and that the caller does not mean to replace: ahead of its end, or after a refusal. */
  function isWanted(
    { token, endsAtMs }: AccessToken,
    { lastGiven }: Memory,
    context: RotationContext,
  ): boolean {
    if (endsAtMs - context.nowMs() < minRestMs) return false;
    if (lastGiven === null || !lastGiven.token.sameAs(token)) return true;
    // The secret was read anew, and differs since it was refreshed: that alone says nothing about the token.
    if (!isSameMaterial(lastGiven.material, context.material)) return true;
    return monotonicMs() - lastGiven.atMs < minAgeMs;
  }

  function give(memory: Memory, context: RotationContext, { token, endsAtMs }: AccessToken): Minted {
    const isKnown = memory.lastGiven?.token.sameAs(token) === true;
    const atMs = isKnown ? (memory.lastGiven?.atMs ?? 0) : monotonicMs();
    memory.lastGiven = { token, material: context.material, atMs };
    const restMs = Math.min(maxRestMs, endsAtMs - context.nowMs());
    return { material: new Map([[onlyPart, token]]), lifetimeMs: Math.max(0, restMs) };
  }

  return {
    mint(grant, context) {
      const memory = memoryOf(context.versioned);
      memory.running ??= run(grant, context, memory).finally(() => {
        memory.running = null;
      });
      return memory.running;
    },
  };
}

function busy({ field }: RotatingGrant): SidecarError {
  return new SidecarError('REFRESH_TOKEN_BUSY', { field });
}
