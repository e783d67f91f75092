// The spans of one exchange, made when it has ended: a SERVER span for the agent's request, and a child for each
// phase. HTTP semantic conventions; ours under `outrider.`; never a query, a header's value or a body.

import { SpanKind, SpanStatusCode, type Attributes, type HrTime, type SpanContext } from '@opentelemetry/api';
import type { Resource } from '@opentelemetry/resources';
import type { ReadableSpan } from '@opentelemetry/sdk-trace';
import { outcomeOf } from './decision-line.ts';
import { randomHex } from './identifiers.ts';
import type { ExchangePhase, ExchangeRecord } from './record.ts';

/** https://opentelemetry.io/docs/specs/semconv/registry/attributes/http/: any other is `_OTHER`. */
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
/** Recorded always: the agent's own sampling must not be able to leave an exchange out of the audit. */
const recorded = 1;
const scope = { name: 'outrider-sidecar' };

export function exchangeSpans(exchange: ExchangeRecord, resource: Resource): ReadableSpan[] {
  const { trace, request, status, upstreamStatus } = exchange;
  const { traceId, parentSpanId } = trace;
  const traceState = trace.traceState === null ? {} : { traceState: opaqueTraceState(trace.traceState) };
  const contextOf = (spanId: string): SpanContext => ({
    traceId,
    spanId,
    traceFlags: recorded,
    ...traceState,
  });
  const server = contextOf(trace.spanId);
  const agent =
    parentSpanId === null ? null : { traceId, spanId: parentSpanId, traceFlags: trace.flags, isRemote: true };
  const name = request !== null && knownMethods.has(request.method) ? request.method : 'HTTP';
  const spans = [
    span(name, SpanKind.SERVER, server, agent, exchange, serverAttributes(exchange), status >= 500, resource),
  ];
  // The upstream was told this id; a second attempt in the same exchange has its own.
  let upstreamSpanId: string | null = trace.upstreamSpanId;
  for (const phase of exchange.phases) {
    if (phase.name !== 'upstream') {
      const attributes = phaseAttributes(phase, exchange);
      const context = contextOf(randomHex(8));
      const failed = phase.error !== undefined;
      spans.push(span(phase.name, SpanKind.INTERNAL, context, server, phase, attributes, failed, resource));
      continue;
    }
    const failed = phase.error !== undefined || (upstreamStatus ?? 0) >= 400;
    const context = contextOf(upstreamSpanId ?? randomHex(8));
    upstreamSpanId = null;
    const attributes = upstreamAttributes(phase, exchange);
    spans.push(span(name, SpanKind.CLIENT, context, server, phase, attributes, failed, resource));
  }
  return spans;
}

function serverAttributes(exchange: ExchangeRecord): Attributes {
  const { request, decision, refusal, status, errorCode } = exchange;
  const reason = refusal?.reason ?? decision?.reason;
  const attributes = requestAttributes(exchange);
  put(attributes, 'url.path', request?.path);
  if (status !== 0) put(attributes, 'http.response.status_code', status);
  if (status >= 500) put(attributes, 'error.type', errorCode ?? reason ?? String(status));
  put(attributes, 'http.request.body.size', exchange.requestBytes);
  put(attributes, 'http.response.body.size', exchange.responseBytes);
  put(attributes, 'network.protocol.version', '1.1');
  put(attributes, 'outrider.decision', outcomeOf(exchange));
  put(attributes, 'outrider.reason', reason);
  put(attributes, 'outrider.policy', decision?.policy);
  put(attributes, 'outrider.rule', decision?.rule);
  put(attributes, 'outrider.credential', decision?.credential);
  put(attributes, 'outrider.revision', exchange.revision);
  put(attributes, 'outrider.decision_id', exchange.id);
  put(attributes, 'outrider.capture', 'cooperative');
  put(attributes, 'outrider.entry', exchange.entry);
  return attributes;
}

function phaseAttributes({ name, error }: ExchangePhase, { decision }: ExchangeRecord): Attributes {
  const attributes: Attributes = {};
  if (name === 'resolve') put(attributes, 'outrider.credential', decision?.credential);
  put(attributes, 'error.type', error);
  return attributes;
}

function upstreamAttributes({ error }: ExchangePhase, exchange: ExchangeRecord): Attributes {
  const { request, upstreamStatus } = exchange;
  const attributes = requestAttributes(exchange);
  if (request !== null) {
    const host = request.host.includes(':') ? `[${request.host}]` : request.host;
    put(attributes, 'url.full', `${request.scheme}://${host}:${request.port}${request.path}`);
  }
  put(attributes, 'http.response.status_code', upstreamStatus);
  put(attributes, 'error.type', error ?? ((upstreamStatus ?? 0) >= 400 ? String(upstreamStatus) : null));
  return attributes;
}

function requestAttributes({ request, authority }: ExchangeRecord): Attributes {
  const attributes: Attributes = {};
  if (request === null) {
    put(attributes, 'server.address', authority);
    return attributes;
  }
  const known = knownMethods.has(request.method);
  put(attributes, 'http.request.method', known ? request.method : '_OTHER');
  if (!known) put(attributes, 'http.request.method_original', request.method);
  put(attributes, 'url.scheme', request.scheme);
  put(attributes, 'server.address', request.host);
  put(attributes, 'server.port', request.port);
  return attributes;
}

function put(attributes: Attributes, name: string, value: string | number | null | undefined): void {
  if (value !== null && value !== undefined) attributes[name] = value;
}

function span(
  name: string,
  kind: SpanKind,
  context: SpanContext,
  parent: SpanContext | null,
  { startedAtMs, endedAtMs }: { readonly startedAtMs: number; readonly endedAtMs: number },
  attributes: Attributes,
  failed: boolean,
  resource: Resource,
): ReadableSpan {
  return {
    name,
    kind,
    spanContext: () => context,
    ...(parent === null ? {} : { parentSpanContext: parent }),
    startTime: hrTime(startedAtMs),
    endTime: hrTime(endedAtMs),
    duration: hrTime(Math.max(0, endedAtMs - startedAtMs)),
    status: { code: failed ? SpanStatusCode.ERROR : SpanStatusCode.UNSET },
    attributes,
    links: [],
    events: [],
    ended: true,
    resource,
    instrumentationScope: scope,
    droppedAttributesCount: 0,
    droppedEventsCount: 0,
    droppedLinksCount: 0,
  };
}

function hrTime(ms: number): HrTime {
  const seconds = Math.floor(ms / 1000);
  return [seconds, Math.round((ms - seconds * 1000) * 1_000_000)];
}

/** Passed on as it came; the SDK's own class would parse and reorder it. */
function opaqueTraceState(text: string): NonNullable<SpanContext['traceState']> {
  const state = { get: () => undefined, set: () => state, unset: () => state, serialize: () => text };
  return state;
}
