// Secrets from HashiCorp Vault or OpenBao, read as the pod itself with an identity that only the sidecar has. The one
// file that imports node-vault, and only once a credential needs it (about 5 MB).

import { canonicalJson } from '../../../policy/ruleset.ts';
import type { VaultStore } from '../../../policy/ruleset-credential.ts';
import { SidecarError } from '../../errors.ts';
import type { Provider, Stores } from '../provider.ts';
import { createVaultCalls, type VaultClient } from './calls.ts';
import { readDynamic } from './dynamic.ts';
import { createVaultIdentity } from './identity.ts';
import { createVersionedKv, readKv } from './kv.ts';
import { vaultOrigin } from './path.ts';
import { createSecretIds } from './secret-id.ts';
import { createVaultSession, type VaultSession } from './session.ts';
import { createVaultTransport, type VaultRequest, type VaultTransport } from './transport.ts';

export interface VaultOptions {
  /** Holds one projected token per store. */
  readonly tokensDirectory: string;
  /** Holds a directory for each Secret that an AppRole's secret_id lies in; null where the sidecar was given none. */
  readonly secretsDirectory?: string | null;
  /** Of each call; a login includes the TokenReview that Vault makes, a dynamic secret what its engine does for it. */
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

export function createVaultProvider(options: VaultOptions): Required<Omit<Provider<'vault'>, 'watch'>> {
  const { tokensDirectory, timeoutMs = 5000, now = () => performance.now() } = options;
  const secretIds = createSecretIds(options.secretsDirectory ?? null);
  /** By store and role. */
  const open = new Map<string, OpenSession>();
  let forgotten = 0;

  async function sessionFor(storeName: string, role: string, store: VaultStore): Promise<VaultSession> {
    const key = `${storeName}\n${role}`;
    const definition = canonicalJson(store);
    const kept = open.get(key);
    if (kept?.definition === definition) return kept.session;
    const address = vaultOrigin(store.address);
    const identity = createVaultIdentity({ storeName, store, role, tokensDirectory, secretIds });
    const transport = createVaultTransport(store, { timeoutMs });
    const asked = forgotten;
    const call = createVaultCalls(await createClient(address, store, transport));
    // Given up while node-vault was loading: nobody would end what began now (P-11).
    if (asked !== forgotten) throw new SidecarError('CREDENTIAL_UNBOUND');
    const session = createVaultSession({ call, identity, now });
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
    async read({ store, role, kv, dynamic }, stores) {
      const session = await sessionFor(store, role, storeOf(store, stores));
      if (kv !== undefined) return { material: await readKv(session, kv), lease: null };
      if (dynamic !== undefined) return readDynamic(session, dynamic, now);
      throw new SidecarError('SIDECAR_FAILED');
    },
    versioned({ store, role, kv }, stores) {
      if (kv?.version !== 2) return null;
      return createVersionedKv(async () => sessionFor(store, role, storeOf(store, stores)), kv);
    },
    async forget() {
      forgotten += 1;
      const ending = [...open.values()];
      open.clear();
      await Promise.all(ending.map((opened) => opened.end()));
    },
  };
}

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
