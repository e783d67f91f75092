// Secrets from HashiCorp Vault or OpenBao, read as the pod itself by Kubernetes auth with the store's own
// projected token. The one file that imports node-vault, and only once a credential needs it (about 5 MB).

import { join } from 'node:path';
import { storeTokenFile } from '../../policy/contract.ts';
import { canonicalJson } from '../../policy/ruleset.ts';
import type { RulesetStore } from '../../policy/ruleset-credential.ts';
import { SidecarError } from '../errors.ts';
import type { Provider } from './provider.ts';
import { fieldOf } from './vault-answer.ts';
import { loginPath, vaultOrigin } from './vault-path.ts';
import { createVaultSession, type VaultClient, type VaultSession } from './vault-session.ts';
import { createVaultTransport, type VaultRequest, type VaultTransport } from './vault-transport.ts';

export interface VaultOptions {
  /** Holds one projected token per store. */
  readonly tokensDirectory: string;
  /** Of each call; a login includes the TokenReview that Vault makes. */
  readonly timeoutMs?: number;
  /** Monotonic. */
  readonly now?: () => number;
}

interface OpenSession {
  /** The store as it was when the session began: another address or CA is another session. */
  readonly definition: string;
  readonly session: VaultSession;
  end(): Promise<void>;
}

export function createVaultProvider(options: VaultOptions): Provider<'vault'> {
  const { tokensDirectory, timeoutMs = 5000, now = () => performance.now() } = options;
  /** By store and role. */
  const open = new Map<string, OpenSession>();

  async function sessionFor(storeName: string, role: string, store: RulesetStore): Promise<VaultSession> {
    const key = `${storeName}\n${role}`;
    const definition = canonicalJson(store);
    const kept = open.get(key);
    if (kept?.definition === definition) return kept.session;
    const address = vaultOrigin(store.address);
    const path = loginPath(store);
    const transport = createVaultTransport(store, { timeoutMs });
    const session = createVaultSession({
      client: await createClient(address, store, transport),
      tokenPath: join(tokensDirectory, storeTokenFile(storeName)),
      role,
      loginPath: path,
      now,
    });
    const end = async (): Promise<void> => {
      await session.end();
      transport.close();
    };
    // Whoever came first while node-vault was loading, or the one for the store as it was before.
    const other = open.get(key);
    if (other?.definition === definition) return other.session;
    open.set(key, { definition, session, end });
    void other?.end();
    return session;
  }

  return {
    async read({ store: name, role, kv }, stores) {
      const store = Object.hasOwn(stores, name) ? stores[name] : undefined;
      if (store === undefined) throw new SidecarError('STORE_UNKNOWN', { field: 'spec.source.vault.store' });
      const session = await sessionFor(name, role, store);
      return fieldOf(await session.read(kv), kv);
    },
    async forget() {
      const ending = [...open.values()];
      open.clear();
      await Promise.all(ending.map((opened) => opened.end()));
    },
  };
}

async function createClient(
  endpoint: string,
  store: RulesetStore,
  transport: VaultTransport,
): Promise<VaultClient> {
  const { default: nodeVault } = await import('node-vault');
  const client = nodeVault({
    endpoint,
    'request-promise': { defaults: () => (request: VaultRequest) => transport.send(request) },
    // Its own prints tokens and secrets under DEBUG=node-vault.
    debug: () => {},
    // Only `read` and `write` are used, so no path of ours goes through its mustache templates.
    commands: {},
  });
  // Left empty in the options, it would take them from VAULT_TOKEN, VAULT_NAMESPACE and VAULT_PREFIX.
  return Object.assign(client, { token: '', namespace: store.namespace ?? '', pathPrefix: '' });
}
