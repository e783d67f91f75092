// What an agent is answered when its request is refused: the one file that knows HTTP status codes.

import type { ServerResponse } from 'node:http';
import { decisionHeader, heartbeatSeconds } from '../../policy/contract.ts';
import type { Closest, Decision } from '../../policy/decision.ts';
import { reasons, type Reason } from '../../policy/reasons.ts';
import type { Refusal } from '../../policy/refusal.ts';
import type { RulesetInject } from '../../policy/ruleset-credential.ts';
import { STATUS_CODES } from '../node-http.ts';

const statuses: Readonly<Record<Reason, number>> = {
  // a decision
  no_grant: 403,
  denied_by_rule: 403,
  halted: 403,
  approval_required: 403,
  limit_exceeded: 429,
  credential_ambiguous: 403,
  credential_ceiling: 403,
  destination_blocked: 403,
  protocol_unsupported: 403,
  // the request
  request_malformed: 400,
  request_ambiguous: 400,
  request_unsignable: 400,
  body_unreadable: 400,
  body_too_large: 413,
  request_timeout: 408,
  names_disagree: 421,
  tls_handshake_failed: 400, // recorded only: there is nobody to answer
  expectation_unsupported: 417,
  target_too_long: 414, // RFC 9112 section 3: a server MUST, whatever else it answers for size
  headers_too_large: 431,
  // a dependency of ours
  policy_stale: 503,
  secret_unavailable: 503,
  limit_unavailable: 503,
  overloaded: 503,
  // the upstream: it answers wrongly, or not at all
  upstream_untrusted: 502,
  upstream_invalid: 502,
  upstream_unreachable: 504,
  upstream_timeout: 504,
  // a defect of ours
  sidecar_failed: 500,
};

/** Seconds after which trying again can help: both wait for a refresh of ours. */
const retryAfterSeconds: Partial<Readonly<Record<Reason, number>>> = {
  policy_stale: heartbeatSeconds,
  secret_unavailable: heartbeatSeconds,
  limit_unavailable: heartbeatSeconds,
};

/** RFC 9457, with the extension members of a refusal. */
export interface Problem {
  readonly type: string;
  readonly title: string;
  readonly status: number;
  readonly code: Reason;
  readonly rule: string | null;
  readonly policy: string | null;
  readonly closest: Closest | null;
  readonly message: string;
  /** Seconds, or null when trying again changes nothing. */
  readonly retryAfter: number | null;
  /** The id under which the audit has this request. */
  readonly decision: string;
}

export function createProblem(id: string, refusal: Refusal, decision: Decision | null): Problem {
  const { reason, message, retryAfter } = refusal;
  return {
    type: `https://outrider.dev/reasons#${reason}`,
    title: reasons[reason],
    status: statuses[reason],
    code: reason,
    rule: decision?.rule ?? null,
    policy: decision?.policy ?? null,
    closest: decision?.closest ?? null,
    message,
    retryAfter: retryAfter ?? retryAfterSeconds[reason] ?? null,
    decision: id,
  };
}

/**
 * Writes the whole answer but does not end it, so that a body still on its way can be read first.
 * @param close whether the connection ends with it.
 */
export function writeProblem(response: ServerResponse, problem: Problem, close: boolean): void {
  const body = Buffer.from(JSON.stringify(problem));
  if (close) response.shouldKeepAlive = false;
  response.writeHead(problem.status, headersOf(problem, body.length));
  response.write(body);
}

/** An answer of our own that is no refusal. */
export function writeOwn(response: ServerResponse, { status, body }: OwnAnswer): void {
  const bytes = Buffer.from(body);
  const headers = ['content-type', 'application/json', 'content-length', String(bytes.length)];
  response.writeHead(status, [...headers, 'cache-control', 'no-store']);
  response.write(bytes);
}

/** JSON. */
export interface OwnAnswer {
  readonly status: number;
  readonly body: string;
}

/** A refusal for a socket that has no response object: the request could not be parsed at all. */
export function encodeProblem(problem: Problem): string {
  const body = JSON.stringify(problem);
  const headers = [...headersOf(problem, Buffer.byteLength(body)), 'connection', 'close'];
  const lines = [`HTTP/1.1 ${problem.status} ${STATUS_CODES[problem.status]}`];
  for (let at = 0; at < headers.length; at += 2) lines.push(`${headers[at]}: ${headers[at + 1]}`);
  return `${lines.join('\r\n')}\r\n\r\n${body}`;
}

/** Statuses of an upstream's answer that change how it is passed on. */
export const upstreamStatus = {
  /** RFC 9110 section 15: there are no others. */
  isKnown: (status: number): boolean => status >= 100 && status < 600,
  /** Before the answer proper: we answer `Expect` ourselves and pass none of them on. */
  isInterim: (status: number): boolean => status < 200,
  /**
   * What a rotated credential gets. AWS says it with the status of a denied action, and in the answer's body alone which of
   * the two it is.
   */
  mayBeRotated: (status: number, inject: RulesetInject | null): boolean =>
    status === 401 || (status === 403 && inject?.kind === 'awsSigV4'),
  /** RFC 9110 section 8.6 forbids Content-Length there. */
  forbidsLength: (status: number): boolean => status === 204,
} as const;

/** To a well-formed CONNECT, before anything is dialled or decided. */
export const connectionEstablished = `HTTP/1.1 200 ${STATUS_CODES[200]}\r\n\r\n`;

function headersOf(problem: Problem, length: number): string[] {
  const headers = ['content-type', 'application/problem+json', 'content-length', String(length)];
  headers.push('cache-control', 'no-store', decisionHeader, problem.decision);
  if (problem.retryAfter !== null) headers.push('retry-after', String(problem.retryAfter));
  return headers;
}
