// The credentials that the ruleset in force binds, and no others: a swap adds, drops and replaces them, a halt
// drops them all.

import type { CredentialReport } from '../../policy/contract.ts';
import type { RulesetCredential } from '../../policy/ruleset-credential.ts';
import { canonicalJson, type Ruleset } from '../../policy/ruleset.ts';
import type { Snapshot, SnapshotSource } from '../control/snapshot.ts';
import { SidecarError } from '../errors.ts';
import type { Dial } from '../proxy/dialler.ts';
import { createBoundCredential, type BoundCredential } from './bound-credential.ts';
import type { Material } from './material.ts';
import type { Providers } from './provider.ts';
import { createTokenCaller } from './token-caller.ts';

export interface Credentials {
  /**
   * What is put on a request: the secret, or the token that is minted from it.
   * @param snapshot that the request was decided by; a credential that has since become another is refused.
   * @throws SidecarError
   */
  resolve(name: string, snapshot: Snapshot): Promise<Material>;
  /** After an upstream's 401 to `refused`: another value, or the same one when there is no other yet. */
  replace(name: string, snapshot: Snapshot, refused: Material): Promise<Material>;
  report(): CredentialReport[];
  /** Calls the listener when a report would differ; returns how to stop. */
  onChange(listener: () => void): () => void;
  /** Forgets all values and has leases and the sources' tokens revoked. */
  close(): Promise<void>;
}

export interface CredentialsOptions {
  readonly snapshots: SnapshotSource;
  readonly providers: Providers;
  /** How token endpoints are reached. */
  readonly dial: Dial;
  /** Monotonic. */
  readonly now?: () => number;
  /** Wall clock. */
  readonly wallMs?: () => number;
}

interface Bound {
  /** All that the value and its use depend on. */
  readonly definition: string;
  readonly credential: BoundCredential;
}

/** Between the first reads of a pod's credentials, so that a new pod is no burst on its store. */
const prefetchSpacingMs = 100;

export function createCredentials(options: CredentialsOptions): Credentials {
  const { snapshots, providers, dial, now = () => performance.now(), wallMs = Date.now } = options;
  const bound = new Map<string, Bound>();
  const listeners = new Set<() => void>();
  let boundRuleset: Ruleset | null = null;
  let dropping: Promise<unknown> = Promise.resolve();
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
    for (const [name, { definition }] of bound) {
      if (definitions.get(name) !== definition) drop(name);
    }
    let delayMs = 0;
    for (const [name, credential] of wanted) {
      if (bound.has(name)) continue;
      delayMs += prefetchSpacingMs * Math.random();
      bound.set(name, {
        definition: definitions.get(name) ?? '',
        credential: createBoundCredential({
          name,
          credential,
          stores: ruleset.stores,
          providers,
          caller: createTokenCaller({ dial, destinations: ruleset.destinations }),
          prefetchAfterMs: delayMs,
          onChange: changed,
          now,
          wallMs,
        }),
      });
    }
    if (bound.size === 0) void forgetSessions();
    changed();
  }

  function drop(name: string): void {
    const entry = bound.get(name);
    bound.delete(name);
    // Leases are revoked under the sessions that made them, which end after that.
    dropping = Promise.all([dropping, entry?.credential.drop()]);
  }

  function boundIn(name: string, { ruleset }: Snapshot): BoundCredential {
    const entry = bound.get(name);
    if (entry !== undefined && (ruleset === boundRuleset || isBoundBy(ruleset, name, entry)))
      return entry.credential;
    throw new SidecarError('CREDENTIAL_UNBOUND');
  }

  async function forgetSessions(): Promise<void> {
    await dropping;
    // Bound again meanwhile: its sessions are in use.
    if (bound.size > 0) return;
    await Promise.all(Object.values(providers).map((provider) => provider.forget()));
  }

  return {
    async resolve(name, snapshot) {
      return boundIn(name, snapshot).get();
    },
    async replace(name, snapshot, refused) {
      return boundIn(name, snapshot).replace(refused);
    },
    report: () => [...bound.values()].map(({ credential }) => credential.report()),
    onChange(listener) {
      listeners.add(listener);
      return () => listeners.delete(listener);
    },
    async close() {
      stopListening();
      for (const name of bound.keys()) drop(name);
      await forgetSessions();
    },
  };
}

/** A request that a former ruleset decided may use what is still bound, if the two mean the same by it. */
function isBoundBy(ruleset: Ruleset, name: string, { definition }: Bound): boolean {
  const credential = Object.hasOwn(ruleset.credentials, name) ? ruleset.credentials[name] : undefined;
  return credential !== undefined && definitionOf(credential, ruleset) === definition;
}

function definitionOf(credential: RulesetCredential, { stores, destinations }: Ruleset): string {
  const { source, inject, allow, refreshIntervalMs } = credential;
  const store = 'store' in source && Object.hasOwn(stores, source.store) ? stores[source.store] : null;
  const named = endpointDestination(inject);
  return canonicalJson({
    source,
    inject,
    // What the secret must be able to fill.
    entries: allow.map((entry) => entry.inject ?? null),
    refreshIntervalMs,
    store,
    destination: named !== null && Object.hasOwn(destinations, named) ? destinations[named] : null,
  });
}

/** The AgentDestination whose token endpoint mints. */
function endpointDestination(inject: RulesetCredential['inject']): string | null {
  const endpoint =
    inject.kind === 'githubApp'
      ? inject.endpoint
      : 'tokenEndpoint' in inject
        ? inject.tokenEndpoint
        : undefined;
  return endpoint !== undefined && 'destination' in endpoint ? endpoint.destination : null;
}
