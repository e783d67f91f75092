// One credential of this pod: its value in memory, read by one reader at a time and ahead of its end.
//
//   read ok          → served until `refreshIntervalMs` after that read began (its lease: KV secrets have none)
//   … at 75 to 90 %  → read again, in the background
//   read failed      → the old value is served while its lease lasts, then the failure is; the next read comes
//                      after 1 s, 2 s, 4 s … 30 s, or when a request needs it, but never within 1 s (P-20)

import type { CredentialReport } from '../../policy/contract.ts';
import { asSidecarError, SidecarError } from '../errors.ts';
import type { Secret } from './secret.ts';

export interface CachedCredential {
  /** @throws SidecarError */
  get(): Promise<Secret>;
  /**
   * For a value that an upstream answered 401 to: another one, if the source has it by now. Reads at most
   * once in 10 s (P-20), and returns the same value when there is no other.
   */
  replace(refused: Secret): Promise<Secret>;
  report(): CredentialReport;
  /** Forgets the value; who still waits for it is refused. */
  drop(): void;
}

export interface CachedCredentialOptions {
  readonly name: string;
  readonly refreshIntervalMs: number;
  /** Until the first read ahead of any request, so that status can tell of a mistake early. */
  readonly prefetchAfterMs: number;
  /** Reads and checks the value. */
  readonly read: () => Promise<Secret>;
  readonly onChange: () => void;
  /** Monotonic. */
  readonly now: () => number;
}

const refreshFrom = 0.75;
const refreshSpread = 0.15;
const minReadGapMs = 1000;
const maxRetryDelayMs = 30_000;
const minReplaceGapMs = 10_000;

export function createCachedCredential(options: CachedCredentialOptions): CachedCredential {
  const { name, refreshIntervalMs, read, onChange, now } = options;
  // Kept beyond its end, to tell a rotation; served only before.
  let value: { readonly secret: Secret; readonly endsAtMs: number } | null = null;
  let failure: SidecarError | null = null;
  let failuresInRow = 0;
  let readEndedAtMs = -Infinity;
  let reading: Promise<void> | null = null;
  let rotatedAt: string | null = null;
  let dropped = false;
  let timer = setTimeout(() => void load(), options.prefetchAfterMs).unref();

  function schedule(delayMs: number): void {
    clearTimeout(timer);
    timer = setTimeout(() => void load(), delayMs).unref();
  }

  /** Never rejects: what came of it is in `value` and `failure`. */
  function load(): Promise<void> {
    if (dropped || (failure !== null && now() - readEndedAtMs < minReadGapMs)) return Promise.resolve();
    reading ??= readOnce();
    return reading;
  }

  async function readOnce(): Promise<void> {
    const startedAtMs = now();
    try {
      const secret = await read();
      if (!dropped) accept(secret, startedAtMs);
    } catch (error) {
      if (!dropped) fail(asSidecarError(error));
    }
    readEndedAtMs = now();
    reading = null;
  }

  function accept(secret: Secret, startedAtMs: number): void {
    const rotated = value !== null && !value.secret.sameAs(secret);
    const news = rotated || failure !== null || value === null;
    if (rotated) rotatedAt = new Date().toISOString();
    value = { secret, endsAtMs: startedAtMs + refreshIntervalMs };
    failure = null;
    failuresInRow = 0;
    schedule(refreshIntervalMs * (refreshFrom + refreshSpread * Math.random()));
    if (news) onChange();
  }

  function fail(error: SidecarError): void {
    const news = failure?.message !== error.message;
    failure = error;
    const delayMs = Math.min(maxRetryDelayMs, minReadGapMs * 2 ** failuresInRow);
    failuresInRow += 1;
    schedule(delayMs * (1 + Math.random() / 4));
    if (news) onChange();
  }

  function live(): Secret | null {
    return value !== null && now() < value.endsAtMs ? value.secret : null;
  }

  async function loaded(): Promise<Secret> {
    await load();
    if (dropped) throw new SidecarError('CREDENTIAL_UNBOUND');
    const secret = live();
    if (secret === null) throw failure ?? new SidecarError('SIDECAR_FAILED');
    return secret;
  }

  return {
    async get() {
      return live() ?? loaded();
    },
    async replace(refused) {
      const secret = live();
      if (secret !== null && (!secret.sameAs(refused) || now() - readEndedAtMs < minReplaceGapMs))
        return secret;
      return loaded();
    },
    report() {
      const rotation = rotatedAt === null ? {} : { rotatedAt };
      if (failure === null) return { name, state: value === null ? 'Pending' : 'Resolved', ...rotation };
      const { code, field, message } = failure;
      return {
        name,
        state: 'Failing',
        code,
        ...(field === undefined ? {} : { field }),
        message,
        ...rotation,
      };
    },
    drop() {
      dropped = true;
      value = null;
      clearTimeout(timer);
    },
  };
}
