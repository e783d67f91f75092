// Where the spans go: to the collector that the ruleset in force names, in batches, in the background. What
// cannot be delivered is dropped; no request ever waits for it or learns of it.

import { Agent } from 'node:http';
import { ExportResultCode } from '@opentelemetry/core';
import { OTLPTraceExporter } from '@opentelemetry/exporter-trace-otlp-http';
import { resourceFromAttributes } from '@opentelemetry/resources';
import { BatchSpanProcessor, type SpanExporter } from '@opentelemetry/sdk-trace';
import { canonicalJson, type RulesetTelemetry } from '../../policy/ruleset.ts';
import { createVerifyingAgent } from '../bounded-call.ts';
import type { SnapshotSource } from '../control/snapshot.ts';
import type { Diagnostics } from '../diagnostics.ts';
import { SidecarError } from '../errors.ts';
import { exchangeSpans } from './exchange-spans.ts';
import type { Audit } from './record.ts';

export interface SpanExportOptions {
  readonly snapshots: SnapshotSource;
  readonly diagnostics: Diagnostics;
  /** Of the pod, as `k8s.*` and `service.*`. */
  readonly resource: Readonly<Record<string, string>>;
}

/**
 * 512 exchanges of four spans, some 2 MiB. A full batch leaves at once, so a burst that fills the queue is faster
 * than the collector answers.
 */
const maxQueueSize = 2048;
const maxExportBatchSize = 512;
const scheduledDelayMillis = 1000;
const exportTimeoutMillis = 5000;
const closeTimeoutMs = 3000;

export function createSpanExport({ snapshots, diagnostics, resource: attributes }: SpanExportOptions): Audit {
  const resource = resourceFromAttributes(attributes);
  let processor: BatchSpanProcessor | null = null;
  let endpoint = '';

  function direct(telemetry: RulesetTelemetry | null): void {
    const wanted = canonicalJson(telemetry);
    if (wanted === endpoint) return;
    endpoint = wanted;
    const previous = processor;
    processor = telemetry === null ? null : open(telemetry);
    previous?.shutdown().catch(() => {}); // sends what it still holds; failures were told by its exporter
  }

  /** A telemetry endpoint that is no URL must not keep a ruleset out of force. */
  function open(telemetry: RulesetTelemetry): BatchSpanProcessor | null {
    try {
      return createProcessor(telemetry, diagnostics);
    } catch {
      diagnostics.failed(new SidecarError('SPANS_UNDELIVERED'));
      return null;
    }
  }

  direct(snapshots.current()?.ruleset.telemetry ?? null);
  const stopListening = snapshots.onChange(({ ruleset }) => direct(ruleset.telemetry));

  return {
    record(exchange) {
      if (processor === null) return;
      for (const span of exchangeSpans(exchange, resource)) processor.onEnd(span);
    },
    async close() {
      stopListening();
      const flushed = processor?.shutdown().catch(() => {});
      processor = null;
      const { promise: late, resolve } = Promise.withResolvers<void>();
      const timer = setTimeout(resolve, closeTimeoutMs);
      await Promise.race([flushed, late]);
      clearTimeout(timer);
    },
  };
}

/** `http://` comes only from an operator that was set to allow it, and only for spans. */
function createProcessor(telemetry: RulesetTelemetry, diagnostics: Diagnostics): BatchSpanProcessor {
  const trust = telemetry.caBundle === undefined ? {} : { ca: telemetry.caBundle };
  const exporter = new OTLPTraceExporter({
    url: `${telemetry.endpoint.replace(/\/$/, '')}/v1/traces`,
    timeoutMillis: exportTimeoutMillis,
    concurrencyLimit: 2,
    httpAgentOptions: (protocol) =>
      protocol === 'http:' ? new Agent({ keepAlive: true }) : createVerifyingAgent(trust),
  });
  return new BatchSpanProcessor({
    exporter: withDiagnostics(exporter, diagnostics),
    maxQueueSize,
    maxExportBatchSize,
    scheduledDelayMillis,
    exportTimeoutMillis,
  });
}

/** The exporter's own errors hold the collector's answer, so only that there was one is told. */
function withDiagnostics(exporter: SpanExporter, diagnostics: Diagnostics): SpanExporter {
  return {
    export(spans, done) {
      exporter.export(spans, (result) => {
        if (result.code !== ExportResultCode.SUCCESS)
          diagnostics.failed(new SidecarError('SPANS_UNDELIVERED'));
        done({ code: result.code });
      });
    },
    shutdown: () => exporter.shutdown(),
    forceFlush: () => exporter.forceFlush?.() ?? Promise.resolve(),
  };
}
