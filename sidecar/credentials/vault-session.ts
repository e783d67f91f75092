// One login at Vault: the pod's token for a store, exchanged for a token of Vault's that is replaced well
// before it expires. A new login rather than a renewal: it works for batch tokens and at the maximum TTL, and
// it has Vault ask the cluster again whether this pod is still who it was.

import { readFile } from 'node:fs/promises';
import type { RulesetKv } from '../../policy/ruleset-credential.ts';
import { SidecarError } from '../errors.ts';
import {
  loginFailure,
  readFailure,
  refusedAnswer,
  sealedFailure,
  type RefusedAnswer,
} from './vault-answer.ts';
import { kvPath } from './vault-path.ts';

/** What is used of node-vault's client. */
export interface VaultClient {
  read(path: string, options?: object): Promise<unknown>;
  write(path: string, data: object, options?: object): Promise<unknown>;
}

export interface VaultSessionOptions {
  readonly client: VaultClient;
  /** The kubelet replaces the token in it, so each login reads anew. */
  readonly tokenPath: string;
  readonly role: string;
  readonly loginPath: string;
  /** Monotonic. */
  readonly now: () => number;
}

export interface VaultSession {
  /** The whole answer. @throws SidecarError only */
  read(kv: RulesetKv): Promise<unknown>;
  /** Revokes the token, as far as Vault can be reached; it ends by its TTL anyway. */
  end(): Promise<void>;
}

interface Login {
  readonly token: string;
  readonly atMs: number;
  readonly replaceAtMs: number;
}

/** P-21: replaced at two thirds of its life, less up to a tenth, so that pods do not log in together. */
const lifeUsed = 2 / 3;
const jitter = 0.1;
/** Of a Vault token without a TTL. */
const defaultLifeMs = 3_600_000;
/** A denied read logs in again, since the role's policies may have changed, but not for each denied read. */
const loginAgainAfterMs = 10_000;

export function createVaultSession(options: VaultSessionOptions): VaultSession {
  const { client, tokenPath, role, loginPath, now } = options;
  let login: Login | null = null;
  let loggingIn: Promise<Login> | null = null;
  let ended = false;

  async function ask(
    call: () => Promise<unknown>,
    refusal: (answer: RefusedAnswer) => SidecarError,
  ): Promise<unknown> {
    try {
      return await call();
    } catch (error) {
      if (error instanceof SidecarError) throw error;
      const answer = refusedAnswer(error);
      if (answer === null) throw new SidecarError('SIDECAR_FAILED');
      if (answer.status === 503 && (await isSealed())) throw sealedFailure();
      throw refusal(answer);
    }
  }

  async function isSealed(): Promise<boolean> {
    try {
      await client.read('sys/health');
      return false;
    } catch (error) {
      return (refusedAnswer(error)?.body as { sealed?: unknown } | null)?.sealed === true;
    }
  }

  async function logIn(): Promise<Login> {
    const jwt = await readFile(tokenPath, 'utf8').catch(() => {
      throw new SidecarError('STORE_TOKEN_MISSING', { field: 'spec.source.vault.store' });
    });
    const atMs = now();
    const answer = await ask(
      () => client.write(loginPath, { role, jwt: jwt.trim() }),
      (refused) => loginFailure(refused, role, loginPath),
    );
    const { client_token: token, lease_duration: seconds } =
      (answer as { auth?: Readonly<Record<string, unknown>> | null }).auth ?? {};
    if (typeof token !== 'string' || token === '') {
      throw new SidecarError('VAULT_ANSWER_UNREADABLE', { field: 'spec.vault.address' });
    }
    const lifeMs = typeof seconds === 'number' && seconds > 0 ? seconds * 1000 : defaultLifeMs;
    const previous = login;
    login = { token, atMs, replaceAtMs: atMs + lifeMs * (lifeUsed - jitter * Math.random()) };
    if (previous !== null) void revoke(previous);
    if (ended) void revoke(login);
    return login;
  }

  async function loggedIn(): Promise<Login> {
    if (login !== null && now() < login.replaceAtMs) return login;
    loggingIn ??= logIn().finally(() => {
      loggingIn = null;
    });
    return loggingIn;
  }

  async function revoke({ token }: Login): Promise<void> {
    await client.write('auth/token/revoke-self', {}, withToken(token)).catch(() => {});
  }

  return {
    async read(kv) {
      const path = kvPath(kv);
      const readAs = async ({ token }: Login): Promise<unknown> =>
        ask(
          () => client.read(path, withToken(token)),
          (answer) => readFailure(answer, kv),
        );
      const used = await loggedIn();
      try {
        return await readAs(used);
      } catch (error) {
        const denied = (error as SidecarError).code === 'VAULT_PERMISSION_DENIED';
        if (!denied || now() - used.atMs < loginAgainAfterMs) throw error;
      }
      if (login === used) login = { ...used, replaceAtMs: now() };
      return readAs(await loggedIn());
    },
    async end() {
      ended = true;
      if (login !== null) await revoke(login);
      login = null;
    },
  };
}

function withToken(token: string): object {
  return { headers: { 'X-Vault-Token': token } };
}
