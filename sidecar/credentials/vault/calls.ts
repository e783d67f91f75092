// One call of Vault's API through node-vault, whose failures are reduced to codes: its own carry the token.

import { SidecarError } from '../../errors.ts';
import { refusedAnswer, sealedFailure, type RefusedAnswer } from './answer.ts';

/** What is used of node-vault's client. */
export interface VaultClient {
  read(path: string, options?: object): Promise<unknown>;
  write(path: string, data: object, options?: object): Promise<unknown>;
}

export interface VaultCall {
  /** API path below `/v1/`. */
  readonly path: string;
  /** What is written; absent: the path is read. */
  readonly body?: object;
  /** Never tried again by itself: it does something each time, so a lost answer is not an open question for a second try. */
  readonly once?: true;
  readonly refusal: (answer: RefusedAnswer) => SidecarError;
}

/** @throws SidecarError only */
export type CallVault = (call: VaultCall, token: string | null) => Promise<unknown>;

export function createVaultCalls(client: VaultClient): CallVault {
  async function isSealed(): Promise<boolean> {
    try {
      // Its answer to a sealed Vault is a 503, too, which is not to be asked for again.
      await client.read('sys/health', { attempts: 1 });
      return false;
    } catch (error) {
      return (refusedAnswer(error)?.body as { sealed?: unknown } | null)?.sealed === true;
    }
  }

  return async ({ path, body, once, refusal }, token) => {
    // node-vault hands its options on to the transport, which knows `attempts`.
    const options = {
      headers: token === null ? {} : { 'X-Vault-Token': token },
      ...(once === true ? { attempts: 1 } : {}),
    };
    try {
      return await (body === undefined ? client.read(path, options) : client.write(path, body, options));
    } catch (error) {
      if (error instanceof SidecarError) throw error;
      const answer = refusedAnswer(error);
      if (answer === null) throw new SidecarError('SIDECAR_FAILED');
      if (answer.status === 503 && (await isSealed())) throw sealedFailure();
      throw refusal(answer);
    }
  };
}
