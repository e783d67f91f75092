// What this sidecar tells the operator: the revision it enforces and how its credentials fare, on each change and
// now and then, so that a replica that starts afresh learns of it; and what audited policies would have changed.

import { setTimeout as sleep } from 'node:timers/promises';
import { controlPaths, maxReportBytes, type SidecarReport } from '../../policy/contract.ts';
import type { ShadowTally } from '../audit/shadow-counts.ts';
import { callBounded, createVerifyingAgent } from '../bounded-call.ts';
import type { Credentials } from '../credentials/credentials.ts';
import type { Diagnostics } from '../diagnostics.ts';
import { asSidecarError, SidecarError } from '../errors.ts';
import { operatorFailures, type OperatorEndpoint } from './operator-endpoint.ts';
import type { PolicyState } from './policy-state.ts';

export interface Reports {
  /** Resolves once it is closed. */
  run(): Promise<void>;
  close(): void;
}

export interface ReportsOptions {
  readonly endpoint: OperatorEndpoint;
  readonly state: PolicyState;
  readonly credentials: Pick<Credentials, 'report' | 'onChange'>;
  /** A count is no change: it waits for the next report. */
  readonly shadow?: Pick<ShadowTally, 'report'>;
  readonly diagnostics: Diagnostics;
  readonly timing?: Partial<ReportTiming>;
}

export interface ReportTiming {
  readonly everyMs: number;
  readonly retryMs: number;
  /** Changes of one moment (a ruleset that binds ten credentials) are one report. */
  readonly gatherMs: number;
}

const defaultTiming: ReportTiming = { everyMs: 30_000, retryMs: 2000, gatherMs: 50 };
const timeoutMs = 5000;
const maxAnswerBytes = 16 * 1024;

export function createReports(options: ReportsOptions): Reports {
  const { endpoint, state, credentials, shadow, diagnostics } = options;
  const timing = { ...defaultTiming, ...options.timing };
  const closing = new AbortController();
  let wake = new AbortController();
  const changed = (): void => wake.abort();
  const stopListening = credentials.onChange(changed);
  state.onAcknowledged(changed);

  async function post(): Promise<void> {
    const agent = createVerifyingAgent({ ca: endpoint.ca() });
    try {
      const { status } = await callBounded({
        agent,
        url: endpoint.url(controlPaths.reports),
        method: 'POST',
        headers: { authorization: `Bearer ${await endpoint.token()}`, 'content-type': 'application/json' },
        body: renderReport({
          revision: state.acknowledged(),
          credentials: credentials.report(),
          ...(shadow === undefined ? {} : { shadow: shadow.report() }),
        }),
        timeoutMs,
        maxAnswerBytes,
        failures: operatorFailures,
      });
      if (status < 300) return;
      const code = status === 401 || status === 403 ? 'OPERATOR_REFUSED' : 'OPERATOR_UNAVAILABLE';
      throw new SidecarError(code, { detail: `It answered ${status} to a report.` });
    } finally {
      agent.destroy();
    }
  }

  return {
    async run() {
      // The first report waits for the first ruleset, unless none comes.
      let pauseMs = timing.everyMs;
      while (!closing.signal.aborted) {
        const waking = AbortSignal.any([closing.signal, wake.signal]);
        await sleep(pauseMs * (0.75 + Math.random() / 2), null, { signal: waking }).catch(() => {});
        await sleep(timing.gatherMs, null, { signal: closing.signal }).catch(() => {});
        if (closing.signal.aborted) return;
        // What changes while a report is on its way goes into the next.
        wake = new AbortController();
        pauseMs = timing.everyMs;
        try {
          await post();
        } catch (error) {
          diagnostics.failed(asSidecarError(error));
          pauseMs = timing.retryMs;
        }
      }
    },
    close() {
      stopListening();
      closing.abort();
    },
  };
}

/** A report that is too long loses its sentences first, since the codes say the same, and then its counts. */
function renderReport(report: SidecarReport): string {
  const whole = JSON.stringify(report);
  if (Buffer.byteLength(whole) <= maxReportBytes) return whole;
  const credentials = report.credentials.map(({ name, state, code }) => ({
    name,
    state,
    ...(code === undefined ? {} : { code }),
  }));
  const short = JSON.stringify({ ...report, credentials });
  return Buffer.byteLength(short) <= maxReportBytes
    ? short
    : JSON.stringify({ revision: report.revision, credentials });
}
