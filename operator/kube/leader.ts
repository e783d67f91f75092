// Which replica writes statuses and mints certificates: leader election over a Lease, as client-go does it (the
// library has none). Other replicas' clocks are never compared with ours: a lease is old when *we* have not seen it
// change for its duration. A leader stops before others may start, even when its process was frozen meanwhile.

import { setTimeout as sleep } from 'node:timers/promises';
import type { FastifyBaseLogger } from 'fastify';
import { codeOf, OperatorError } from '../errors.ts';
import type { Metrics } from '../metrics.ts';
import type { KubeClient, KubeObject } from './client.ts';

export interface Leader {
  /** Name of the leader's pod. */
  readonly pod: string;
  /** Where the leader's control port is: `address:port`, IPv6 in brackets. */
  readonly address: string;
}

export interface Election {
  /** False as soon as another replica might lead, whether or not that was noticed. */
  leads(): boolean;
  /** The replica that leads now, possibly this one; null while nobody does. */
  leader(): Leader | null;
  /** Called at the begin of each term with a signal that aborts at its end. */
  onTerm(begin: (term: AbortSignal) => void): void;
  start(): void;
  /** Gives the lease back, so that another replica takes over at once. */
  stop(): Promise<void>;
}

export interface ElectionDeps {
  readonly client: KubeClient;
  readonly log: FastifyBaseLogger;
  readonly metrics: Metrics;
  readonly namespace: string;
  readonly name: string;
  readonly self: Leader;
  readonly timing?: ElectionTiming | undefined;
}

export interface ElectionTiming {
  /** Others take over when the lease has not changed for so long. */
  readonly leaseMs: number;
  /** The leader stops when it could not renew for so long; what it had begun must end in the difference. */
  readonly renewDeadlineMs: number;
  readonly retryMs: number;
}

/** client-go's defaults. */
const defaultTiming: ElectionTiming = { leaseMs: 15_000, renewDeadlineMs: 10_000, retryMs: 2_000 };

interface Lease extends KubeObject {
  readonly spec?: {
    readonly holderIdentity?: string;
    readonly leaseDurationSeconds?: number;
    readonly acquireTime?: string;
    readonly renewTime?: string;
    readonly leaseTransitions?: number;
  };
}

export function createElection(deps: ElectionDeps): Election {
  const { client, log, self, timing = defaultTiming } = deps;
  const collection = `/apis/coordination.k8s.io/v1/namespaces/${deps.namespace}/leases`;
  const path = `${collection}/${deps.name}`;
  const identity = `${self.pod}_${self.address}`;
  const stopping = new AbortController();
  const listeners: ((term: AbortSignal) => void)[] = [];
  let observed: Lease | null = null;
  let observedAtMs = -Infinity;
  let leadsUntilMs = -Infinity;
  let term: AbortController | null = null;
  let expiry: NodeJS.Timeout | undefined;
  let running: Promise<void> = Promise.resolve();

  const leads = (): boolean => term !== null && performance.now() < leadsUntilMs;

  function observe(lease: Lease): void {
    if (lease.metadata.resourceVersion !== observed?.metadata.resourceVersion)
      observedAtMs = performance.now();
    observed = lease;
  }

  function holder(): string | null {
    const { holderIdentity = '', leaseDurationSeconds = timing.leaseMs / 1000 } = observed?.spec ?? {};
    const expired = performance.now() - observedAtMs > leaseDurationSeconds * 1000;
    return holderIdentity === '' || expired ? null : holderIdentity;
  }

  function write(fields: NonNullable<Lease['spec']>): Promise<Lease> {
    const body: Lease = {
      apiVersion: 'coordination.k8s.io/v1',
      kind: 'Lease',
      // With the version we saw, the API server refuses the slower of two replicas that try at once.
      metadata: observed?.metadata ?? { name: deps.name, namespace: deps.namespace },
      spec: fields,
    };
    return client.request<Lease>({
      method: observed === null ? 'POST' : 'PUT',
      path: observed === null ? collection : path,
      body,
      timeoutMs: timing.renewDeadlineMs / 2,
    });
  }

  /** Takes or renews the lease. @throws {OperatorError} when that cannot be done now. */
  async function claim(): Promise<void> {
    const askedAtMs = performance.now();
    const now = microTime();
    const { holderIdentity, acquireTime = now, leaseTransitions = 0 } = observed?.spec ?? {};
    const renews = holderIdentity === identity;
    const lease = await write({
      holderIdentity: identity,
      leaseDurationSeconds: Math.ceil(timing.leaseMs / 1000),
      acquireTime: renews ? acquireTime : now,
      renewTime: now,
      leaseTransitions: renews ? leaseTransitions : leaseTransitions + 1,
    });
    observe(lease);
    // From when we asked: the others may have seen the lease at any time since.
    leadsUntilMs = askedAtMs + timing.renewDeadlineMs;
    clearTimeout(expiry);
    expiry = setTimeout(endTerm, leadsUntilMs - performance.now(), 'the lease could not be renewed');
    if (term === null) beginTerm();
  }

  async function attempt(): Promise<void> {
    if (!leads()) {
      observe(await client.request<Lease>({ method: 'GET', path, timeoutMs: timing.renewDeadlineMs / 2 }));
      const current = holder();
      if (current !== null && current !== identity) return;
    }
    await claim();
  }

  function beginTerm(): void {
    term = new AbortController();
    deps.metrics.leader.set(1);
    log.info({ identity }, 'this replica leads');
    for (const begin of listeners) {
      try {
        begin(term.signal);
      } catch (error) {
        log.error({ err: error }, 'a listener failed at the begin of a term');
      }
    }
  }

  function endTerm(reason: string): void {
    if (term === null) return;
    log.warn({ identity, reason }, 'this replica no longer leads');
    deps.metrics.leader.set(0);
    clearTimeout(expiry);
    leadsUntilMs = -Infinity;
    term.abort();
    term = null;
  }

  async function recover(error: unknown): Promise<void> {
    switch (codeOf(error)) {
      case 'KUBE_NOT_FOUND':
        observed = null;
        return claim().catch(recoverLater);
      case 'KUBE_CONFLICT':
        // Who holds the lease now, the next look will say.
        return endTerm('another replica has changed the lease');
      default:
        return recoverLater(error);
    }
  }

  function recoverLater(error: unknown): void {
    log.warn({ err: error }, 'the lease could not be read or written');
  }

  async function run(): Promise<void> {
    while (!stopping.signal.aborted) {
      try {
        await attempt();
      } catch (error) {
        await recover(error);
      }
      const waitMs = timing.retryMs * (0.8 + Math.random() * 0.4);
      await sleep(waitMs, undefined, { signal: stopping.signal }).catch(() => undefined);
    }
  }

  return {
    leads,
    leader: () => {
      const [pod, address] = holder()?.split('_') ?? [];
      return pod === undefined || address === undefined ? null : { pod, address };
    },
    onTerm: (begin) => void listeners.push(begin),
    start: () => {
      running = run();
    },
    stop: async () => {
      stopping.abort();
      await running;
      const led = leads();
      endTerm('the replica is shutting down');
      if (!led) return;
      await write({ ...observed?.spec, holderIdentity: '', renewTime: microTime() }).catch(
        (error: unknown) => {
          if (error instanceof OperatorError) log.warn({ err: error }, 'the lease could not be given back');
        },
      );
    },
  };
}

/** metav1.MicroTime has exactly six digits. */
function microTime(): string {
  return new Date().toISOString().replace('Z', '000Z');
}
