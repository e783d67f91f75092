// One JSON line per request: docs/decision-lines.md lists its fields, which are public API. It never holds a
// query, a header's value or a body.

import type { Decision } from '../../policy/decision.ts';
import type { ExchangeRecord } from './record.ts';

/** A target may be 8 KiB long; a log line of that size helps nobody and fills the node's disk. */
const maxTextLength = 1024;

/** Written out rather than given to JSON.stringify, which takes four times as long for the same line. */
export function renderDecisionLine(exchange: ExchangeRecord): string {
  const { request, decision, refusal, trace } = exchange;
  const durationMs = Math.round((exchange.endedAtMs - exchange.startedAtMs) * 1000) / 1000;
  return (
    `{"time":"${timestamp(exchange.startedAtMs)}","kind":"decision","id":${quote(exchange.id)}` +
    `,"decision":"${outcomeOf(exchange)}","reason":${quote(refusal?.reason ?? decision?.reason)}` +
    `,"policy":${quote(decision?.policy)},"rule":${quote(decision?.rule)}` +
    `,"credential":${quote(decision?.credential)},"revision":${quote(exchange.revision)}` +
    `,"method":${quote(request?.method || null)},"scheme":${quote(request?.scheme)}` +
    `,"host":${quote(request?.host ?? exchange.authority)},"port":${request?.port ?? null}` +
    `,"path":${quote(request?.path || null)},"status":${exchange.status},"upstreamStatus":${exchange.upstreamStatus}` +
    `,"error":${quote(exchange.errorCode)},"durationMs":${durationMs}` +
    `,"requestBytes":${exchange.requestBytes},"responseBytes":${exchange.responseBytes}` +
    `,"observed":${decision?.observed ?? false},"shadow":${quote(shadowOf(exchange))}` +
    `,"entry":"${exchange.entry}","capture":"${exchange.capture}"` +
    `,"traceId":"${trace.traceId}","spanId":"${trace.spanId}"}`
  );
}

/** What was done, not what the rules alone said: an allowed request whose secret is missing was denied. */
export function outcomeOf({ decision, refusal }: ExchangeRecord): Decision['action'] {
  if (refusal !== null) return refusal.reason === 'approval_required' ? 'hold' : 'deny';
  return decision?.action ?? 'deny';
}

/** What policies in mode Audit would have made of it, when that is something else: action, policy and rule. */
export function shadowOf({ decision }: ExchangeRecord): string | null {
  const shadow = decision?.shadow ?? null;
  if (shadow === null) return null;
  return [shadow.action, shadow.reason, shadow.policy, shadow.rule].filter((part) => part !== null).join(' ');
}

/** Printable ASCII without quote and backslash: what all but hostile texts are made of. */
const plain = /^[ !#-[\]-~]*$/;

function quote(text: string | null | undefined): string {
  if (text === null || text === undefined) return 'null';
  const short = text.length > maxTextLength ? `${text.slice(0, maxTextLength)}…` : text;
  return plain.test(short) ? `"${short}"` : onlyAscii(JSON.stringify(short));
}

/**
 * JSON.stringify leaves DEL, C1 controls, bidi overrides and line separators as they are, which terminals and
 * viewers obey (L-07).
 */
function onlyAscii(json: string): string {
  // eslint-disable-next-line no-control-regex -- control characters are what is looked for
  return json.replace(/[\u007f-\uffff]/g, (unit) => `\\u${unit.charCodeAt(0).toString(16).padStart(4, '0')}`);
}

let second = -1;
let secondText = '';

/** RFC 3339; the calendar is asked once a second. */
function timestamp(epochMs: number): string {
  const ms = Math.floor(epochMs);
  const wanted = Math.floor(ms / 1000);
  if (wanted !== second) {
    second = wanted;
    secondText = new Date(wanted * 1000).toISOString().slice(0, 20);
  }
  return `${secondText}${String(ms - wanted * 1000).padStart(3, '0')}Z`;
}
