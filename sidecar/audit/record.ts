// What is known of one exchange when it has ended: the one thing from which decision lines and spans are made.

import type { CaptureLevel } from '../../policy/capture-plan.ts';
import type { Decision } from '../../policy/decision.ts';
import type { Refusal } from '../../policy/refusal.ts';
import type { CanonicalRequest } from '../../policy/request.ts';
import type { TraceContext } from './trace-context.ts';

/** Times are milliseconds since the epoch, with fractions. */
export interface ExchangePhase {
  readonly name: 'decide' | 'resolve' | 'upstream';
  readonly startedAtMs: number;
  readonly endedAtMs: number;
  /** A code, when it failed. */
  readonly error?: string;
}

export interface ExchangeRecord {
  readonly id: string;
  readonly trace: TraceContext;
  /** How the request came in: by the proxy port, or redirected there by netfilter. */
  readonly entry: 'connect' | 'absolute' | 'captured_tls' | 'captured_http' | 'captured_tcp';
  /** What this pod's agents could have walked around. */
  readonly capture: CaptureLevel;
  readonly startedAtMs: number;
  readonly endedAtMs: number;
  readonly phases: readonly ExchangePhase[];
  /** Null when it could not be read in one way. */
  readonly request: CanonicalRequest | null;
  /** The host and port that were asked for, when the request could not be read; never with a path. */
  readonly authority: string | null;
  readonly decision: Decision | null;
  /** Refused outside the decision: malformed, stale, secret_unavailable … */
  readonly refusal: Refusal | null;
  /** What the agent was answered; 0 when it was gone before. */
  readonly status: number;
  readonly upstreamStatus: number | null;
  /** A code of the sidecar's error catalogue, or null. */
  readonly errorCode: string | null;
  readonly requestBytes: number;
  readonly responseBytes: number;
  readonly revision: string | null;
}

export interface Audit {
  /** Never throws and never waits: what cannot be written is counted. */
  record(exchange: ExchangeRecord): void;
  close(): Promise<void>;
}
