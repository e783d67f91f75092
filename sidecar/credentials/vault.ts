// Secrets from HashiCorp Vault or OpenBao, read as the pod itself by Kubernetes auth with the store's own
// projected token. The one file that imports node-vault, and only once a credential needs it (about 5 MB).

import { join } from 'node:path';
import { storeTokenFile } from '../../policy/contract.ts';
import { canonicalJson } from '../../policy/ruleset.ts';
import type { VaultStore } from '../../policy/ruleset-credential.ts';
import { SidecarError } from '../errors.ts';
import type { Provider, Stores } from './provider.ts';
import { materialOfRecord, type FieldPlaces } from './source-fields.ts';
import { kvRecord } from './vault-answer.ts';
import { loginPath, vaultOrigin } from './vault-path.ts';
import { createVaultSession, type VaultClient, type VaultSession } from './vault-session.ts';
import { createVaultTransport, type VaultRequest, type VaultTransport } from './vault-transport.ts';

export interface VaultOptions {
  /** Holds one projected token per store. */
  readonly tokensDirectory: string;
  /** Holds a directory for each Secret that an AppRole's secret_id lies in; null where the sidecar was given none. */
  readonly secretsDirectory?: string | null;
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

  async function sessionFor(storeName: string, role: string, store: VaultStore): Promise<VaultSession> {
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
      if (kv === undefined) throw new SidecarError('SIDECAR_FAILED');
      const session = await sessionFor(name, role, storeOf(name, stores));
      return { material: materialOfRecord(kvRecord(await session.read(kv), kv), kv, kvFields), lease: null };
    },
    async forget() {
      const ending = [...open.values()];
      open.clear();
      await Promise.all(ending.map((opened) => opened.end()));
    },
  };
}

const kvFields: FieldPlaces = {
  at: 'spec.source.vault.kv',
  missing: 'VAULT_FIELD_MISSING',
  notText: 'VAULT_FIELD_NOT_TEXT',
};

function storeOf(name: string, stores: Stores): VaultStore {
  const store = Object.hasOwn(stores, name) ? stores[name] : undefined;
  if (store?.kind !== 'vault') throw new SidecarError('STORE_UNKNOWN', { field: 'spec.source.vault.store' });
  return store;
}

async function createClient(
  endpoint: string,
  store: VaultStore,
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
