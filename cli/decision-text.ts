// One decision as a person reads it, in the terminal.

import type { ExchangeRecord } from '../sidecar/audit/record.ts';

/** Two lines: what was decided and why, and its trace. */
export function decisionText(exchange: ExchangeRecord): string {
  const { decision, refusal, request, status, trace } = exchange;
  const reason = refusal?.reason ?? decision?.reason ?? null;
  const place =
    request === null
      ? (exchange.authority ?? 'a request that could not be read')
      : `${request.method} ${request.scheme}://${request.host}:${request.port}${request.path}`.trimStart();
  const verdict = reason === null ? 'allowed  ' : 'refused  ';
  const why = reason === null ? allowedBy(exchange) : `${reason}: ${refusedBecause(exchange)}`;
  const milliseconds = (exchange.endedAtMs - exchange.startedAtMs).toFixed(1);
  const phases = exchange.phases.map(
    ({ name, startedAtMs, endedAtMs }) => `${name} ${(endedAtMs - startedAtMs).toFixed(1)} ms`,
  );
  return `${verdict} ${place} → ${status}, ${why}
          trace ${trace.traceId}: ${[`outrider ${milliseconds} ms`, ...phases].join(' · ')}
`;
}

function allowedBy({ decision }: ExchangeRecord): string {
  const credential = decision?.credential ?? null;
  return `by ${decision?.policy}/${decision?.rule}${credential === null ? '' : `, with the credential ${credential}`}`;
}

function refusedBecause({ decision, refusal }: ExchangeRecord): string {
  if (refusal !== null) return refusal.message;
  const rule = decision?.rule == null ? '' : `by ${decision.policy}/${decision.rule}. `;
  const closest = decision?.closest ?? null;
  const nearest = closest === null ? '' : `closest is ${closest.policy}/${closest.rule}: ${closest.message}`;
  return `${rule}${decision?.message ?? ''}${nearest}` || 'no rule allows anything';
}
