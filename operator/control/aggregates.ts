// The fleet's reports on the leader. Reports reach any replica, each on a connection of its own, so sums of counts
// would count an agent on every replica it ever spoke to. Replicas therefore send one short line per agent, and the
// leader keeps the newest line of each (docs/decisions/0003-agent-counts.md).

import { z } from 'zod';
import { maxShadowReports, type ShadowReport } from '../../policy/contract.ts';
import { canonicalJson } from '../../policy/ruleset.ts';
import {
  credentialState,
  parseBody,
  shadowKey,
  shadowReport,
  shadowsOf,
  statesOf,
  type CredentialState,
  type HeldReport,
  type Reports,
} from './reports.ts';

export interface Aggregates {
  /** Replaces what a replica said before. @throws {OperatorError} REQUEST_INVALID. */
  take(replica: string, body: unknown): void;
  /** What an agent said last of a credential, to any replica that still speaks. */
  stateOf(uid: string, credential: string): CredentialState | null;
  /** What an agent counted of a policy in mode Audit, likewise. */
  shadowOf(uid: string, policy: string, isCluster: boolean): ShadowReport | null;
  onChange(listener: (namespace: string, credential: string) => void): void;
  onShadowChange(listener: (namespace: string, shadow: ShadowReport) => void): void;
}

/** A replica that has been silent for so long is gone; its sidecars report to another one. */
const defaultLifetimeMs = 30_000;
/** DESIGN's budget is 1,000 sidecars a replica; this bounds what one message can make the leader hold. */
const maxAgents = 20_000;
export const maxAggregatesBytes = 8 * 1024 * 1024;
/** About 1 MiB of a message, 3 MiB with the longest names: credentials' states must arrive however many policies are audited. */
const maxShadowLines = 10_000;

const message = z.object({
  agents: z
    .array(
      z.object({
        uid: z.string().min(1).max(64),
        namespace: z.string().min(1).max(63),
        /** Ages, not times: replicas' clocks need not agree. */
        ageMs: z.number().min(0),
        credentials: z.array(credentialState).max(256),
        // Replicas before this field send none.
        shadow: z.array(shadowReport).max(maxShadowReports).default([]),
      }),
    )
    .max(maxAgents),
});

export type AggregatesMessage = z.infer<typeof message>;

/** What a replica sends. */
export function aggregatesOf(reports: readonly HeldReport[]): AggregatesMessage {
  const now = performance.now();
  let shadowLines = 0;
  return {
    agents: reports.slice(0, maxAgents).map(({ uid, namespace, takenAtMs, credentials, shadow }) => {
      shadowLines += shadow.size;
      return {
        uid,
        namespace,
        ageMs: Math.round(now - takenAtMs),
        credentials: [...credentials].map(([name, state]) => ({ name, ...state })),
        shadow: shadowLines > maxShadowLines ? [] : [...shadow.values()],
      };
    }),
  };
}

type Line = Pick<HeldReport, 'namespace' | 'credentials' | 'shadow' | 'takenAtMs'>;

export function createAggregates({
  reports,
  replicaLifetimeMs = defaultLifetimeMs,
}: {
  readonly reports: Reports;
  readonly replicaLifetimeMs?: number;
}): Aggregates {
  const replicas = new Map<
    string,
    { readonly lines: ReadonlyMap<string, Line>; readonly heardAtMs: number }
  >();
  const listeners: ((namespace: string, credential: string) => void)[] = [];
  const shadowListeners: ((namespace: string, shadow: ShadowReport) => void)[] = [];

  /** Tells of every credential that either line names; the controllers write only what differs. */
  function tell(before: Line | undefined, after: Line): void {
    for (const name of new Set([...(before?.credentials.keys() ?? []), ...after.credentials.keys()])) {
      if (isSame(before?.credentials.get(name), after.credentials.get(name))) continue;
      for (const listener of listeners) listener(after.namespace, name);
    }
    for (const [key, shadow] of new Map([...(before?.shadow ?? []), ...after.shadow])) {
      if (canonicalJson(before?.shadow.get(key)) === canonicalJson(after.shadow.get(key))) continue;
      for (const listener of shadowListeners) listener(after.namespace, shadow);
    }
  }

  /** What the replica heard that heard it last. */
  function newestOf(uid: string): Line | undefined {
    const oldestMs = performance.now() - replicaLifetimeMs;
    const lines: (Line | undefined)[] = [reports.get(uid)];
    for (const [replica, { lines: theirs, heardAtMs }] of replicas) {
      if (heardAtMs < oldestMs) replicas.delete(replica);
      else lines.push(theirs.get(uid));
    }
    return lines.filter((line) => line !== undefined).toSorted((a, b) => b.takenAtMs - a.takenAtMs)[0];
  }

  reports.onChange((report, previous) => tell(previous, report));

  return {
    take: (replica, body) => {
      const { agents } = parseBody(message, body);
      const now = performance.now();
      const before = replicas.get(replica)?.lines;
      const lines = new Map(
        agents.map(({ uid, namespace, ageMs, credentials, shadow }) => [
          uid,
          {
            namespace,
            takenAtMs: now - ageMs,
            credentials: statesOf(credentials),
            shadow: shadowsOf(shadow),
          },
        ]),
      );
      replicas.set(replica, { lines, heardAtMs: now });
      for (const [uid, line] of lines) tell(before?.get(uid), line);
    },
    stateOf: (uid, credential) => newestOf(uid)?.credentials.get(credential) ?? null,
    shadowOf: (uid, policy, isCluster) => newestOf(uid)?.shadow.get(shadowKey(policy, isCluster)) ?? null,
    onChange: (listener) => void listeners.push(listener),
    onShadowChange: (listener) => void shadowListeners.push(listener),
  };
}

function isSame(a: CredentialState | undefined, b: CredentialState | undefined): boolean {
  return a?.state === b?.state && a?.code === b?.code && a?.rotatedAt === b?.rotatedAt;
}
