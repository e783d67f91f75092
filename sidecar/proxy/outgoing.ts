// All that goes to the upstream besides `Host`: the model, what injection made of it, our trace; nothing else is copied.

import type { Filled, Outgoing, Places } from '../credentials/inject/injector.ts';
import { upstreamTraceparent, type TraceContext } from '../audit/trace-context.ts';
import { hostHeader, type Head } from './head.ts';
import { namesIdentity } from './headers.ts';

/**
 * @param isAnswerRead whether something of ours must be able to read the answer.
 * @param places of the credential that the request will carry; null without one.
 */
export function outgoingOf(
  { request, headers, hasBody }: Head,
  isAnswerRead: boolean,
  places: Places | null,
): Omit<Outgoing, 'placeholder'> {
  const sent = places === null ? headers.forwarded : withoutOthers(headers.forwarded, places);
  return {
    method: request.method,
    host: hostHeader(request, request.scheme === 'http' ? 'http' : 'https'),
    path: request.path,
    query: request.query,
    headers: isAnswerRead ? readable(sent) : sent,
    hasBody,
    contentLength: headers.contentLength,
    body: null,
  };
}

/**
 * Beside a credential of ours, whatever else the agent says of who it is could make the upstream act for somebody else than
 * the policy means, so it is left out (H-31). What stands where the credential is put is the injection's to read and replace.
 */
function withoutOthers(forwarded: readonly string[], places: Places): readonly string[] {
  const isOther = (name: string): boolean => namesIdentity.has(name) && !places.headers.includes(name);
  return forwarded.filter((_, at) => !isOther(forwarded[at - (at % 2)] ?? ''));
}

function readable(forwarded: readonly string[]): readonly string[] {
  const without = forwarded.filter((_, at) => forwarded[at - (at % 2)] !== 'accept-encoding');
  return [...without, 'accept-encoding', 'identity'];
}

/** @param filled null where no credential is put on the request. */
export function headersOf(
  outgoing: Pick<Outgoing, 'headers' | 'contentLength'>,
  filled: Filled | null,
  trace: TraceContext,
): string[] {
  const { headers } = outgoing;
  const built: string[] = [];
  for (let at = 0; at < headers.length; at += 2) {
    const name = headers[at] ?? '';
    if (filled !== null && isReplaced(name, filled)) continue;
    built.push(name, headers[at + 1] ?? '');
  }
  if (filled !== null) for (const [name, value] of filled.headers) built.push(name, value);
  const contentLength = filled?.body?.length ?? outgoing.contentLength;
  if (contentLength !== null) built.push('content-length', String(contentLength));
  built.push('traceparent', upstreamTraceparent(trace));
  if (trace.traceState !== null) built.push('tracestate', trace.traceState);
  return built;
}

function isReplaced(name: string, { headers, dropped }: Filled): boolean {
  return headers.some(([set]) => set === name) || (dropped?.includes(name) ?? false);
}

/** Path and query as they go onto the wire. */
export function targetOf(outgoing: Pick<Outgoing, 'path' | 'query'>, filled: Filled | null): string {
  const path = filled?.path ?? outgoing.path;
  const query = filled?.query === undefined ? outgoing.query : filled.query;
  return query === null ? path : `${path}?${query}`;
}
