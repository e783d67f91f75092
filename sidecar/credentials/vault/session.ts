// A session with Vault for one role of one store: whoever calls gets a login, which is replaced well before it expires.
//
//   kubernetes, jwt    a new login rather than a renewal: it works for batch tokens and at the maximum TTL, and has
//                      Vault ask again whether this pod is still who it was. While leases are held: as appRole.
//   appRole            a renewal, ahead and without being asked, since the secret_id may be good for one login only;
//                      a new login when its file changes, and when the maximum TTL ends renewals.

import { SidecarError } from '../../errors.ts';
import type { CallVault, VaultCall } from './calls.ts';
import type { VaultIdentity } from './identity.ts';
import { createVaultLogin, type VaultLogin } from './login.ts';

export interface VaultSession {
  /** @throws SidecarError only */
  call(call: VaultCall): Promise<unknown>;
  /** As `call`, then hands the answer to `work` while the login that made it is held. */
  callHeld<Result>(
    call: VaultCall,
    work: (answer: unknown, login: VaultLogin) => Result | Promise<Result>,
  ): Promise<Result>;
  /** Revokes every token, and with them their leases, as far as Vault can be reached. */
  end(): Promise<void>;
}

export interface VaultSessionOptions {
  readonly call: CallVault;
  readonly identity: VaultIdentity;
  /** Monotonic. */
  readonly now: () => number;
}

/** A denied call logs in again, since the role's policies may have changed, but not for each denied call. */
const loginAgainAfterMs = 10_000;
/** How often an identity that cannot be shown twice is looked at; the kubelet writes a changed Secret within minutes. */
const tendEveryMs = 30_000;
const tendAtMostEveryMs = 1000;

export function createVaultSession({ call, identity, now }: VaultSessionOptions): VaultSession {
  let login: VaultLogin | null = null;
  /** What `login` was made with. */
  let shown = '';
  /** Those that were replaced, too: leases hold them. */
  const logins = new Set<VaultLogin>();
  let loggingIn: Promise<VaultLogin> | null = null;
  let tending: NodeJS.Timeout | undefined;
  let ended = false;

  async function logIn(): Promise<VaultLogin> {
    const text = await identity.read();
    const body = await identity.bodyOf(text, call);
    const atMs = now();
    const answer = await call({ path: identity.loginPath, body, refusal: identity.refusal }, null);
    const next = createVaultLogin({ call, answer, atMs, now });
    login?.retire();
    login = next;
    shown = text;
    for (const old of logins) if (old.isOver()) logins.delete(old);
    logins.add(next);
    if (ended) await next.end();
    else if (!identity.isRepeatable) tend(next);
    return next;
  }

  function acquire(how: () => Promise<VaultLogin>): Promise<VaultLogin> {
    loggingIn ??= how().finally(() => {
      loggingIn = null;
    });
    return loggingIn;
  }

  async function loggedIn(): Promise<VaultLogin> {
    if (ended) throw new SidecarError('CREDENTIAL_UNBOUND');
    const current = login;
    if (current === null || current.isOver() || (await hasChanged())) return acquire(logIn);
    // A secret_id may be good for no other login, so its last one is used to the end.
    const isWaning = identity.isRepeatable && current.isWaning();
    if (now() < current.dueAtMs() && !isWaning) return current;
    const isKept = !identity.isRepeatable || current.hasLeases();
    return acquire(async () => (isKept && (await current.extend()) ? current : logIn()));
  }

  /** What lies there now counts, even if the login is still good: whoever replaced it wants it used. */
  async function hasChanged(): Promise<boolean> {
    if (identity.isRepeatable) return false;
    const text = await identity.read().catch(() => shown);
    return text !== shown;
  }

  /** Calls nobody waits for; a failure is told to whoever calls next, and there is time left for some more tries. */
  function tend(current: VaultLogin, hasFailed = false): void {
    clearTimeout(tending);
    const waitMs = hasFailed ? (current.endsAtMs() - now()) / 10 : current.dueAtMs() - now();
    const delayMs = Math.max(tendAtMostEveryMs, Math.min(tendEveryMs, waitMs));
    tending = setTimeout(() => {
      const again = (failed: boolean): void => {
        if (!ended && login === current && !current.isOver()) tend(current, failed);
      };
      loggedIn().then(
        () => again(false),
        () => again(true),
      );
    }, delayMs).unref();
  }

  /** After a denial: the same login when it is still good, so that the denial stands. */
  async function loggedInAgain(denied: VaultLogin): Promise<VaultLogin> {
    if (login !== denied) return loggedIn();
    return acquire(async () => (!identity.isRepeatable && (await denied.extend()) ? denied : logIn()));
  }

  async function callHeld<Result>(
    what: VaultCall,
    work: (answer: unknown, by: VaultLogin) => Result | Promise<Result>,
  ): Promise<Result> {
    const callBy = async (by: VaultLogin): Promise<Result> => {
      const release = by.hold('call');
      try {
        const answer = await by.call(what);
        // Some path that gives the session's own token, which no credential may be.
        if (by.isIn(answer)) throw new SidecarError('VAULT_PATH_INVALID', { field: 'spec.source.vault' });
        return await work(answer, by);
      } finally {
        release();
      }
    };
    const first = await loggedIn();
    try {
      return await callBy(first);
    } catch (error) {
      if (!isDenial(error) || now() - first.atMs < loginAgainAfterMs) throw error;
      const second = await loggedInAgain(first);
      if (second === first) throw error;
      return callBy(second);
    }
  }

  return {
    call: (what) => callHeld(what, (answer) => answer),
    callHeld,
    async end() {
      ended = true;
      clearTimeout(tending);
      // One that is under way gives a token that nobody knows before it is answered, and is revoked then.
      const late = Promise.allSettled([loggingIn]);
      login = null;
      const ending = [...logins];
      logins.clear();
      await Promise.all([late, ...ending.map((one) => one.end())]);
    },
  };
}

function isDenial(error: unknown): boolean {
  const { code } = error as SidecarError;
  return code === 'VAULT_PERMISSION_DENIED' || code === 'VAULT_WRITE_DENIED';
}
