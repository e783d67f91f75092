// One identity at AWS: keys that are replaced well before they expire, and once more when AWS no longer accepts them.

import type { AwsKeys } from './clients.ts';
import type { SidecarError, SidecarErrorCode } from '../../errors.ts';

export interface Login {
  readonly keys: AwsKeys;
  /** 0: of keys that cost nothing to get again. */
  readonly lifeMs: number;
}

export interface AwsSession {
  /**
   * Calls with keys that are good now.
   * @throws SidecarError only, if `call` does.
   */
  use<Result>(call: (keys: AwsKeys) => Promise<Result>): Promise<Result>;
  /** Forgets the keys; AWS has no call that would end them. */
  drop(): void;
}

interface KeptLogin {
  readonly keys: AwsKeys;
  readonly atMs: number;
  readonly replaceAtMs: number;
  readonly endsAtMs: number;
}

/** P-22: replaced at two thirds of their life, less up to a tenth, so that pods do not log in together. */
const lifeUsed = 2 / 3;
const jitter = 0.1;
/** AWS refuses keys of a session that was revoked; a new one is asked for, but not for each refusal. */
const loginAgainAfterMs = 10_000;
/** What says nothing about the identity: keys that still live are used meanwhile. */
const outages: ReadonlySet<SidecarErrorCode> = new Set([
  'AWS_UNREACHABLE',
  'AWS_UNAVAILABLE',
  'AWS_THROTTLED',
]);

/** @param now monotonic. */
export function createAwsSession(logIn: () => Promise<Login>, now: () => number): AwsSession {
  let login: KeptLogin | null = null;
  let loggingIn: Promise<KeptLogin> | null = null;
  let dropped = false;

  async function logInAnew(): Promise<KeptLogin> {
    const atMs = now();
    const { keys, lifeMs } = await logIn();
    const replaceAtMs = atMs + lifeMs * (lifeUsed - jitter * Math.random());
    const fresh = { keys, atMs, replaceAtMs, endsAtMs: atMs + lifeMs };
    if (!dropped) login = fresh;
    return fresh;
  }

  async function loggedIn(): Promise<KeptLogin> {
    const kept = login;
    if (kept !== null && now() < kept.replaceAtMs) return kept;
    loggingIn ??= logInAnew().finally(() => {
      loggingIn = null;
    });
    try {
      return await loggingIn;
    } catch (error) {
      if (kept !== null && now() < kept.endsAtMs && outages.has((error as SidecarError).code)) return kept;
      throw error;
    }
  }

  return {
    async use(call) {
      const used = await loggedIn();
      try {
        return await call(used.keys);
      } catch (error) {
        const refused = (error as SidecarError).code === 'AWS_KEYS_REFUSED';
        if (!refused || now() - used.atMs < loginAgainAfterMs) throw error;
      }
      if (login === used) login = null;
      return call((await loggedIn()).keys);
    },
    drop() {
      dropped = true;
      login = null;
    },
  };
}
