// The lease of a dynamic secret. It ends when Vault says, and with the token of the login that made it, so both are
// kept alive together, and it lasts as long as the shorter of the two.

import type { Lease } from '../provider.ts';
import { SidecarError } from '../../errors.ts';
import { unavailable, type RefusedAnswer } from './answer.ts';
import type { VaultLogin } from './login.ts';

export interface VaultLeaseOptions {
  /** Of reading the secret. */
  readonly answer: unknown;
  readonly login: VaultLogin;
  /** When it was asked for. */
  readonly atMs: number;
  /** Monotonic. */
  readonly now: () => number;
}

/** A renewal that gives less of the first duration than this is at the maximum TTL, so another secret is due. */
const worthKeeping = 0.9;

/** @returns null for a secret without one, such as a static role's. */
export function createVaultLease({ answer, login, atMs, now }: VaultLeaseOptions): Lease | null {
  const { lease_id: id, lease_duration: given, renewable } = answer as Readonly<Record<string, unknown>>;
  if (typeof id !== 'string' || id === '') return null;
  // Whole seconds, cut off: less than one is 0, and yet a lease.
  const seconds = Math.max(1, typeof given === 'number' ? given : 1);
  const release = login.hold('lease');
  let endsAtMs = atMs + seconds * 1000;
  let isRevoked = false;
  const leftMs = (): number => Math.min(endsAtMs, login.endsAtMs()) - now();
  const durationMs = leftMs();

  /** @returns false when Vault does not know it any more, or will not renew it. */
  async function renewed(): Promise<boolean> {
    const fromMs = now();
    try {
      const renewal = (await login.call({
        path: 'sys/leases/renew',
        body: { lease_id: id, increment: seconds },
        refusal: leaseFailure,
      })) as { lease_duration?: unknown };
      if (typeof renewal.lease_duration !== 'number') return false;
      endsAtMs = fromMs + renewal.lease_duration * 1000;
      return true;
    } catch (error) {
      if ((error as SidecarError).code === 'VAULT_PERMISSION_DENIED') return false;
      throw error;
    }
  }

  return {
    durationMs,
    async renew() {
      if (isRevoked) return null;
      const isKnown = renewable !== true || (await renewed());
      // Also for what is made next, which must not end with a token that is gone, or nearly.
      if (!isKnown || login.endsAtMs() - now() < durationMs || login.dueAtMs() <= now()) await login.extend();
      return isKnown && leftMs() >= durationMs * worthKeeping ? leftMs() : null;
    },
    async revoke() {
      if (isRevoked) return;
      isRevoked = true;
      // Needs a policy of its own; without it the lease runs out, or ends with its login's token.
      await login
        .call({ path: 'sys/leases/revoke', body: { lease_id: id }, refusal: leaseFailure })
        .catch(() => {});
      release();
    },
  };
}

/** 400: there is no such lease, or not renewable; 403: the token is no more, or may not. */
function leaseFailure({ status }: RefusedAnswer): SidecarError {
  return status === 400 || status === 403 || status === 404
    ? new SidecarError('VAULT_PERMISSION_DENIED')
    : unavailable(status);
}
