// The stream of rulesets and heartbeats from the operator, kept open: whatever ends it, it is opened again, and
// what a replica says is believed only as far as PolicyState allows.

import { request } from 'node:https';
import type { IncomingMessage } from 'node:http';
import { setTimeout as sleep } from 'node:timers/promises';
import { controlHeaders, controlPaths, heartbeatSeconds } from '../../policy/contract.ts';
import { features } from '../../policy/ruleset.ts';
import { callFailure } from '../bounded-call.ts';
import { SidecarError } from '../errors.ts';
import type { Diagnostics } from '../diagnostics.ts';
import { createEventParser, type StreamEvent } from './event-parser.ts';
import { operatorFailures, type OperatorEndpoint } from './operator-endpoint.ts';
import type { PolicyState } from './policy-state.ts';

export interface OperatorStream {
  /** Resolves once it is closed. */
  run(): Promise<void>;
  close(): void;
}

export interface OperatorStreamOptions {
  readonly endpoint: OperatorEndpoint;
  readonly state: PolicyState;
  readonly diagnostics: Diagnostics;
  readonly timing?: Partial<StreamTiming>;
}

export interface StreamTiming {
  readonly connectMs: number;
  /** Two heartbeats may be missed; the third means that the replica is cut off, and another may not be. */
  readonly silenceMs: number;
  readonly firstBackoffMs: number;
  readonly maxBackoffMs: number;
}

const defaultTiming: StreamTiming = {
  connectMs: 5000,
  silenceMs: 2.5 * heartbeatSeconds * 1000,
  firstBackoffMs: 200,
  maxBackoffMs: 5000,
};

export function createOperatorStream(options: OperatorStreamOptions): OperatorStream {
  const { endpoint, state, diagnostics } = options;
  const timing = { ...defaultTiming, ...options.timing };
  const closing = new AbortController();
  let failuresInRow = 0;

  async function open(signal: AbortSignal): Promise<IncomingMessage> {
    const headers = {
      accept: 'text/event-stream',
      authorization: `Bearer ${await endpoint.token()}`,
      [controlHeaders.features]: features.join(','),
      [controlHeaders.watermark]: JSON.stringify(state.watermark()),
    };
    const response = await new Promise<IncomingMessage>((resolve, reject) => {
      // `agent: false` is a connection of its own, so that a new stream may reach another replica.
      const options = { agent: false, headers, signal, ...endpoint.tls() } as const;
      request(endpoint.url(controlPaths.ruleset), options, resolve).on('error', reject).end();
    });
    const { statusCode: status } = response;
    if (status === 200 && /^text\/event-stream\b/.test(response.headers['content-type'] ?? ''))
      return response;
    response.destroy();
    if (status === 200) throw new SidecarError('STREAM_MALFORMED');
    const code = status === 401 || status === 403 ? 'OPERATOR_REFUSED' : 'OPERATOR_UNAVAILABLE';
    throw new SidecarError(code, { detail: `It answered ${status}.` });
  }

  /** One connection, from its opening to its end; returns when the operator ends it. */
  async function follow(): Promise<void> {
    const cut = new AbortController();
    const signal = AbortSignal.any([closing.signal, cut.signal]);
    let silent = false;
    const fallSilent = (): void => {
      silent = true;
      cut.abort();
    };
    let watch = setTimeout(fallSilent, timing.connectMs);
    try {
      const parse = createEventParser();
      for await (const chunk of (await open(signal)) as AsyncIterable<Buffer>) {
        for (const event of parse(chunk)) {
          clearTimeout(watch);
          watch = setTimeout(fallSilent, timing.silenceMs);
          await take(event);
        }
      }
    } catch (error) {
      throw silent ? new SidecarError('OPERATOR_SILENT') : callFailure(error, operatorFailures);
    } finally {
      clearTimeout(watch);
      cut.abort();
    }
  }

  async function take({ name, data }: StreamEvent): Promise<void> {
    // Other events are a newer operator's; it sends none that must not be missed.
    if (name !== 'ruleset' && name !== 'heartbeat') return;
    const value = parseJson(data);
    if (name === 'heartbeat') state.acceptHeartbeat(value);
    else await takeRuleset(value);
    failuresInRow = 0;
  }

  async function takeRuleset(value: unknown): Promise<void> {
    try {
      state.acceptRuleset(value);
    } catch (error) {
      // The stream goes on: the operator may send another that can be enforced.
      if (!(error instanceof SidecarError) || error.code !== 'RULESET_UNREADABLE') throw error;
      diagnostics.failed(error);
      return;
    }
    const { revision, ruleset } = state.current() ?? {};
    diagnostics.happened('ruleset_in_force', { revision: revision ?? '' });
    await endpoint.keepCas(ruleset?.operatorCas ?? '').catch((error: unknown) => {
      if (error instanceof SidecarError) diagnostics.failed(error);
    });
  }

  return {
    async run() {
      while (!closing.signal.aborted) {
        try {
          await follow();
        } catch (error) {
          if (closing.signal.aborted) return;
          diagnostics.failed(callFailure(error, operatorFailures));
        }
        const backoffMs = Math.min(timing.maxBackoffMs, timing.firstBackoffMs * 2 ** failuresInRow);
        failuresInRow += 1;
        // Half of it at random: the fleet of a replica that ended must not come back in step.
        await sleep(backoffMs * (0.5 + Math.random() / 2), null, { signal: closing.signal }).catch(() => {});
      }
    },
    close: () => closing.abort(),
  };
}

function parseJson(text: string): unknown {
  try {
    return JSON.parse(text) as unknown;
  } catch {
    throw new SidecarError('STREAM_MALFORMED');
  }
}
