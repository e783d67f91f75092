import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import type { CapturePlan } from '../../../policy/capture-plan.ts';
import { requirements } from '../../../policy/requirements.ts';
import { emptyRuleset, type Ruleset, type RulesetDestination } from '../../../policy/ruleset.ts';
import type { RulesetCredential } from '../../../policy/ruleset-credential.ts';
import type { Audit, ExchangeRecord } from '../../../sidecar/audit/record.ts';
import { createClock, type Clock } from '../../../sidecar/clock.ts';
import { compileSnapshot, type Snapshot, type SnapshotSource } from '../../../sidecar/control/snapshot.ts';
import type { Credentials } from '../../../sidecar/credentials/credentials.ts';
import type { Material } from '../../../sidecar/credentials/material.ts';
import { Secret } from '../../../sidecar/credentials/secret.ts';
import { createResolver, type Resolver } from '../../../sidecar/dns/resolver.ts';
import { SidecarError } from '../../../sidecar/errors.ts';
import { createLocalLimits } from '../../../sidecar/limits/limits.ts';
import type { CapturedPorts } from '../../../sidecar/proxy/captured.ts';
import { createEgress, type Egress } from '../../../sidecar/proxy/egress.ts';
import { createProxy } from '../../../sidecar/proxy/server.ts';
import { createAuthority } from '../../../sidecar/tls/authority.ts';
import { waitFor } from '../../cluster/deadline.ts';
import { originName, type Origin, type TestCa } from './origin.ts';

export const token = 'real-token-3f9a';
export const tokenPlaceholder = 'outrider-placeholder.research.token';

export interface Fixture {
  readonly port: number;
  /** Of a captured pod; `planned[0]` stands for the origin's port. */
  readonly captured: CapturedPorts | null;
  readonly caPem: string;
  readonly records: ExchangeRecord[];
  /** The next record, which is written when its exchange has ended. */
  record(): Promise<ExchangeRecord>;
  /** Puts another ruleset in force, as the operator would. */
  swap(ruleset: Partial<Ruleset>): void;
  setFresh(fresh: boolean): void;
  /** What the source of the credential holds from now on; null when it cannot be had. */
  setSecret(value: string | Material | null): void;
  /** Runs before each secret is handed out: a slow source, or what happens meanwhile. */
  beforeResolve(hook: () => void | Promise<void>): void;
  /** Runs before each name is resolved, which is the last that happens before a new connection. */
  beforeDial(hook: () => void): void;
  close(): Promise<void>;
}

export interface FixtureOptions {
  readonly ca: TestCa;
  readonly origin: Pick<Origin, 'port'>;
  readonly ruleset?: Partial<Ruleset>;
  readonly destination?: Partial<RulesetDestination>;
  readonly resolver?: Resolver;
  readonly hosts?: readonly string[];
  readonly port?: number;
  readonly clock?: Clock;
  readonly maxReadMs?: number;
  readonly maxHeldBytes?: number;
  /** Listens as in a captured pod: for the origin's port, and for this besides. */
  readonly capture?: Partial<CapturePlan>;
  /** Those of 443 and 80; free ones by default, and the origin's port is planned then. */
  readonly capturePorts?: { readonly tls: number; readonly http: number };
  /** The real ones, in place of one that a test sets. */
  readonly credentials?: (parts: {
    readonly snapshots: SnapshotSource;
    readonly egress: Egress;
  }) => Pick<Credentials, 'resolve' | 'replace' | 'close'>;
}

const bearer: RulesetCredential = {
  source: { kind: 'file', path: 'token' },
  allow: [{ destination: 'origin' }],
  inject: { kind: 'bearer' },
  refreshIntervalMs: 60_000,
};

/**
 * A proxy in front of `origin`, which agents know as api.example.test. Rules: GET and others under /token get the
 * credential, everything under /plain goes without, /token/forbidden is denied.
 */
