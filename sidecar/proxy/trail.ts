// What an exchange leaves behind, collected as it goes: the audit record under construction.

import type { IncomingMessage } from 'node:http';
import type { CaptureLevel } from '../../policy/capture-plan.ts';
import type { Decision } from '../../policy/decision.ts';
import type { Refusal } from '../../policy/refusal.ts';
import type { CanonicalRequest } from '../../policy/request.ts';
import { randomHex } from '../audit/identifiers.ts';
import type { ExchangePhase, ExchangeRecord } from '../audit/record.ts';
import { joinTrace, type TraceContext } from '../audit/trace-context.ts';
import type { Origin } from './entry.ts';
import { spell } from './head.ts';

export interface Trail {
  readonly id: string;
  readonly trace: TraceContext;
  readonly entry: ExchangeRecord['entry'];
  readonly capture: CaptureLevel;
  readonly startedAtMs: number;
  readonly phases: ExchangePhase[];
  readonly authority: string | null;
  request: CanonicalRequest | null;
  decision: Decision | null;
  refusal: Refusal | null;
  status: number;
  upstreamStatus: number | null;
  errorCode: string | null;
  requestBytes: number;
  responseBytes: number;
  revision: string | null;
}

/** @param message null when not even a head could be parsed. */
export function startTrail(
  message: IncomingMessage | null,
  { kind, authority = null }: Origin,
  level: CaptureLevel,
): Trail {
  return {
    id: randomHex(16),
    trace: joinTrace(header(message, 'traceparent'), header(message, 'tracestate')),
    entry: kind,
    capture: level,
    startedAtMs: nowMs(),
    phases: [],
    authority: authority === null ? null : spell(authority),
    request: null,
    decision: null,
    refusal: null,
    status: 0,
    upstreamStatus: null,
    errorCode: null,
    requestBytes: 0,
    responseBytes: 0,
    revision: null,
  };
}

/** Starts a phase. @returns what ends it, with a code when it failed. */
export function timed(trail: Trail, name: ExchangePhase['name']): (error?: string) => void {
  const startedAtMs = nowMs();
  return (error) => {
    const phase = { name, startedAtMs, endedAtMs: nowMs() };
    trail.phases.push(error === undefined ? phase : { ...phase, error });
  };
}

export function endTrail(trail: Trail): ExchangeRecord {
  return { ...trail, endedAtMs: nowMs() };
}

/** Node joins repeated headers with commas, which makes two traceparents an invalid one. */
function header(message: IncomingMessage | null, name: string): string | undefined {
  const value = message?.headers[name];
  return typeof value === 'string' ? value : undefined;
}

/** A getter that asks the clock each time. */
const { timeOrigin } = performance;

/** Wall-clock milliseconds with fractions, which never step back within the process. */
function nowMs(): number {
  return timeOrigin + performance.now();
}
