// An operator's control port as the limits of a sidecar see it: it grants what is asked for while there is some. The real
// operator is met in test/operator/limits.

import { once } from 'node:events';
import type { IncomingMessage, ServerResponse } from 'node:http';
import { createServer } from 'node:https';
import type { AddressInfo } from 'node:net';
import type { LimitAnswer, LimitAsk, LimitsRequest } from '../../../policy/limits-contract.ts';
import type { Certificate } from '../../cluster/certificates.ts';

export interface GrantingOperator {
  readonly url: (path: string) => URL;
  /** All that was asked, in order. */
  readonly asks: LimitAsk[];
  readonly authorizations: (string | undefined)[];
  /** What is left to grant. */
  room: number;
  lifetimeMs: number;
  /** Answers instead of the operator: a status and a body. */
  instead: { readonly status: number; readonly body: string } | null;
  close(): Promise<void>;
}

export async function startGrantingOperator(certificate: Certificate): Promise<GrantingOperator> {
  let shares = 0;

  function answer(ask: LimitAsk): LimitAnswer {
    operator.asks.push(ask);
    const granted = ask.need > operator.room ? 0 : Math.min(Math.max(ask.need, ask.want), operator.room);
    operator.room -= granted;
    const renewed = ask.shares.map(({ renew }) => renew);
    const amount = granted + renewed.reduce((sum, each) => sum + each, 0);
    const isRefused = ask.need > granted;
    return {
      share: amount === 0 ? null : { id: `s${++shares}`, amount, lifetimeMs: operator.lifetimeMs },
      granted,
      renewed,
      refusal: isRefused ? 'exceeded' : null,
      retryAfterMs: isRefused ? 7000 : null,
    };
  }

  const server = createServer(
    { key: certificate.keyPem, cert: certificate.certPem },
    (request, response) => void take(request, response),
  );

  async function take(request: IncomingMessage, response: ServerResponse): Promise<void> {
    const chunks = (await request.toArray()) as Buffer[];
    operator.authorizations.push(request.headers.authorization);
    const { asks } = JSON.parse(Buffer.concat(chunks).toString()) as LimitsRequest;
    const { status, body } = operator.instead ?? {
      status: request.url === '/v1/limits' ? 200 : 404,
      body: JSON.stringify({ answers: asks.map(answer) }),
    };
    response.writeHead(status, { 'content-type': 'application/json' }).end(body);
  }

  await once(server.listen(0, '127.0.0.1'), 'listening');
  const origin = `https://127.0.0.1:${(server.address() as AddressInfo).port}`;
  const operator: GrantingOperator = {
    url: (path) => new URL(path, origin),
    asks: [],
    authorizations: [],
    room: 100,
    lifetimeMs: 30_000,
    instead: null,
    async close() {
      server.closeAllConnections();
      await new Promise((resolve) => server.close(resolve));
    },
  };
  return operator;
}
