// What a run leaves behind for people to see: traces, logs, events, statuses, metrics.

import { readdirSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { waitFor } from '../cluster/deadline.ts';
import type { ClusterNode } from '../cluster/node.ts';

export interface SeenSpan {
  readonly id: string;
  readonly parentId: string | null;
  readonly name: string;
  readonly service: string;
  readonly kind: string;
  readonly tags: Readonly<Record<string, unknown>>;
}

interface JaegerTrace {
  readonly spans: readonly {
    readonly spanID: string;
    readonly operationName: string;
    readonly processID: string;
    readonly references: readonly { readonly refType: string; readonly spanID: string }[];
    readonly tags: readonly { readonly key: string; readonly value: unknown }[];
  }[];
  readonly processes: Readonly<Record<string, { readonly serviceName: string }>>;
}

/** The spans of one trace, once the SERVER span among them has arrived. */
export async function spansOf(node: ClusterNode, traceId: string): Promise<SeenSpan[]> {
  let spans: SeenSpan[] = [];
  await waitFor({ what: `the trace ${traceId}`, timeoutMs: 20_000 }, async () => {
    const response = await fetch(`${node.jaeger.queryUrl}/api/traces/${traceId}`);
    const body = (await response.json()) as { data?: readonly JaegerTrace[] | null };
    spans = (body.data ?? []).flatMap(readTrace);
    return spans.some(({ kind }) => kind === 'server');
  });
  return spans;
}

function readTrace(trace: JaegerTrace): SeenSpan[] {
  return trace.spans.map((span) => {
    const tags = Object.fromEntries(span.tags.map(({ key, value }) => [key, value]));
    return {
      id: span.spanID,
      parentId: span.references.find(({ refType }) => refType === 'CHILD_OF')?.spanID ?? null,
      name: span.operationName,
      service: trace.processes[span.processID]?.serviceName ?? '',
      kind: typeof tags['span.kind'] === 'string' ? tags['span.kind'] : 'internal',
      tags,
    };
  });
}

/** Text of every log, event, status, span and metric of the run, by where it was found. */
export async function everythingObservable(node: ClusterNode): Promise<Record<string, string>> {
  const places: Record<string, string> = {};
  for (const entry of readdirSync(node.podLogsFolder, { recursive: true, withFileTypes: true })) {
    const path = join(entry.parentPath, entry.name);
    if (entry.isFile()) places[path] = readFileSync(path, 'utf8');
  }
  const kinds = 'events,agcred,agpol,agstore,agdest,pods,deployments,configmaps,leases';
  places['objects, events and statuses'] = await node.kubectl(['get', kinds, '-A', '-o', 'json']);
  const pods = (await node.kubectl(['get', 'pods', '-n', 'outrider-system', '-o', 'name']))
    .trim()
    .split('\n');
  for (const pod of pods) {
    const path = `/api/v1/namespaces/outrider-system/pods/${pod.replace('pod/', '')}:8080/proxy/metrics`;
    places[`metrics of ${pod}`] = await node.kubectl(['get', '--raw', path]);
  }
  const services = (await (await fetch(`${node.jaeger.queryUrl}/api/services`)).json()) as { data: string[] };
  for (const service of services.data) {
    const query = new URLSearchParams({ service, limit: '10000', lookback: '1h' });
    places[`spans of ${service}`] = await (
      await fetch(`${node.jaeger.queryUrl}/api/traces?${query.toString()}`)
    ).text();
  }
  return places;
}
