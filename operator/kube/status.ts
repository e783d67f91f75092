// Writes the status of our kinds: only what differs, no more often than every few seconds per object, by server-side
// apply, so that conditions of other writers stay.

import { apiVersion } from '../../policy/contract.ts';
import { kinds, type KindName } from '../../policy/resources/kinds.ts';
import type { Condition } from '../../policy/resources/status.ts';
import { canonicalJson } from '../../policy/ruleset.ts';
import { codeOf } from '../errors.ts';
import type { Metrics } from '../metrics.ts';
import type { KubeClient, KubeObject } from './client.ts';
import { keyOf } from './store.ts';

/** A condition as a controller decides it; since when it holds is kept here. */
export type DesiredCondition = Pick<Condition, 'type' | 'status' | 'reason' | 'message'>;

export interface DesiredStatus {
  readonly conditions: readonly DesiredCondition[];
  /** The kind's other fields. */
  readonly fields?: Readonly<Record<string, unknown>>;
}

export interface StatusObject extends KubeObject {
  readonly status?: Readonly<Record<string, unknown>> & { readonly conditions?: readonly Condition[] };
}

export type StatusResult =
  | { readonly kind: 'same' | 'written' | 'gone' }
  /** Too soon after the last write. */
  | { readonly kind: 'wait'; readonly afterMs: number };

export interface StatusWriter {
  /** @throws {OperatorError} when the API server does not take it. */
  write(
    kind: KindName,
    object: StatusObject,
    desired: DesiredStatus,
    signal: AbortSignal,
  ): Promise<StatusResult>;
}

/** A thousand agents that change state one by one must not become a thousand writes of one object. */
const minIntervalMs = 5_000;
/** The API server's limit of a condition's message (metav1.Condition). */
const maxMessageLength = 32_768;
const fieldManager = 'outrider-operator';
/** What controllers decide; not all of it at all times. */
const ownConditions = ['Ready', 'Degraded', 'Advice'];

export function createStatusWriter({
  client,
  metrics,
  intervalMs = minIntervalMs,
}: {
  readonly client: KubeClient;
  readonly metrics: Metrics;
  readonly intervalMs?: number | undefined;
}): StatusWriter {
  /** When each object was written last; the oldest first. */
  const writtenAtMs = new Map<string, number>();

  function waitOf(key: string, now: number): number {
    for (const [written, atMs] of writtenAtMs) {
      if (now - atMs < intervalMs) break;
      writtenAtMs.delete(written);
    }
    const atMs = writtenAtMs.get(key);
    return atMs === undefined ? 0 : atMs + intervalMs - now;
  }

  return {
    write: async (kind, object, desired, signal) => {
      const now = performance.now();
      const status = completeStatus(object, desired);
      if (canonicalJson(status) === canonicalJson(ownPart(object))) return { kind: 'same' };
      const key = `${kind} ${keyOf(object)}`;
      const afterMs = waitOf(key, now);
      // Among them what the watch has not shown yet: by then it has, and nothing differs.
      if (afterMs > 0) return { kind: 'wait', afterMs };
      const { namespace, name, resourceVersion } = object.metadata;
      const place = namespace === undefined ? '' : `namespaces/${namespace}/`;
      try {
        await client.request({
          method: 'PATCH',
          path: `/apis/${apiVersion}/${place}${kinds[kind].plural}/${name}/status`,
          query: { fieldManager, force: 'true' },
          patch: 'apply-patch',
          // A status that was decided by an older view (of a replica that leads no more, or of an object that was
          // deleted and made anew) is refused. A uid here would be ignored: tried.
          body: { apiVersion, kind, metadata: { name, namespace, resourceVersion }, status },
          signal,
        });
      } catch (error) {
        if (codeOf(error) === 'KUBE_NOT_FOUND') return { kind: 'gone' };
        throw error;
      }
      metrics.statusWrites.inc({ kind });
      writtenAtMs.set(key, now);
      return { kind: 'written' };
    },
  };
}

/** `lastTransitionTime` moves only when the condition's status does. */
function completeStatus(object: StatusObject, desired: DesiredStatus): Record<string, unknown> {
  const observedGeneration = object.metadata.generation ?? 0;
  const now = new Date().toISOString().replace(/\.\d+Z$/, 'Z');
  const conditions = desired.conditions.map((condition): Condition => {
    const before = conditionsOf(object).find(({ type }) => type === condition.type);
    return {
      ...condition,
      message: condition.message.slice(0, maxMessageLength),
      observedGeneration,
      lastTransitionTime: before?.status === condition.status ? before.lastTransitionTime : now,
    };
  });
  return { ...desired.fields, observedGeneration, conditions };
}

/** The object's status without the conditions of others, in our order. */
function ownPart(object: StatusObject): unknown {
  if (object.status === undefined) return null;
  const known = conditionsOf(object);
  const conditions = ownConditions.flatMap((own) => known.filter(({ type }) => type === own));
  return { ...object.status, conditions };
}

/** Whatever was stored while the schema was another one must not keep the status from being put right. */
function conditionsOf({ status }: StatusObject): readonly Condition[] {
  const conditions: unknown = status?.conditions;
  if (!Array.isArray(conditions)) return [];
  return (conditions as unknown[]).filter((each) => typeof each === 'object' && each !== null) as Condition[];
}
