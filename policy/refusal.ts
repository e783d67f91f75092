// A refusal that reading a request can end in: a value, never an exception.

import type { Reason } from './reasons.ts';

export interface Refusal {
  readonly reason: Reason;
  /** One sentence for the agent: what was seen, and what to send instead. */
  readonly message: string;
  /** Seconds after which trying again can help, where that is known. */
  readonly retryAfter?: number;
}

export function refuse(reason: Reason, message: string): Refusal {
  return { reason, message };
}

export function isRefusal(value: object | null): value is Refusal {
  return value !== null && 'reason' in value && 'message' in value;
}
