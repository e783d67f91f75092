// The spans of one exchange, written when it has ended: a SERVER span for the agent's request, and a child for
// each phase. HTTP semantic conventions (https://opentelemetry.io/docs/specs/semconv/http/http-spans/); ours
// under `outrider.`; never a query, a header's value or a body.

import { outcomeOf, shadowOf } from './decision-line.ts';
import { randomHex } from './identifiers.ts';
import type { ExchangePhase, ExchangeRecord } from './record.ts';
import { key, type SpanBytes } from './span-bytes.ts';

/** Any other is `_OTHER`, and does not name a span: agents choose methods. */
const knownMethods = new Set([
  'GET',
  'HEAD',
  'POST',
  'PUT',
  'PATCH',
  'DELETE',
  'OPTIONS',
  'TRACE',
  'CONNECT',
]);

const keys = {
  method: key('http.request.method'),
  originalMethod: key('http.request.method_original'),
  scheme: key('url.scheme'),
  path: key('url.path'),
  url: key('url.full'),
  address: key('server.address'),
  port: key('server.port'),
  status: key('http.response.status_code'),
  requestSize: key('http.request.body.size'),
  responseSize: key('http.response.body.size'),
  transport: key('network.transport'),
  protocolVersion: key('network.protocol.version'),
  errorType: key('error.type'),
  decision: key('outrider.decision'),
  reason: key('outrider.reason'),
  policy: key('outrider.policy'),
  rule: key('outrider.rule'),
  credential: key('outrider.credential'),
  revision: key('outrider.revision'),
  decisionId: key('outrider.decision_id'),
  capture: key('outrider.capture'),
  entry: key('outrider.entry'),
  observed: key('outrider.observed'),
  /** Of connections that are no HTTP. */
  requestBytes: key('outrider.request_bytes'),
  responseBytes: key('outrider.response_bytes'),
  shadow: key('outrider.shadow'),
} as const;

export function writeExchangeSpans(spans: SpanBytes, exchange: ExchangeRecord): void {
  const { trace } = exchange;
  const name = nameOf(exchange);
  writeServerSpan(spans, exchange, name);
  // The upstream was told this id; a second attempt in the same exchange has its own.
  let upstreamSpanId: string | null = trace.upstreamSpanId;
  for (const phase of exchange.phases) {
    if (phase.name === 'upstream') {
      writeUpstreamSpan(spans, exchange, phase, name, upstreamSpanId ?? randomHex(8));
      upstreamSpanId = null;
    } else writePhaseSpan(spans, exchange, phase);
  }
}

function isTcp({ request, entry }: ExchangeRecord): boolean {
  return entry === 'captured_tcp' || request?.scheme === 'tcp';
}

function nameOf(exchange: ExchangeRecord): string {
  if (isTcp(exchange)) return 'TCP';
  const { request } = exchange;
  return request !== null && knownMethods.has(request.method) ? request.method : 'HTTP';
}

function writeServerSpan(spans: SpanBytes, exchange: ExchangeRecord, name: string): void {
  const { trace, request, decision, refusal, status, errorCode } = exchange;
  const { traceId, spanId, parentSpanId, traceState } = trace;
  const { startedAtMs, endedAtMs } = exchange;
  const reason = refusal?.reason ?? decision?.reason;
  // Of a server's span, 4xx is the client's fault, and no error.
  const failed = status >= 500;
  spans.begin({ traceId, spanId, parentSpanId, traceState, name, kind: 2, startedAtMs, endedAtMs, failed });
  writeRequest(spans, exchange);
  spans.text(keys.path, request?.path || null);
  spans.whole(keys.status, status === 0 ? null : status);
  if (failed) spans.text(keys.errorType, errorCode ?? reason ?? String(status));
  const isHttp = !isTcp(exchange);
  spans.whole(isHttp ? keys.requestSize : keys.requestBytes, exchange.requestBytes);
  spans.whole(isHttp ? keys.responseSize : keys.responseBytes, exchange.responseBytes);
  if (isHttp) spans.text(keys.protocolVersion, '1.1');
  spans.text(keys.decision, outcomeOf(exchange));
  spans.text(keys.reason, reason);
  spans.text(keys.policy, decision?.policy);
  spans.text(keys.rule, decision?.rule);
  spans.text(keys.credential, decision?.credential);
  spans.text(keys.revision, exchange.revision);
  spans.text(keys.decisionId, exchange.id);
  spans.text(keys.capture, exchange.capture);
  spans.text(keys.entry, exchange.entry);
  if (decision?.observed === true) spans.text(keys.observed, 'true');
  spans.text(keys.shadow, shadowOf(exchange));
  spans.end();
}

function writePhaseSpan(spans: SpanBytes, { trace, decision }: ExchangeRecord, phase: ExchangePhase): void {
  const { name, startedAtMs, endedAtMs, error } = phase;
  const { traceId, spanId: parentSpanId, traceState } = trace;
  const ids = { traceId, spanId: randomHex(8), parentSpanId, traceState };
  spans.begin({ ...ids, name, kind: 1, startedAtMs, endedAtMs, failed: error !== undefined });
  if (name === 'resolve') spans.text(keys.credential, decision?.credential);
  spans.text(keys.errorType, error);
  spans.end();
}

function writeUpstreamSpan(
  spans: SpanBytes,
  exchange: ExchangeRecord,
  { startedAtMs, endedAtMs, error }: ExchangePhase,
  name: string,
  spanId: string,
): void {
  const { trace, request, upstreamStatus } = exchange;
  const { traceId, spanId: parentSpanId, traceState } = trace;
  const failed = error !== undefined || (upstreamStatus ?? 0) >= 400;
  spans.begin({ traceId, spanId, parentSpanId, traceState, name, kind: 3, startedAtMs, endedAtMs, failed });
  writeRequest(spans, exchange);
  if (request !== null && request.scheme !== 'tcp') {
    const host = request.host.includes(':') ? `[${request.host}]` : request.host;
    spans.text(keys.url, `${request.scheme}://${host}:${request.port}${request.path}`);
  }
  spans.whole(keys.status, upstreamStatus);
  if (failed) spans.text(keys.errorType, error ?? String(upstreamStatus));
  spans.end();
}

function writeRequest(spans: SpanBytes, { request, authority }: ExchangeRecord): void {
  if (request === null) {
    spans.text(keys.address, authority);
    return;
  }
  if (request.scheme === 'tcp') spans.text(keys.transport, 'tcp');
  else {
    const known = knownMethods.has(request.method);
    spans.text(keys.method, known ? request.method : '_OTHER');
    if (!known) spans.text(keys.originalMethod, request.method);
    spans.text(keys.scheme, request.scheme);
  }
  spans.text(keys.address, request.host);
  spans.whole(keys.port, request.port);
}
