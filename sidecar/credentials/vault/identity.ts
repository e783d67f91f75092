// What the sidecar shows Vault to log in: the store's projected token, which the kubelet replaces, or AppRole's role_id
// and secret_id.

import { readFile } from 'node:fs/promises';
import { join } from 'node:path';
import { storeTokenFile } from '../../../policy/contract.ts';
import type { VaultStore } from '../../../policy/ruleset-credential.ts';
import { SidecarError } from '../../errors.ts';
import { loginFailure, type RefusedAnswer } from './answer.ts';
import type { CallVault } from './calls.ts';
import { loginPath } from './path.ts';
import type { SecretIds } from './secret-id.ts';

export interface VaultIdentity {
  readonly loginPath: string;
  /** False: it may be good for one login only. */
  readonly isRepeatable: boolean;
  /** What lies in the pod now. @throws SidecarError */
  read(): Promise<string>;
  /** What a login sends. @throws SidecarError */
  bodyOf(text: string, call: CallVault): Promise<object>;
  readonly refusal: (answer: RefusedAnswer) => SidecarError;
}

export interface VaultIdentityOptions {
  readonly storeName: string;
  readonly store: VaultStore;
  readonly role: string;
  readonly tokensDirectory: string;
  readonly secretIds: SecretIds;
}

export function createVaultIdentity(options: VaultIdentityOptions): VaultIdentity {
  const { storeName, store, role, tokensDirectory, secretIds } = options;
  const path = loginPath(store);
  const refusal = (answer: RefusedAnswer): SidecarError => loginFailure(answer, store.auth, role, path);
  const { auth } = store;
  if (auth.kind === 'appRole') {
    return {
      loginPath: path,
      isRepeatable: false,
      read: () => secretIds.read(auth.secretId),
      bodyOf: async (text, call) => ({
        role_id: role,
        secret_id: await secretIds.secretIdOf(text, store, auth, call),
      }),
      refusal,
    };
  }
  const file = join(tokensDirectory, storeTokenFile(storeName));
  return {
    loginPath: path,
    isRepeatable: true,
    async read() {
      const jwt = await readFile(file, 'utf8').catch(() => {
        throw new SidecarError('STORE_TOKEN_MISSING', { field: 'spec.source.vault.store' });
      });
      return jwt.trim();
    },
    bodyOf: async (jwt) => ({ role, jwt }),
    refusal,
  };
}
