// One call of our own (to the operator, Vault, a collector), never one of an agent's: TLS is verified whatever the
// environment says, redirects are not followed, proxies are not used, and time and size have limits.

import type { Agent as PlainAgent, IncomingHttpHeaders, IncomingMessage } from 'node:http';
import { Agent, request } from 'node:https';
import type { SecureContextOptions } from 'node:tls';
import { SidecarError, type SidecarErrorCode } from './errors.ts';
import { request as requestPlain } from './node-http.ts';

export interface Trust {
  /** PEM of the only authorities that are believed; absent: the public ones that Node ships. */
  readonly ca?: string;
}

/** What the failures of a call are called: they concern another field for each kind of peer. */
export interface CallFailures {
  readonly unreachable: { readonly code: SidecarErrorCode; readonly field?: string };
  readonly untrusted: { readonly code: SidecarErrorCode; readonly field?: string };
  readonly unreadable: { readonly code: SidecarErrorCode; readonly field?: string };
}

export interface Call {
  readonly agent: PlainAgent;
  /** `https:`; `http:` only for spans, where the operator was set to allow it. */
  readonly url: URL;
  readonly method: string;
  readonly headers: Readonly<Record<string, string>>;
  readonly body?: string | Buffer;
  readonly timeoutMs: number;
  readonly maxAnswerBytes: number;
  readonly failures: CallFailures;
}

export interface Answer {
  readonly status: number;
  readonly headers: IncomingHttpHeaders;
  readonly body: string;
}

/** Idle connections close before the peers' own limit (5 s in Node and 90 s in Go), so that reuse is safe. */
const idleTimeoutMs = 4000;

/** An agent of its own: the global one would follow NODE_TLS_REJECT_UNAUTHORIZED and NODE_USE_ENV_PROXY. */
export function createVerifyingAgent(trust: Trust): Agent {
  return new Agent({ keepAlive: true, timeout: idleTimeoutMs, maxSockets: 8, ...verifying(trust) });
}

export function verifying({ ca }: Trust): SecureContextOptions & { readonly rejectUnauthorized: true } {
  return { rejectUnauthorized: true, minVersion: 'TLSv1.2', ...(ca === undefined ? {} : { ca }) };
}

/** @throws SidecarError with a code of `failures`; an answer of any status is an answer. */
export async function callBounded(call: Call): Promise<Answer> {
  const { agent, url, method, body, failures } = call;
  const signal = AbortSignal.timeout(call.timeoutMs);
  const headers = {
    ...call.headers,
    ...(body === undefined ? {} : { 'content-length': String(Buffer.byteLength(body)) }),
  };
  try {
    const response = await new Promise<IncomingMessage>((resolve, reject) => {
      const open = url.protocol === 'http:' ? requestPlain : request;
      open(url, { agent, method, headers, signal }, resolve).on('error', reject).end(body);
    });
    const chunks: Buffer[] = [];
    let bytes = 0;
    for await (const chunk of response as AsyncIterable<Buffer>) {
      bytes += chunk.length;
      // Leaving the loop destroys the response and its connection.
      if (bytes > call.maxAnswerBytes) throw new SidecarError(failures.unreadable.code, failures.unreadable);
      chunks.push(chunk);
    }
    return {
      status: response.statusCode ?? 0,
      headers: response.headers,
      body: Buffer.concat(chunks).toString('utf8'),
    };
  } catch (error) {
    throw callFailure(error, failures);
  }
}

const tlsCode = /^(?:ERR_TLS_|ERR_SSL_|EPROTO$|CERT_|UNABLE_TO_|DEPTH_ZERO_|SELF_SIGNED_|HOSTNAME_|INVALID_)/;

/** Node's errors carry the request's headers and URL, so nothing but their code may leave. */
export function callFailure(error: unknown, failures: CallFailures): SidecarError {
  if (error instanceof SidecarError) return error;
  const { code = '', name = '' } = error as { code?: unknown; name?: unknown };
  const kept = typeof code === 'string' && /^[A-Z0-9_]{2,64}$/.test(code) ? code : null;
  if (kept !== null && tlsCode.test(kept)) return failure(failures.untrusted, kept);
  if (kept?.startsWith('HPE_') === true) return failure(failures.unreadable, kept);
  return failure(failures.unreachable, name === 'TimeoutError' || kept === 'ABORT_ERR' ? 'ETIMEDOUT' : kept);
}

function failure({ code, field }: CallFailures['unreachable'], nodeCode: string | null): SidecarError {
  return new SidecarError(code, {
    ...(field === undefined ? {} : { field }),
    ...(nodeCode === null ? {} : { detail: `(${nodeCode})` }),
  });
}
