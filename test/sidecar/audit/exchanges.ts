import type { Decision } from '../../../policy/decision.ts';
import type { ExchangeRecord } from '../../../sidecar/audit/record.ts';
import { joinTrace } from '../../../sidecar/audit/trace-context.ts';

export const agentTrace = '0af7651916cd43dd8448eb211c80319c';
export const agentSpan = 'b7ad6b7169203331';

const startedAtMs = Date.UTC(2026, 4, 1, 12, 0, 0) + 0.25;

export const allowed: Decision = {
  action: 'allow',
  reason: null,
  policy: 'research',
  rule: 'read',
  message: null,
  revision: '0123456789abcdef',
  credential: 'github-bot',
  inject: { kind: 'bearer' },
  destination: null,
  closest: null,
  charges: [],
  approval: null,
  statusOnly: false,
  observed: false,
  shadow: null,
};

/** An allowed GET that went well, with changes. */
export function exchange(changes: Partial<ExchangeRecord> = {}): ExchangeRecord {
  return {
    id: 'decision-1',
    trace: joinTrace(`00-${agentTrace}-${agentSpan}-01`, 'vendor=1'),
    entry: 'connect',
    capture: 'cooperative',
    startedAtMs,
    endedAtMs: startedAtMs + 12.5,
    phases: [
      { name: 'decide', startedAtMs, endedAtMs: startedAtMs + 0.125 },
      { name: 'resolve', startedAtMs: startedAtMs + 0.125, endedAtMs: startedAtMs + 0.5 },
      { name: 'upstream', startedAtMs: startedAtMs + 0.5, endedAtMs: startedAtMs + 12.5 },
    ],
    request: {
      scheme: 'https',
      host: 'api.github.com',
      port: 443,
      method: 'GET',
      path: '/repos/acme/docs',
      segments: ['repos', 'acme', 'docs'],
      opens: [],
      query: 'access_token=canary-query',
      headers: [],
      body: { kind: 'none' },
      placeholder: null,
    },
    authority: null,
    decision: allowed,
    refusal: null,
    status: 200,
    upstreamStatus: 200,
    errorCode: null,
    requestBytes: 0,
    responseBytes: 1024,
    revision: '0123456789abcdef',
    ...changes,
  };
}

export const denied: Partial<ExchangeRecord> = {
  decision: { ...allowed, action: 'deny', reason: 'no_grant', policy: null, rule: null, credential: null },
  phases: [{ name: 'decide', startedAtMs, endedAtMs: startedAtMs + 0.125 }],
  status: 403,
  upstreamStatus: null,
};

export const withoutSecret: Partial<ExchangeRecord> = {
  phases: [
    { name: 'decide', startedAtMs, endedAtMs: startedAtMs + 0.125 },
    { name: 'resolve', startedAtMs: startedAtMs + 0.125, endedAtMs: startedAtMs + 5, error: 'VAULT_SEALED' },
  ],
  refusal: { reason: 'secret_unavailable', message: 'canary-message' },
  status: 503,
  upstreamStatus: null,
  errorCode: 'VAULT_SEALED',
};

export const unreadable: Partial<ExchangeRecord> = {
  request: null,
  authority: 'api.github.com:443',
  decision: null,
  revision: null,
  refusal: { reason: 'request_ambiguous', message: 'canary-message' },
  phases: [],
  status: 400,
  upstreamStatus: null,
};

/** A captured connection to a database, which nobody read. */
export const relayed: Partial<ExchangeRecord> = {
  entry: 'captured_tcp',
  capture: 'captured',
  request: {
    scheme: 'tcp',
    host: 'db.example',
    port: 5432,
    method: '',
    path: '',
    segments: [],
    opens: [],
    query: null,
    headers: [],
    body: { kind: 'none' },
    placeholder: null,
  },
  decision: { ...allowed, credential: null, destination: 'db' },
  phases: [
    { name: 'decide', startedAtMs, endedAtMs: startedAtMs + 0.125 },
    { name: 'upstream', startedAtMs: startedAtMs + 0.125, endedAtMs: startedAtMs + 12.5 },
  ],
  status: 0,
  upstreamStatus: null,
  requestBytes: 311,
};
