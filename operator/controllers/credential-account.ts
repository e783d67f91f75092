// What the leader tells of credentials beside their status: Kubernetes Events on transitions, and metrics. Of an agent it
// knows a state and a code, so neither can hold a value.

import { apiVersion } from '../../policy/contract.ts';
import type { CredentialState } from '../control/reports.ts';
import type { EventRecorder, NewEvent } from '../kube/events.ts';
import type { RawResource } from '../kube/informers.ts';
import { keyOf } from '../kube/store.ts';
import type { Metrics } from '../metrics.ts';
import { codeOf, countsOf, failureCause, type BoundAgent } from './bound-agents.ts';
import { causeOfCode } from './failure-causes.ts';

export interface CredentialAccount {
  /** @param lastRotationTime as the status will have it. */
  take(object: RawResource, bound: readonly BoundAgent[], lastRotationTime: string | null): void;
  forget(key: string): void;
  /** @param pending asks for every credential to be taken again. */
  begin(term: AbortSignal, pending: () => void): void;
}

/** By then every sidecar has reported to the new leader twice (SidecarReport, contract.ts); before, its view is partial. */
const defaultSettleMs = 60_000;

interface Seen {
  /** By the pod's uid; those that have said nothing are not in it. */
  readonly agents: ReadonlyMap<string, CredentialState>;
  readonly counts: ReturnType<typeof countsOf>;
}

/** What was told last, by an event, or by the status when this replica was not leading. */
interface Told {
  resolved: boolean;
  failing: string | null;
  lastRotationTime: string | null;
}

export function createCredentialAccount(deps: {
  readonly events: Pick<EventRecorder, 'record'>;
  readonly metrics: Pick<Metrics, 'credentialAgents' | 'credentialRotations' | 'credentialFailures'>;
  readonly settleMs?: number | undefined;
}): CredentialAccount {
  const { events, metrics, settleMs = defaultSettleMs } = deps;
  const seen = new Map<string, Seen>();
  const told = new Map<string, Told>();
  const totals = { bound: 0, resolved: 0, failing: 0 };
  let settled = false;

  function total(counts: Seen['counts'] | undefined, sign: 1 | -1): void {
    if (counts === undefined) return;
    for (const state of ['bound', 'resolved', 'failing'] as const) {
      totals[state] += sign * counts[state];
      metrics.credentialAgents.set({ state }, totals[state]);
    }
  }

  function count(key: string, bound: readonly BoundAgent[]): void {
    const before = seen.get(key);
    const agents = new Map<string, CredentialState>();
    for (const agent of bound) {
      if (agent.state === null) continue;
      const { state, rotatedAt } = agent.state;
      agents.set(agent.uid, {
        state,
        ...(state === 'Failing' ? { code: codeOf(agent) } : {}),
        ...(rotatedAt === undefined ? {} : { rotatedAt }),
      });
    }
    const after: Seen = { agents, counts: countsOf(bound) };
    for (const [uid, { rotatedAt, code }] of settled ? agents : []) {
      const earlier = before?.agents.get(uid);
      if (earlier !== undefined && rotatedAt !== undefined && rotatedAt !== earlier.rotatedAt) {
        metrics.credentialRotations.inc();
      }
      if (code !== undefined && code !== earlier?.code) {
        metrics.credentialFailures.inc({ reason: causeOfCode(code).reason });
      }
    }
    total(before?.counts, -1);
    total(after.counts, 1);
    seen.set(key, after);
  }

  function tell(object: RawResource, bound: readonly BoundAgent[], lastRotationTime: string | null): void {
    const key = keyOf(object);
    const last = told.get(key) ?? toldBy(object);
    told.set(key, last);
    if (!settled) return;
    const record = (event: Pick<NewEvent, 'type' | 'reason' | 'note' | 'about'>): void =>
      events.record({ regarding: referenceTo(object), action: 'ReadSecret', ...event });
    const { bound: agents, resolved } = countsOf(bound);
    const failure = failureCause(bound);
    const holding = `${resolved} of ${agents} agents hold the secret`;
    if (lastRotationTime !== null && lastRotationTime !== last.lastRotationTime) {
      last.lastRotationTime = lastRotationTime;
      record({
        type: 'Normal',
        reason: 'SecretRotated',
        note: `agents use a new value of the secret; ${holding}`,
      });
    }
    if (failure !== null && failure.reason !== last.failing) {
      last.failing = failure.reason;
      record({
        type: 'Warning',
        reason: 'SecretFailing',
        note: `${failure.reason}: ${failure.message}`,
        about: failure.reason,
      });
    }
    if (failure === null && agents > 0 && resolved === agents && (!last.resolved || last.failing !== null)) {
      last.resolved = true;
      last.failing = null;
      record({ type: 'Normal', reason: 'SecretResolved', note: holding });
    }
  }

  return {
    take: (object, bound, lastRotationTime) => {
      count(keyOf(object), bound);
      tell(object, bound, lastRotationTime);
    },
    forget: (key) => {
      total(seen.get(key)?.counts, -1);
      seen.delete(key);
      told.delete(key);
    },
    begin: (term, pending) => {
      settled = false;
      const timer = setTimeout(() => {
        settled = true;
        pending();
      }, settleMs);
      term.addEventListener('abort', () => {
        clearTimeout(timer);
        settled = false;
        for (const { counts } of seen.values()) total(counts, -1);
        seen.clear();
        told.clear();
      });
    },
  };
}

/** A status that was written while another schema held is read as far as it can be. */
function toldBy({ status }: RawResource): Told {
  const { agents, lastRotationTime, conditions } = (status ?? {}) as {
    readonly agents?: { readonly resolved?: unknown; readonly failing?: unknown };
    readonly lastRotationTime?: unknown;
    readonly conditions?: unknown;
  };
  const list = (Array.isArray(conditions) ? conditions : []) as {
    readonly type?: unknown;
    readonly reason?: unknown;
  }[];
  const reason = list.find((condition) => condition?.type === 'Degraded')?.reason;
  return {
    resolved: Number(agents?.resolved ?? 0) > 0,
    failing: Number(agents?.failing ?? 0) > 0 && typeof reason === 'string' ? reason : null,
    lastRotationTime: typeof lastRotationTime === 'string' ? lastRotationTime : null,
  };
}

function referenceTo({ metadata }: RawResource): NewEvent['regarding'] {
  const { namespace = '', name, uid = '' } = metadata;
  return { apiVersion, kind: 'AgentCredential', namespace, name, uid };
}
