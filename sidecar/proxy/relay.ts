// An upstream's answer on its way to the agent: framing is ours, what is between two connections is dropped, and
// each side waits for the other.

import type { ServerResponse } from 'node:http';
import type { Dispatcher } from 'undici';
import { decisionHeader } from '../../policy/contract.ts';
import type { UsageReader } from '../../policy/limits/usage.ts';
import type { Refusal } from '../../policy/refusal.ts';
import type { RulesetInject } from '../../policy/ruleset-credential.ts';
import { upstreamStatus } from './respond.ts';
import { refusalOfFailure } from './upstream-failure.ts';

export type RelayOutcome =
  | { readonly kind: 'relayed' }
  /** No whole answer; the agent may already have the beginning of one. */
  | { readonly kind: 'refused'; readonly refusal: Refusal }
  /** The upstream refused the secret and there is another one; the agent has nothing of the answer. */
  | { readonly kind: 'retry' }
  /** The agent left. */
  | { readonly kind: 'abandoned' };

export interface Relay {
  readonly handler: Dispatcher.DispatchHandler;
  readonly done: Promise<RelayOutcome>;
  /** Ends the exchange at once, also before the request was written. */
  readonly cut: (refusal: Refusal) => void;
  /** Of the upstream's answer, null before its head. */
  status(): number | null;
  bytes(): number;
}

export interface RelayOptions {
  readonly host: string;
  readonly response: ServerResponse;
  /** Asked right before the first byte is written to the upstream. */
  readonly recheck: () => Refusal | null;
  /** How the credential was put on the request, if one was. */
  readonly inject: RulesetInject | null;
  /**
   * An answer may say that the secret is no longer the one: whether to send the request once more instead of passing it
   * on, or what to answer instead.
   */
  readonly onRotated: () => Promise<boolean | Refusal>;
  /** Whether the request's body has arrived whole; else the agent's connection cannot go on after the answer. */
  readonly isBodyRead: () => boolean;
  /** Whether the agent gets the status and nothing else of the answer. */
  readonly statusOnly: boolean;
  /** What reads along how much the answer says that it took; null when nobody counts. */
  readonly readUsage: (contentType: string, contentEncoding: string) => Pick<UsageReader, 'push'> | null;
}

const betweenConnections = new Set(
  'connection keep-alive proxy-authenticate proxy-authentication-info proxy-connection te trailer upgrade'.split(
    ' ',
  ),
);

