// One login at Vault: a token, how long it lives, and who still needs it. When a token ends, Vault revokes the leases
// that were made under it, so a token that was replaced is revoked only when nobody holds it any more.

import { SidecarError } from '../../errors.ts';
import { unavailable } from './answer.ts';
import type { CallVault, VaultCall } from './calls.ts';

export interface VaultLogin {
  readonly atMs: number;
  /** Infinity for a token without a TTL. */
  endsAtMs(): number;
  /** From here on it is to be replaced or extended. */
  dueAtMs(): number;
  /** @throws SidecarError only */
  call(call: VaultCall): Promise<unknown>;
  /** Makes it last longer. @returns false when it cannot, or not for as long as it did at first. */
  extend(): Promise<boolean>;
  /** Keeps it from being revoked. @returns how to let go, once. */
  hold(what: 'call' | 'lease'): () => void;
  hasLeases(): boolean;
  /** An extension was asked for and not given, so that what is made under it would not last. */
  isWaning(): boolean;
  /** Nothing is left of it. */
  isOver(): boolean;
  /** Whether something that was read is this login's own token. */
  isIn(answer: unknown): boolean;
  /** Has it revoked as soon as nobody holds it. */
  retire(): void;
  /** Revokes it and all leases under it as soon as no call is under way, as far as Vault can be reached. */
  end(): Promise<void>;
}

export interface VaultLoginOptions {
  readonly call: CallVault;
  /** Of the login. */
  readonly answer: unknown;
  readonly atMs: number;
  /** Monotonic. */
  readonly now: () => number;
}

/** P-21: due at two thirds of its life, less up to a tenth, so that pods do not log in together. */
const lifeUsed = 2 / 3;
const jitter = 0.1;
/** Of a Vault token without a TTL. */
const defaultLifeMs = 3_600_000;
/** A renewal that gives less of the first life than this is near the maximum TTL. */
const worthExtending = 0.9;

/** @throws SidecarError VAULT_ANSWER_UNREADABLE */
export function createVaultLogin({ call, answer, atMs, now }: VaultLoginOptions): VaultLogin {
  const { token, lifeMs: firstLifeMs, isRenewable } = authOf(answer);
  const held = { call: 0, lease: 0 };
  let renewable = isRenewable;
  let waning = false;
  let endsAtMs = 0;
  let dueAtMs = 0;
  let extending: Promise<void> | null = null;
  let retired = false;
  let ended = false;
  let ending: Promise<void> | null = null;
  let onIdle: (() => void) | null = null;
  live(atMs, firstLifeMs);

  function live(fromMs: number, lifeMs: number): void {
    endsAtMs = fromMs + lifeMs;
    dueAtMs = fromMs + Math.min(lifeMs, defaultLifeMs) * (lifeUsed - jitter * Math.random());
  }

  async function renew(): Promise<void> {
    const fromMs = now();
    try {
      const renewed = authOf(
        await call({ path: 'auth/token/renew-self', body: {}, refusal: renewalFailure }, token),
      );
      live(fromMs, renewed.lifeMs);
      renewable = renewed.isRenewable && renewed.lifeMs >= firstLifeMs * worthExtending;
    } catch (error) {
      if ((error as SidecarError).code !== 'VAULT_PERMISSION_DENIED') throw error;
      renewable = false;
    }
  }

  function end(): Promise<void> {
    ending ??= revoked();
    return ending;
  }

  async function revoked(): Promise<void> {
    ended = true;
    // A secret that Vault is making under a token that is revoked meanwhile outlives it by its whole lease.
    if (held.call > 0) await new Promise<void>((resolve) => (onIdle = resolve));
    await call({ path: 'auth/token/revoke-self', body: {}, refusal: renewalFailure }, token).catch(() => {});
  }

  function endIfUnused(): void {
    if (retired && held.call + held.lease === 0) void end();
  }

  return {
    atMs,
    endsAtMs: () => endsAtMs,
    dueAtMs: () => dueAtMs,
    call: (what) => call(what, token),
    async extend() {
      if (renewable && !ended) {
        extending ??= renew().finally(() => {
          extending = null;
        });
        await extending;
      }
      waning = !renewable;
      return !waning && !ended;
    },
    hold(what) {
      held[what] += 1;
      let holding = true;
      return () => {
        if (!holding) return;
        holding = false;
        held[what] -= 1;
        if (held.call === 0) onIdle?.();
        endIfUnused();
      };
    },
    hasLeases: () => held.lease > 0,
    isWaning: () => waning,
    isOver: () => ended || endsAtMs <= now(),
    isIn: (read) => JSON.stringify(read).includes(token),
    retire() {
      retired = true;
      endIfUnused();
    },
    end,
  };
}

interface Auth {
  readonly token: string;
  readonly lifeMs: number;
  readonly isRenewable: boolean;
}

function authOf(answer: unknown): Auth {
  const { auth } = answer as { auth?: Readonly<Record<string, unknown>> | null };
  const { client_token: token, lease_duration: seconds, renewable } = auth ?? {};
  if (typeof token !== 'string' || token === '') {
    throw new SidecarError('VAULT_ANSWER_UNREADABLE', { field: 'spec.vault.address' });
  }
  const lifeMs = typeof seconds === 'number' && seconds > 0 ? seconds * 1000 : Infinity;
  return { token, lifeMs, isRenewable: renewable === true };
}

/** 403: the token is no more, or its policies lack the path; 400: it cannot be renewed. */
function renewalFailure({ status }: { readonly status: number }): SidecarError {
  return status === 400 || status === 403 ? new SidecarError('VAULT_PERMISSION_DENIED') : unavailable(status);
}
