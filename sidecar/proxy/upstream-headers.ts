// All that goes to the upstream besides `Host`: the model, the slot, our trace; nothing else is copied.

import { upstreamTraceparent, type TraceContext } from '../audit/trace-context.ts';
import type { Head } from './head.ts';

/** The one authentication slot of the request, filled. */
export interface Slot {
  readonly name: string;
  readonly value: string;
}

/** @param isAnswerRead whether something of ours must be able to read the answer. */
export function buildHeaders(
  { headers }: Head,
  slot: Slot | null,
  trace: TraceContext,
  isAnswerRead: boolean,
): string[] {
  const built: string[] = [];
  for (let at = 0; at < headers.forwarded.length; at += 2) {
    const name = headers.forwarded[at] ?? '';
    if (name === slot?.name || (isAnswerRead && name === 'accept-encoding')) continue;
    built.push(name, headers.forwarded[at + 1] ?? '');
  }
  if (isAnswerRead) built.push('accept-encoding', 'identity');
  if (slot !== null) built.push(slot.name, slot.value);
  if (headers.contentLength !== null) built.push('content-length', String(headers.contentLength));
  built.push('traceparent', upstreamTraceparent(trace));
  if (trace.traceState !== null) built.push('tracestate', trace.traceState);
  return built;
}
