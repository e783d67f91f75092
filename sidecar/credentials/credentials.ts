// The credentials that the ruleset in force binds, and no others: a swap adds, drops and replaces them, a halt
// drops them all.

import type { CredentialReport } from '../../policy/contract.ts';
import { canonicalJson, type Ruleset } from '../../policy/ruleset.ts';
import type { RulesetCredential } from '../../policy/ruleset-credential.ts';
import type { Snapshot, SnapshotSource } from '../control/snapshot.ts';
import { SidecarError } from '../errors.ts';
import { createCachedCredential, type CachedCredential } from './cached-credential.ts';
import { renderSlot } from './inject/inject.ts';
import type { Providers } from './provider.ts';
import type { Secret } from './secret.ts';

export interface Credentials {
  /**
   * @param snapshot that the request was decided by; a credential that has since become another is refused.
   * @throws SidecarError
   */
  resolve(name: string, snapshot: Snapshot): Promise<Secret>;
  /** After an upstream's 401 to `refused`: another value, or the same one when there is no other yet. */
  replace(name: string, snapshot: Snapshot, refused: Secret): Promise<Secret>;
  report(): CredentialReport[];
  /** Calls the listener when a report would differ; returns how to stop. */
  onChange(listener: () => void): () => void;
  /** Forgets all values and has the sources' tokens revoked. */
  close(): Promise<void>;
}

export interface CredentialsOptions {
  readonly snapshots: SnapshotSource;
  readonly providers: Providers;
  /** Monotonic. */
  readonly now?: () => number;
}

interface Bound {
  /** All that the value and its use depend on. */
  readonly definition: string;
  readonly cached: CachedCredential;
}

/** Between the first reads of a pod's credentials, so that a new pod is no burst on its store. */
const prefetchSpacingMs = 100;

export function createCredentials(options: CredentialsOptions): Credentials {
  const { snapshots, providers, now = () => performance.now() } = options;
  const bound = new Map<string, Bound>();
  const listeners = new Set<() => void>();
  let boundRuleset: Ruleset | null = null;
  const stopListening = snapshots.onChange(bind);
  const first = snapshots.current();
  if (first !== null) bind(first);

  function changed(): void {
    for (const listener of listeners) listener();
  }

  function bind({ ruleset }: Snapshot): void {
    boundRuleset = ruleset;
    const wanted = ruleset.halt === null ? Object.entries(ruleset.credentials) : [];
    const definitions = new Map(
      wanted.map(([name, credential]) => [name, definitionOf(credential, ruleset)] as const),
    );
    for (const [name, { definition, cached }] of bound) {
      if (definitions.get(name) === definition) continue;
      cached.drop();
      bound.delete(name);
    }
    let delayMs = 0;
    for (const [name, credential] of wanted) {
      if (bound.has(name)) continue;
      delayMs += prefetchSpacingMs * Math.random();
      bound.set(name, {
        definition: definitions.get(name) ?? '',
        cached: createCachedCredential({
          name,
          refreshIntervalMs: credential.refreshIntervalMs,
          prefetchAfterMs: delayMs,
          read: () => read(credential, ruleset.stores),
          onChange: changed,
          now,
        }),
      });
    }
    if (bound.size === 0) void forgetSessions();
    changed();
  }

  async function read({ source, inject }: RulesetCredential, stores: Ruleset['stores']): Promise<Secret> {
    const secret = await (source.kind === 'vault'
      ? providers.vault.read(source, stores)
      : providers.file.read(source, stores));
    renderSlot(inject, secret); // what its slot cannot carry is told now, not at the first request
    return secret;
  }

  function boundIn(name: string, { ruleset }: Snapshot): CachedCredential {
    const entry = bound.get(name);
    if (entry !== undefined && (ruleset === boundRuleset || isBoundBy(ruleset, name, entry)))
      return entry.cached;
    throw new SidecarError('CREDENTIAL_UNBOUND');
  }

  async function forgetSessions(): Promise<void> {
    await Promise.all(Object.values(providers).map((provider) => provider.forget()));
  }

  return {
    async resolve(name, snapshot) {
      return boundIn(name, snapshot).get();
    },
    async replace(name, snapshot, refused) {
      return boundIn(name, snapshot).replace(refused);
    },
    report: () => [...bound.values()].map(({ cached }) => cached.report()),
    onChange(listener) {
      listeners.add(listener);
      return () => listeners.delete(listener);
    },
    async close() {
      stopListening();
      for (const { cached } of bound.values()) cached.drop();
      bound.clear();
      await forgetSessions();
    },
  };
}

/** A request that a former ruleset decided may use what is still bound, if the two mean the same by it. */
function isBoundBy(ruleset: Ruleset, name: string, { definition }: Bound): boolean {
  const credential = Object.hasOwn(ruleset.credentials, name) ? ruleset.credentials[name] : undefined;
  return credential !== undefined && definitionOf(credential, ruleset) === definition;
}

function definitionOf(credential: RulesetCredential, { stores }: Ruleset): string {
  const { source, inject, refreshIntervalMs } = credential;
  const store = source.kind === 'vault' && Object.hasOwn(stores, source.store) ? stores[source.store] : null;
  return canonicalJson({ source, inject, refreshIntervalMs, store });
}
