// Limits of an agent in a cluster: its own counters on the state volume, the shared ones from the operator.

import type { Agent } from 'node:https';
import type { LimitRefusal } from '../../policy/limits/apply.ts';
import type { Charge } from '../../policy/limits/charge.ts';
import { callBounded, createVerifyingAgent } from '../bounded-call.ts';
import { operatorFailures, type OperatorEndpoint } from '../control/operator-endpoint.ts';
import type { Diagnostics } from '../diagnostics.ts';
import { SidecarError } from '../errors.ts';
import { createBootClock, createKeptCounters } from './kept-counters.ts';
import { createPodBudget } from './pod-budget.ts';
import { createPolicyBudget } from './policy-budget.ts';
import { combineBudgets } from './reservation.ts';

export interface Limits {
  /** At once where the room is at hand, which it nearly always is. Never rejects. */
  reserve(charges: readonly Charge[]): Reserved | Promise<Reserved>;
  /** After the last exchange: keeps what must be kept and gives back what is left. Never rejects. */
  close(): Promise<void>;
}

export type Reserved = Reservation | LimitRefusal;

/**
 * Counts from `reserve` on, for as long as the request waits; from `commit` on for the window's length. Ends with
 * `release`, or with `commit` and `settle`. Each takes effect once, and not out of this order.
 */
export interface Reservation {
  readonly kind: 'reserved';
  /**
   * At the last moment, before the first byte is sent; then it is spent, whatever becomes of the request.
   * @returns why it must not be sent: a share ran out while the request waited. Then it is released, too.
   */
  commit(): LimitRefusal | null;
  /** After the answer. @param tokens what it says it took; null when that is not known, and what was reserved stays. */
  settle(tokens: number | null): void;
  /** The request is not sent; no effect after `commit`. */
  release(): void;
}

export interface LimitsOptions {
  readonly endpoint: Pick<OperatorEndpoint, 'url' | 'ca' | 'token'>;
  readonly stateDirectory: string;
  readonly diagnostics: Pick<Diagnostics, 'failed'>;
}

/** Less than a request waits for a share. */
const timeoutMs = 4000;
/** 64 answers of less than 500 bytes. */
const maxAnswerBytes = 64 * 1024;

export function createLimits({ endpoint, stateDirectory, diagnostics }: LimitsOptions): Limits {
  const clock = createBootClock();
  const onFailure = (error: SidecarError): void => diagnostics.failed(error);
  const kept = createKeptCounters({ directory: stateDirectory, onFailure, clock });
  return combineBudgets({
    Pod: createPodBudget({ kept, now: () => clock.now(), onFailure }),
    Policy: createPolicyBudget({ post: createPost(endpoint), now: () => performance.now(), onFailure }),
  });
}

/** Local mode: one pod, so what pods share is its own, and the counters end with the process. */
export function createLocalLimits(): Limits {
  const budget = createPodBudget({ kept: null, now: () => performance.now(), onFailure: () => {} });
  return combineBudgets({ Pod: budget, Policy: budget });
}

/** Connections are kept while questions follow each other, and made anew when the operator's CAs change. */
function createPost(endpoint: LimitsOptions['endpoint']): (path: string, body: string) => Promise<string> {
  let connection: { readonly ca: string; readonly agent: Agent } | null = null;

  function agent(): Agent {
    const ca = endpoint.ca();
    if (connection?.ca !== ca) {
      connection?.agent.destroy();
      connection = { ca, agent: createVerifyingAgent({ ca }) };
    }
    return connection.agent;
  }

  return async (path, body) => {
    const { status, body: answer } = await callBounded({
      agent: agent(),
      url: endpoint.url(path),
      method: 'POST',
      headers: { authorization: `Bearer ${await endpoint.token()}`, 'content-type': 'application/json' },
      body,
      timeoutMs,
      maxAnswerBytes,
      failures: operatorFailures,
    });
    if (status === 200) return answer;
    // The replica may be on its way out, or out of step: another connection reaches another one.
    connection?.agent.destroy();
    connection = null;
    const code = status === 401 || status === 403 ? 'OPERATOR_REFUSED' : 'OPERATOR_UNAVAILABLE';
    throw new SidecarError(code, { detail: `It answered ${status} to a question for limits.` });
  };
}
