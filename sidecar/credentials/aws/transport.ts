// How the AWS SDK's requests travel. Its own handler would have no limit on what is read, warn on the console and take
// its timeouts per socket; so it is given this one. Whatever proxy or CA the environment names is not asked.

import { setTimeout as sleep } from 'node:timers/promises';
import type { AwsStore } from '../../../policy/ruleset-credential.ts';
import { callBounded, createVerifyingAgent, type Answer, type CallFailures } from '../../bounded-call.ts';
import type { SidecarError } from '../../errors.ts';

/** What of the SDK's HttpRequest is used. */
export interface AwsRequest {
  readonly method: string;
  readonly protocol: string;
  readonly hostname: string;
  readonly port?: number;
  readonly path: string;
  readonly headers: Readonly<Record<string, string>>;
  readonly body?: string | Uint8Array;
}

export interface AwsResponse {
  readonly statusCode: number;
  readonly headers: Record<string, string>;
  readonly body: Uint8Array;
}

export interface AwsTransport {
  handle(request: AwsRequest): Promise<{ readonly response: AwsResponse }>;
  /** Closes its connections. */
  destroy(): void;
}

/** A secret has at most 64 KiB, which JSON's escapes make six times as much. */
const maxAnswerBytes = 1024 * 1024;
/** One more try: a connection that was closed while idle. Answers are the SDK's to retry. */
const attempts = 2;
const retryDelayMs = 200;
/** Without Retry-After, which would have the SDK wait for as long as the answer says. */
const answerHeaders = ['content-type', 'date', 'x-amzn-errortype', 'x-amzn-query-error'] as const;

/** @param endpoint the field of the store that says where the requests go. */
export function createAwsTransport(
  store: AwsStore,
  { timeoutMs, endpoint }: { readonly timeoutMs: number; readonly endpoint: string },
): AwsTransport {
  const agent = createVerifyingAgent(store.caBundle === undefined ? {} : { ca: store.caBundle });
  const failures: CallFailures = {
    unreachable: { code: 'AWS_UNREACHABLE', field: endpoint },
    untrusted: { code: 'AWS_UNTRUSTED', field: 'spec.awsSecretsManager.caBundle' },
    unreadable: { code: 'AWS_ANSWER_UNREADABLE', field: endpoint },
  };

  function once(request: AwsRequest): Promise<Answer> {
    const { method, protocol, hostname, port, path, body } = request;
    return callBounded({
      agent,
      url: new URL(`${protocol}//${hostname}${port === undefined ? '' : `:${port}`}${path}`),
      method,
      // The SDK's own names its version, Node's and the features in use; no signature covers this header.
      headers: { ...request.headers, 'user-agent': 'outrider' },
      ...(body === undefined ? {} : { body: typeof body === 'string' ? body : viewOf(body) }),
      timeoutMs,
      maxAnswerBytes,
      failures,
    });
  }

  return {
    async handle(request) {
      for (let attempt = 1; ; attempt += 1) {
        try {
          const { status, headers, body } = await once(request);
          const kept = answerHeaders.flatMap((name) => {
            const value = headers[name];
            return typeof value === 'string' ? [[name, value] as const] : [];
          });
          return {
            response: { statusCode: status, headers: Object.fromEntries(kept), body: Buffer.from(body) },
          };
        } catch (error) {
          if (attempt === attempts || (error as SidecarError).code !== 'AWS_UNREACHABLE') throw error;
        }
        await sleep(retryDelayMs * (1 + Math.random()));
      }
    },
    destroy: () => agent.destroy(),
  };
}

/** Not Buffer.from(bytes): it asks them for their value, and the SDK's own kind of bytes complains on the console. */
function viewOf({ buffer, byteOffset, byteLength }: Uint8Array): Buffer {
  return Buffer.from(buffer, byteOffset, byteLength);
}
