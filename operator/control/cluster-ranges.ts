// Ranges of this cluster's pods, Services and nodes that lie among public addresses: what a public name must not lead to,
// though no registry says so. The platform's list, and what the API server shows of nodes and Services.

import type { FastifyBaseLogger } from 'fastify';
import { aggregateRanges, containsRange, formatRange, parseRange } from '../../policy/address-ranges.ts';
import { reachesPublic } from '../../policy/special-ranges.ts';
import type { OperatorConfig } from '../config.ts';
import type { Informers } from '../kube/informers.ts';

export interface ClusterRanges {
  /** Sorted, without overlaps; the same list until it changes. */
  current(): readonly string[];
  onChange(listener: () => void): void;
  close(): void;
}

export interface ClusterRangesTiming {
  readonly growMs: number;
  readonly shrinkMs: number;
}

/**
 * Each change is a new revision for every agent, which ends its upstream connections. Nodes that an autoscaler brings
 * come in groups, so they wait a little for each other; nodes that go leave addresses whose refusal harms nobody, and
 * often come back.
 */
const defaultTiming: ClusterRangesTiming = { growMs: 10_000, shrinkMs: 600_000 };
/** Of each family: 20 KiB of each ruleset. Beyond, neighbours are closed too, and the log says what to write. */
const maxRanges = 1024;

export function createClusterRanges({
  informers,
  config,
  log,
  timing = defaultTiming,
}: {
  readonly informers: Pick<Informers, 'nodes' | 'serviceCidrs'>;
  readonly config: Pick<OperatorConfig, 'OUTRIDER_CLUSTER_CIDRS'>;
  readonly log: FastifyBaseLogger;
  readonly timing?: ClusterRangesTiming | undefined;
}): ClusterRanges {
  const sources = [informers.nodes, informers.serviceCidrs];
  const listeners: (() => void)[] = [];
  let published: readonly string[] | null = null;
  let timer: NodeJS.Timeout | undefined;
  let dueMs = Infinity;
  /** Since when something is in the list that is no longer in the cluster. */
  let shrunkAtMs: number | null = null;

  function read(): readonly string[] {
    const seen = sources.flatMap((source) => source.list().flatMap(({ ranges }) => ranges));
    const ranges = [...config.OUTRIDER_CLUSTER_CIDRS, ...seen]
      .map(parseRange)
      .filter((range) => range !== null)
      .filter(reachesPublic);
    const exact = aggregateRanges(ranges);
    const bounded = aggregateRanges(exact, maxRanges);
    if (bounded.length < exact.length) {
      const [had, has] = [exact.length, bounded.length];
      log.warn({ had, has }, 'the cluster has too many public addresses; name their ranges in cluster.cidrs');
    }
    return bounded.map(formatRange);
  }

  function look(): void {
    timer = undefined;
    dueMs = Infinity;
    const next = read();
    const before = published ?? [];
    if (String(next) === String(before)) {
      shrunkAtMs = null;
      return;
    }
    const nowMs = performance.now();
    shrunkAtMs ??= nowMs;
    const restMs = shrunkAtMs + timing.shrinkMs - nowMs;
    if (restMs > 0 && !hasMore(next, before)) return lookIn(restMs);
    shrunkAtMs = null;
    published = next;
    log.info({ ranges: next.length }, 'public ranges of the cluster have changed');
    for (const listener of listeners) listener();
  }

  function lookIn(afterMs: number): void {
    const atMs = performance.now() + afterMs;
    if (atMs >= dueMs) return;
    clearTimeout(timer);
    dueMs = atMs;
    timer = setTimeout(look, afterMs).unref();
  }

  for (const source of sources) {
    source.onChange(({ current, previous }) => {
      // A node's status changes every few minutes, its addresses hardly ever.
      if (published === null || String(current?.ranges ?? []) === String(previous?.ranges ?? [])) return;
      lookIn(timing.growMs);
    });
  }

  return {
    current: () => {
      if (published !== null) return published;
      const first = read();
      // Before the lists are whole, what is read is not kept.
      if (sources.every((source) => source.synced())) published = first;
      return first;
    },
    onChange: (listener) => void listeners.push(listener),
    close: () => clearTimeout(timer),
  };
}

/** Whether something is in `next` that nothing in `before` contains. */
function hasMore(next: readonly string[], before: readonly string[]): boolean {
  const known = new Set(before);
  const ranges = before.map(parseRange).filter((range) => range !== null);
  return next
    .filter((text) => !known.has(text))
    .map(parseRange)
    .some((range) => range !== null && !ranges.some((each) => containsRange(each, range)));
}
