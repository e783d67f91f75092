// One collector: OTLP over HTTP, in protobuf (https://opentelemetry.io/docs/specs/otlp/#otlphttp).

import { setTimeout as sleep } from 'node:timers/promises';
import type { RulesetTelemetry } from '../../policy/ruleset.ts';
import { callBounded, createVerifyingAgent, type CallFailures } from '../bounded-call.ts';
import { SidecarError } from '../errors.ts';
import { Agent } from '../node-http.ts';

export interface OtlpEndpoint {
  /**
   * Delivers one export request.
   * @throws SidecarError SPANS_UNDELIVERED, after the retries that OTLP asks for.
   */
  send(request: Buffer): Promise<void>;
  close(): void;
}

const timeoutMs = 5000;
const maxAnswerBytes = 64 * 1024;
const attempts = 3;
const firstDelayMs = 500;
/** https://opentelemetry.io/docs/specs/otlp/#retryable-response-codes */
const retryable = new Set([429, 502, 503, 504]);
const failures: CallFailures = {
  unreachable: { code: 'SPANS_UNDELIVERED' },
  untrusted: { code: 'SPANS_UNDELIVERED' },
  unreadable: { code: 'SPANS_UNDELIVERED' },
};

/** @returns null when the endpoint is no URL of HTTP. `http:` comes only from an operator set to allow it. */
export function createOtlpEndpoint({ endpoint, caBundle }: RulesetTelemetry): OtlpEndpoint | null {
  const text = `${endpoint.replace(/\/$/, '')}/v1/traces`;
  if (!/^https?:/.test(text) || !URL.canParse(text)) return null;
  const url = new URL(text);
  const agent =
    url.protocol === 'http:'
      ? new Agent({ keepAlive: true, timeout: timeoutMs })
      : createVerifyingAgent(caBundle === undefined ? {} : { ca: caBundle });

  /** @returns the status, or null for what may be tried again. */
  async function attempt(body: Buffer): Promise<number | null> {
    try {
      const headers = { 'content-type': 'application/x-protobuf' };
      const { status } = await callBounded({
        agent,
        url,
        method: 'POST',
        headers,
        body,
        timeoutMs,
        maxAnswerBytes,
        failures,
      });
      return retryable.has(status) ? null : status;
    } catch {
      return null;
    }
  }
  return {
    async send(request) {
      for (let tried = 1, delayMs = firstDelayMs; ; tried += 1, delayMs *= 2) {
        const status = await attempt(request);
        if (status !== null && status < 300) return;
        if (status !== null || tried === attempts) throw new SidecarError('SPANS_UNDELIVERED');
        await sleep(delayMs * (0.5 + Math.random()), null, { ref: false });
      }
    },
    close: () => agent.destroy(),
  };
}
