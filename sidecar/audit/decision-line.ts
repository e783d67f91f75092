// One JSON line per request: docs/decision-lines.md lists its fields, which are public API. It never holds a
// query, a header's value or a body.

import type { ExchangeRecord } from './record.ts';

/** A target may be 8 KiB long; a log line of that size helps nobody and fills the node's disk. */
const maxTextLength = 1024;

export function renderDecisionLine(exchange: ExchangeRecord): string {
  const { request, decision, refusal, trace } = exchange;
  const line = JSON.stringify({
    time: new Date(exchange.startedAtMs).toISOString(),
    kind: 'decision',
    id: exchange.id,
    decision: outcomeOf(exchange),
    reason: refusal?.reason ?? decision?.reason ?? null,
    policy: decision?.policy ?? null,
    rule: decision?.rule ?? null,
    credential: decision?.credential ?? null,
    revision: exchange.revision,
    method: request === null ? null : cut(request.method),
    scheme: request?.scheme ?? null,
    host: request?.host ?? (exchange.authority === null ? null : cut(exchange.authority)),
    port: request?.port ?? null,
    path: request === null ? null : cut(request.path),
    status: exchange.status,
    upstreamStatus: exchange.upstreamStatus,
    error: exchange.errorCode,
    durationMs: Math.round((exchange.endedAtMs - exchange.startedAtMs) * 1000) / 1000,
    requestBytes: exchange.requestBytes,
    responseBytes: exchange.responseBytes,
    entry: exchange.entry,
    capture: 'cooperative',
    traceId: trace.traceId,
    spanId: trace.spanId,
  });
  return onlyAscii(line);
}

/** What was done, not what the rules alone said: an allowed request whose secret is missing was denied. */
export function outcomeOf({ decision, refusal }: ExchangeRecord): 'allow' | 'deny' {
  return refusal === null && decision?.action === 'allow' ? 'allow' : 'deny';
}

function cut(text: string): string {
  return text.length > maxTextLength ? `${text.slice(0, maxTextLength)}…` : text;
}

/**
 * JSON.stringify leaves DEL, C1 controls, bidi overrides and line separators as they are, which terminals and
 * viewers obey (L-07).
 */
function onlyAscii(line: string): string {
  // eslint-disable-next-line no-control-regex -- control characters are what is looked for
  return line.replace(/[\u007f-\uffff]/g, (unit) => `\\u${unit.charCodeAt(0).toString(16).padStart(4, '0')}`);
}