export function createRelay(options: RelayOptions): Relay {
  const { host, response, recheck, inject, onRotated, isBodyRead, statusOnly } = options;
  const { promise: done, resolve } = Promise.withResolvers<RelayOutcome>();
  let controller: Dispatcher.DispatchController | null = null;
  let isOver = false;
  let status: number | null = null;
  let interims = 0;
  let bytes = 0;
  let usage: Pick<UsageReader, 'push'> | null = null;
  /** While such an answer waits for another secret; that to a HEAD may end meanwhile, having no body to pause. */
  let isHeld = false;
  let hasEnded = false;

  function finish(outcome: RelayOutcome): void {
    isOver = true;
    response.off('close', onAgentGone);
    resolve(outcome);
  }

  function cut(refusal: Refusal): void {
    if (isOver) return;
    finish({ kind: 'refused', refusal });
    // An answer that cannot be completed must not look complete.
    if (response.headersSent) response.destroy();
    controller?.abort(new Error('cut'));
  }

  function onFailure(error: Error): void {
    cut(refusalOfFailure(error, host));
  }

  function onAgentGone(): void {
    finish({ kind: 'abandoned' });
    controller?.abort(new Error('the agent left'));
  }

  function writeHead(answered: number, headers: IncomingHeaders): void {
    const relayed = statusOnly ? withoutContent(answered) : relayedHeaders(answered, headers);
    usage = options.readUsage(
      String(headers['content-type'] ?? ''),
      String(headers['content-encoding'] ?? ''),
    );
    if (!isBodyRead()) response.shouldKeepAlive = false;
    response.sendDate = false;
    response.writeHead(answered, relayed);
  }

  function end(): void {
    // With a body still under way, ending is left to whoever reads the rest of it.
    if (isBodyRead()) response.end();
    finish({ kind: 'relayed' });
  }

  async function hold(answered: number, headers: IncomingHeaders): Promise<void> {
    isHeld = true;
    controller?.pause();
    const next = await onRotated();
    if (isOver) return;
    if (typeof next === 'object') {
      cut(next);
      return;
    }
    if (next) {
      finish({ kind: 'retry' });
      controller?.abort(new Error('sent again'));
      return;
    }
    isHeld = false;
    writeHead(answered, headers);
    if (hasEnded) end();
    else controller?.resume();
  }

  response.on('close', onAgentGone);

  const handler: Dispatcher.DispatchHandler = {
    onRequestStart: (started) => {
      controller = started;
      const refusal = isOver ? null : recheck();
      if (refusal !== null) cut(refusal);
      else if (isOver) started.abort(new Error('over'));
    },
    onResponseStart: (_controller, answered, headers) => {
      if (isOver) return;
      if (upstreamStatus.isInterim(answered)) interims += 1;
      if (interims > maxInterims || !upstreamStatus.isKnown(answered)) throw invalidAnswer('status');
      if (upstreamStatus.isInterim(answered)) return;
      status = answered;
      if (upstreamStatus.mayBeRotated(answered, inject)) hold(answered, headers).catch(onFailure);
      else writeHead(answered, headers);
    },
    onResponseData: (started, chunk) => {
      if (isOver) return;
      bytes += chunk.length;
      usage?.push(chunk);
      if (statusOnly) return;
      if (response.write(chunk)) return;
      started.pause();
      // Not before others had their turn: Node reads 2 MiB of a connection at once, as long as the other side takes it.
      response.once('drain', () => setImmediate(() => started.resume()));
    },
    onResponseEnd: () => {
      if (isOver) return;
      if (isHeld) hasEnded = true;
      else end();
    },
    onResponseError: (_controller, error) => onFailure(error),
  };

  return { handler, done, cut, status: () => status, bytes: () => bytes };
}

/** Not even a header: an upstream puts what it likes into them. */
function withoutContent(status: number): string[] {
  return upstreamStatus.forbidsLength(status) ? [] : ['content-length', '0'];
}

type IncomingHeaders = Readonly<Record<string, string | string[] | undefined>>;

/** undici bounds the bytes of names and values together, which 60,000 empty headers keep to. Envoy takes 100. */
const maxHeaders = 256;
/** An answer is announced by a handful of them, if by any; without end they would keep us reading (H-07). */
const maxInterims = 32;

function countOf(headers: IncomingHeaders): number {
  let count = 0;
  for (const name in headers) count += Array.isArray(headers[name]) ? headers[name].length : 1;
  return count;
}

function invalidAnswer(what: string): Error {
  return Object.assign(new Error(what), { code: 'HPE_INVALID' });
}

/** @throws {Error} with a code that reads as an invalid answer. */
function relayedHeaders(status: number, headers: IncomingHeaders): string[] {
  const coding = headers['transfer-encoding'];
  // undici undoes `chunked` alone; another coding would lose its label here.
  if (coding !== undefined && (typeof coding !== 'string' || coding.toLowerCase() !== 'chunked')) {
    throw invalidAnswer('transfer coding');
  }
  if (countOf(headers) > maxHeaders) throw invalidAnswer('number of headers');
  const named = String(headers.connection ?? '').toLowerCase();
  const listed = named === '' || named === 'close' || named === 'keep-alive' ? [] : named.split(/[\s,]+/);
  const relayed: string[] = [];
  for (const name in headers) {
    const value = headers[name];
    if (value === undefined || betweenConnections.has(name) || listed.includes(name)) continue;
    // A refusal is known by this header, so no upstream may send it.
    if (name === 'transfer-encoding' || name === decisionHeader) continue;
    if (name === 'content-length' && (upstreamStatus.forbidsLength(status) || coding !== undefined)) continue;
    if (typeof value === 'string') relayed.push(name, value);
    else for (const one of value) relayed.push(name, one);
  }
  return relayed;
}
