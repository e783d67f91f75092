// Where the spans go: to the collector that the ruleset in force names, in batches, in the background. What
// cannot be delivered is dropped; no request ever waits for it or learns of it.

import { canonicalJson, type RulesetTelemetry } from '../../policy/ruleset.ts';
import type { SnapshotSource } from '../control/snapshot.ts';
import type { Diagnostics } from '../diagnostics.ts';
import { asSidecarError, SidecarError } from '../errors.ts';
import { writeExchangeSpans } from './exchange-spans.ts';
import { createExportRequests } from './export-request.ts';
import { createOtlpEndpoint } from './otlp-endpoint.ts';
import type { Audit } from './record.ts';
import { createSpanBytes } from './span-bytes.ts';

export interface SpanExportOptions {
  readonly snapshots: SnapshotSource;
  readonly diagnostics: Diagnostics;
  /** Of the pod, as `k8s.*` and `service.*`. */
  readonly resource: Readonly<Record<string, string>>;
}

/** Some 200 exchanges of four spans. */
const batchBytes = 256 * 1024;
/** Beside the batch that is on its way: a second of 1,000 requests/s, out of the container's 64 MiB. */
const maxWaitingBatches = 4;
const maxDelayMs = 1000;
const closeTimeoutMs = 3000;

interface Collector {
  /** Sends a batch after those before it; drops it when too many wait. */
  push(request: Buffer): void;
  /** Resolves when all that was pushed is delivered or dropped. */
  end(): Promise<void>;
}

export function createSpanExport({ snapshots, diagnostics, resource }: SpanExportOptions): Audit {
  const spans = createSpanBytes(batchBytes);
  const envelope = createExportRequests(resource);
  let collector: Collector | null = null;
  let directedAt = canonicalJson(null);
  let timer: NodeJS.Timeout | null = null;

  function flush(): void {
    if (timer !== null) clearTimeout(timer);
    timer = null;
    if (spans.length > 0) collector?.push(envelope(spans.take()));
  }

  function direct(telemetry: RulesetTelemetry | null): void {
    const wanted = canonicalJson(telemetry);
    if (wanted === directedAt) return;
    flush();
    void collector?.end();
    directedAt = wanted;
    collector = telemetry === null ? null : createCollector(telemetry, diagnostics);
  }

  direct(snapshots.current()?.ruleset.telemetry ?? null);
  const stopListening = snapshots.onChange(({ ruleset }) => direct(ruleset.telemetry));

  return {
    record(exchange) {
      if (collector === null) return;
      if (!spans.hasRoom()) flush();
      writeExchangeSpans(spans, exchange);
      timer ??= setTimeout(flush, maxDelayMs).unref();
    },
    async close() {
      stopListening();
      flush();
      const late = Promise.withResolvers<void>();
      const deadline = setTimeout(late.resolve, closeTimeoutMs);
      await Promise.race([collector?.end(), late.promise]);
      clearTimeout(deadline);
      collector = null;
    },
  };
}

function createCollector(telemetry: RulesetTelemetry, diagnostics: Diagnostics): Collector | null {
  const endpoint = createOtlpEndpoint(telemetry);
  if (endpoint === null) {
    diagnostics.failed(new SidecarError('SPANS_UNDELIVERED'));
    return null;
  }
  const waiting: Buffer[] = [];
  let sending: Promise<void> | null = null;

  async function send(): Promise<void> {
    for (let request = waiting.shift(); request !== undefined; request = waiting.shift()) {
      await endpoint?.send(request).catch((error: unknown) => diagnostics.failed(asSidecarError(error)));
    }
    sending = null;
  }

  return {
    push(request) {
      if (waiting.length >= maxWaitingBatches) {
        diagnostics.failed(new SidecarError('SPANS_UNDELIVERED'));
        return;
      }
      waiting.push(request);
      sending ??= send();
    },
    async end() {
      await sending;
      endpoint.close();
    },
  };
}
