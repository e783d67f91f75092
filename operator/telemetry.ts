// The operator's own traces: admission, reconcile, ruleset push and stream. Without a collector the SDK is not even
// loaded (it costs tens of megabytes), and the API's tracers do nothing.

import { readFile } from 'node:fs/promises';
import type { FastifyBaseLogger } from 'fastify';
import type { OperatorConfig } from './config.ts';
import { OperatorError } from './errors.ts';

export interface TelemetrySettings {
  /** Base URL of an OTLP/HTTP collector; `/v1/traces` is added. */
  readonly endpoint: string;
  readonly caBundle?: string;
}

export interface Telemetry {
  /** Sends what is still held, at most for a few seconds. */
  shutdown(): Promise<void>;
}

/** The collector that the settings name, for the operator's spans and the sidecars' alike; null for none. */
export async function loadCollector(config: OperatorConfig): Promise<TelemetrySettings | null> {
  const { OUTRIDER_OTLP_ENDPOINT: endpoint, OUTRIDER_OTLP_CA_FILE: caFile } = config;
  if (endpoint === null) return null;
  if (caFile === null) return { endpoint };
  try {
    return { endpoint, caBundle: await readFile(caFile, 'utf8') };
  } catch (cause) {
    throw new OperatorError('CONFIG_INVALID', {
      detail: 'OUTRIDER_OTLP_CA_FILE must be a readable file.',
      cause,
    });
  }
}

const exportTimeoutMs = 5_000;

export async function startTelemetry(
  settings: TelemetrySettings | null,
  self: { readonly pod: string; readonly namespace: string; readonly version: string },
  log: FastifyBaseLogger,
): Promise<Telemetry> {
  if (settings === null) return { shutdown: async () => undefined };
  const [{ startNodeSdk }, { OTLPTraceExporter }, { BatchSpanProcessor }] = await Promise.all([
    import('@opentelemetry/sdk-node'),
    import('@opentelemetry/exporter-trace-otlp-http'),
    import('@opentelemetry/sdk-trace'),
  ]);
  const exporter = new OTLPTraceExporter({
    url: `${settings.endpoint}/v1/traces`,
    timeoutMillis: exportTimeoutMs,
    ...(settings.caBundle === undefined ? {} : { httpAgentOptions: { ca: settings.caBundle } }),
  });
  const sdk = startNodeSdk({
    // Without these two empty lists the SDK would also send metrics and logs to a collector on localhost.
    metricReaders: [],
    logRecordProcessors: [],
    spanProcessors: [new BatchSpanProcessor({ exporter })],
    // Whatever the environment says: hosts and processes are not for spans, and nothing is propagated.
    resourceDetectors: [],
    propagators: [],
    resourceAttributes: {
      'service.name': 'outrider-operator',
      'service.version': self.version,
      'service.instance.id': self.pod,
      'k8s.namespace.name': self.namespace,
      'k8s.pod.name': self.pod,
    },
  });
  return {
    shutdown: async () => {
      const late = AbortSignal.timeout(exportTimeoutMs);
      const timeout = new Promise<void>((resolve) => late.addEventListener('abort', () => resolve()));
      await Promise.race([sdk.shutdown(), timeout]).catch((error: unknown) => {
        log.warn({ err: error }, 'the last spans were not delivered');
      });
    },
  };
}