export async function startFixture(options: FixtureOptions): Promise<Fixture> {
  const { ca, origin, destination, hosts = ['127.0.0.1'] } = options;
  const { clock = createClock() } = options;
  const limits = createLocalLimits();
  const keysDirectory = mkdtempSync(join(tmpdir(), 'outrider-keys-'));
  const base: Ruleset = {
    ...emptyRuleset({ namespace: 'research', serviceAccount: 'agent' }),
    guards: [
      {
        policy: 'team',
        name: 'never',
        action: 'Deny',
        destination: 'origin',
        paths: ['/token/forbidden/**'],
        message: 'Ask Ada.',
      },
    ],
    grants: [
      { policy: 'team', name: 'plain', action: 'Allow', destination: 'origin', paths: ['/plain/**'] },
      {
        policy: 'team',
        name: 'token',
        action: 'Allow',
        destination: 'origin',
        paths: ['/token/**'],
        credential: 'token',
      },
    ],
    credentials: { token: bearer },
    destinations: {
      origin: {
        names: [originName],
        port: origin.port,
        scheme: 'https',
        cidrs: ['127.0.0.0/8'],
        caBundle: ca.authority.certPem,
        ...destination,
      },
    },
    ...options.ruleset,
  };
  const compile = (ruleset: Ruleset): Snapshot =>
    compileSnapshot({ ...ruleset, requires: requirements(ruleset) });
  const snapshots = createSwitch(compile(base));
  const records: ExchangeRecord[] = [];
  let taken = 0;
  const audit: Audit = { record: (record) => void records.push(record), close: async () => {} };
  const authority = createAuthority({ keysDirectory });
  let secret: string | Material | null = token;
  let hook: () => void | Promise<void> = () => {};
  let dialHook = (): void => {};
  const resolver = options.resolver ?? createResolver({ overrides: { [originName]: '127.0.0.1' } });
  const resolve = async (): Promise<Material> => {
    await hook();
    if (secret === null) throw new SidecarError('VAULT_SEALED');
    return typeof secret === 'string' ? new Map([['value', new Secret(secret)]]) : secret;
  };
  const egress = createEgress({
    resolver: {
      resolve: (name) => {
        dialHook();
        return resolver.resolve(name);
      },
    },
  });
  const credentials = options.credentials?.({ snapshots, egress }) ?? {
    resolve,
    replace: resolve,
    close: async () => {},
  };
  const proxy = createProxy({
    snapshots,
    credentials,
    limits,
    clock,
    authority,
    egress,
    audit,
    level: options.capture === undefined ? 'cooperative' : 'captured',
    ...(options.maxReadMs === undefined ? {} : { maxReadMs: options.maxReadMs }),
    ...(options.maxHeldBytes === undefined ? {} : { maxHeldBytes: options.maxHeldBytes }),
  });
  const close = async (): Promise<void> => {
    await proxy.close();
    await credentials.close();
    await limits.close();
    rmSync(keysDirectory, { recursive: true, force: true });
  };
  const listen = async (): Promise<Pick<Fixture, 'port' | 'captured'>> => {
    const { port } = await proxy.listen(options.port ?? 0, hosts);
    if (options.capture === undefined) return { port, captured: null };
    const { ports = [], relays = [] } = options.capture;
    const { capturePorts } = options;
    const own = capturePorts === undefined ? [{ port: origin.port, listener: 0 }] : [];
    const plan = { ports: [...own, ...ports], relays };
    return { port, captured: await proxy.capture(plan, capturePorts ?? { tls: 0, http: 0 }, hosts) };
  };
  const listening = await listen().catch(async (error: unknown) => {
    await close();
    throw error;
  });
  return {
    ...listening,
    caPem: authority.certificatePem,
    records,
    record: () =>
      waitFor({ what: 'the next record', timeoutMs: 5000, everyMs: 5 }, async () => {
        const next = records[taken];
        if (next !== undefined) taken += 1;
        return next;
      }),
    swap: (ruleset) => snapshots.swap(compile({ ...base, ...ruleset })),
    setFresh: (fresh) => snapshots.setFresh(fresh),
    setSecret: (value) => {
      secret = value;
    },
    beforeResolve: (next) => {
      hook = next;
    },
    beforeDial: (next) => {
      dialHook = next;
    },
    close,
  };
}

/** A snapshot source whose snapshot and lease the test sets. */
function createSwitch(first: Snapshot): SnapshotSource & {
  swap(next: Snapshot): void;
  setFresh(fresh: boolean): void;
} {
  let current = first;
  let fresh = true;
  const listeners = new Set<(snapshot: Snapshot) => void>();
  return {
    current: () => current,
    fresh: () => fresh,
    onChange: (listener) => {
      listeners.add(listener);
      return () => listeners.delete(listener);
    },
    swap: (next) => {
      current = next;
      for (const listener of listeners) listener(next);
    },
    setFresh: (next) => {
      fresh = next;
    },
  };
}
