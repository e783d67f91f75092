// W3C Trace Context: the agent's trace is joined and ours is sent on; baggage never travels.

import { randomHex } from './identifiers.ts';

export interface TraceContext {
  readonly traceId: string;
  /** Our SERVER span. */
  readonly spanId: string;
  /** The agent's span, or null when the trace is ours. */
  readonly parentSpanId: string | null;
  /** Our CLIENT span: what the upstream is given as its parent. */
  readonly upstreamSpanId: string;
  /**
   * Trace flags as sent on. Ours are recorded whatever the agent says (they are the audit); whether the
   * upstream records stays the agent's choice.
   */
  readonly flags: number;
  readonly traceState: string | null;
}

/** https://www.w3.org/TR/trace-context-1/#traceparent-header-field-values; later versions may go on after a `-`. */
const traceparentPattern =
  /^(?!ff)([0-9a-f]{2})-(?!0{32})([0-9a-f]{32})-(?!0{16})([0-9a-f]{16})-([0-9a-f]{2})(-.*)?$/;
/** Printable ASCII of at most 512 characters, which every participant must be able to propagate. */
const tracestatePattern = /^[ -~]{1,512}$/;
/** `sampled` and, of level 2, `random`; others must not be sent on. */
const knownFlags = 0x03;
const sampled = 0x01;

/** An absent or invalid traceparent starts a new trace, and then its tracestate is dropped too. */
export function joinTrace(traceparent: string | undefined, tracestate: string | undefined): TraceContext {
  const [, version, traceId, parentSpanId, flags, more] = traceparentPattern.exec(traceparent ?? '') ?? [];
  const fresh = { spanId: randomHex(8), upstreamSpanId: randomHex(8) };
  if (traceId === undefined || parentSpanId === undefined || (version === '00' && more !== undefined)) {
    return { traceId: randomHex(16), parentSpanId: null, flags: sampled, traceState: null, ...fresh };
  }
  const traceState = tracestate !== undefined && tracestatePattern.test(tracestate) ? tracestate : null;
  return {
    traceId,
    parentSpanId,
    flags: Number.parseInt(flags ?? '0', 16) & knownFlags,
    traceState,
    ...fresh,
  };
}

/** The traceparent that goes to the upstream. */
export function upstreamTraceparent(trace: TraceContext): string {
  return `00-${trace.traceId}-${trace.upstreamSpanId}-0${trace.flags}`;
}
