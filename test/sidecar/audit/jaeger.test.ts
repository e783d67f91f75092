import assert from 'node:assert/strict';
import { after, before, test } from 'node:test';
import { createSpanExport } from '../../../sidecar/audit/span-export.ts';
import { waitFor } from '../../cluster/deadline.ts';
import { startJaeger, type Jaeger } from '../../cluster/jaeger.ts';
import { createSettableSnapshots, rulesetWith } from '../settable-snapshots.ts';
import { agentSpan, agentTrace, exchange } from './exchanges.ts';

interface JaegerTrace {
  readonly spans: readonly {
    readonly spanID: string;
    readonly operationName: string;
    readonly startTime: number;
    readonly duration: number;
    readonly references: readonly { readonly spanID: string }[];
    readonly tags: readonly { readonly key: string; readonly value: string | number | boolean }[];
    readonly processID: string;
  }[];
  readonly processes: Readonly<Record<string, { readonly serviceName: string }>>;
}

let jaeger: Jaeger & { stop(): Promise<void> };

before(async () => {
  jaeger = await startJaeger();
});
after(() => jaeger?.stop());

test('a real Jaeger shows the trace of an exchange, with its parts, times and attributes', async () => {
  const snapshots = createSettableSnapshots();
  snapshots.set(rulesetWith({ telemetry: { endpoint: jaeger.otlpEndpoint, caBundle: jaeger.caPem } }));
  const codes: string[] = [];
  const spans = createSpanExport({
    snapshots,
    diagnostics: { failed: ({ code }) => codes.push(code), happened: () => {} },
    resource: { 'service.name': 'outrider-sidecar', 'k8s.pod.name': 'triage-1' },
  });
  const record = exchange();
  spans.record(record);
  await spans.close();
  assert.deepEqual(codes, []);

  const trace = await waitFor({ what: 'the trace', timeoutMs: 10_000 }, async () => {
    const answer = await fetch(`${jaeger.queryUrl}/api/traces/${agentTrace}`);
    return answer.ok && ((await answer.json()) as { readonly data: readonly JaegerTrace[] }).data[0];
  });
  const found = trace.spans.map((span) => {
    const tags = Object.fromEntries(span.tags.map(({ key, value }) => [key, value]));
    return [span.operationName, tags['span.kind'], span.references[0]?.spanID];
  });
  assert.deepEqual(
    new Set(found.map((each) => each.join(' '))),
    new Set([
      `GET server ${agentSpan}`,
      `decide internal ${record.trace.spanId}`,
      `resolve internal ${record.trace.spanId}`,
      `GET client ${record.trace.spanId}`,
    ]),
  );
  const server = trace.spans.find(({ spanID }) => spanID === record.trace.spanId) ?? assert.fail();
  assert.deepEqual([server.startTime, server.duration], [1_777_636_800_000_250, 12_500]);
  assert.equal(trace.processes[server.processID]?.serviceName, 'outrider-sidecar');
  const tags = Object.fromEntries(server.tags.map(({ key, value }) => [key, value]));
  assert.equal(tags['outrider.policy'], 'research');
  assert.equal(tags['outrider.credential'], 'github-bot');
  assert.equal(tags['http.response.status_code'], 200);
  assert.equal(tags['url.path'], '/repos/acme/docs');
});
