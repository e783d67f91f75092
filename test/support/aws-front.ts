// AWS as a sidecar meets it: one TLS server per service, with AWS's clock in every Date header. Secrets Manager checks
// signature, keys and permission before moto answers; STS is sts.ts. A test can put a fault before either.

import { once } from 'node:events';
import type { IncomingMessage, ServerResponse } from 'node:http';
import { createServer } from 'node:https';
import type { AddressInfo } from 'node:net';
import { setTimeout as sleep } from 'node:timers/promises';
import type { Certificate } from '../cluster/certificates.ts';
import { callHttps } from '../cluster/https-call.ts';
import type { Moto } from './moto.ts';
import type { SignedRequest } from './sts-keys.ts';
import { createSts, type Sts, type StsOptions } from './sts.ts';

/** Stands before every answer of a service until it is null again. */
export type Fault =
  | {
      readonly kind: 'answer';
      readonly status: number;
      readonly headers?: Readonly<Record<string, string>>;
      readonly body: string;
      times?: number;
    }
  | { readonly kind: 'slow'; readonly delayMs: number }
  | { readonly kind: 'silent' };

export interface AwsFront {
  readonly endpoint: string;
  readonly stsEndpoint: string;
  readonly sts: Sts;
  /** ARNs of roles and users that may read, by `action`; all others are denied. */
  readonly readers: Set<string>;
  /** What reached each service: headers of every request. */
  readonly seen: { readonly secrets: SignedRequest[]; readonly sts: SignedRequest[] };
  readonly faults: { secrets: Fault | null; sts: Fault | null };
  stop(): Promise<void>;
}

export async function startAwsFront(
  options: StsOptions & { readonly moto: Moto; readonly certificate: Certificate },
): Promise<AwsFront> {
  const { moto, certificate, region } = options;
  const sts = createSts(options);
  const readers = new Set<string>();
  const seen = { secrets: [] as SignedRequest[], sts: [] as SignedRequest[] };
  const faults: AwsFront['faults'] = { secrets: null, sts: null };

  async function answerSecrets(request: SignedRequest): Promise<{ status: number; body: string }> {
    const keys = sts.ring.verify(request, 'secretsmanager', region);
    if ('code' in keys) return { status: 400, body: jsonError(keys.code, keys.message) };
    if (!readers.has(keys.principal)) {
      const message = `${keys.principal} is not authorized to perform: secretsmanager:GetSecretValue canary-in-message`;
      return { status: 400, body: jsonError('AccessDeniedException', message) };
    }
    const { status, text } = await callHttps({
      url: `${moto.address}/`,
      caPem: moto.authority.certPem,
      method: 'POST',
      headers: {
        authorization: request.headers.authorization ?? '',
        'content-type': 'application/x-amz-json-1.1',
        'x-amz-target': String(request.headers['x-amz-target']),
      },
      body: request.body.toString('utf8'),
    });
    return { status, body: text };
  }

  async function listen(
    service: 'secrets' | 'sts',
    type: string,
    answer: (request: SignedRequest) => Promise<{ status: number; body: string }>,
  ) {
    const handle = async (incoming: IncomingMessage, response: ServerResponse): Promise<void> => {
      const chunks: Buffer[] = [];
      for await (const chunk of incoming as AsyncIterable<Buffer>) chunks.push(chunk);
      const { method = '', url: path = '', headers } = incoming;
      const request = { method, path, headers, body: Buffer.concat(chunks) };
      seen[service].push(request);
      response.setHeader('date', new Date(Date.now() + sts.ring.clockOffsetMs).toUTCString());
      const fault = faults[service];
      if (fault?.kind === 'silent') return;
      if (fault?.kind === 'slow') await sleep(fault.delayMs);
      if (fault?.kind === 'answer' && fault.times !== 0) {
        if (fault.times !== undefined) fault.times -= 1;
        response.writeHead(fault.status, { 'content-type': type, ...fault.headers }).end(fault.body);
        return;
      }
      const { status, body } = await answer(request);
      response.writeHead(status, { 'content-type': type, 'x-amzn-requestid': 'canary-request-id' }).end(body);
    };
    const server = createServer(
      { cert: certificate.certPem, key: certificate.keyPem },
      (incoming, response) => {
        handle(incoming, response).catch(() => response.destroy());
      },
    ).listen(0, '127.0.0.1');
    await once(server, 'listening');
    return {
      address: `https://127.0.0.1:${(server.address() as AddressInfo).port}`,
      async stop() {
        server.close();
        server.closeAllConnections();
        await once(server, 'close').catch(() => undefined);
      },
    };
  }

  const secretsServer = await listen('secrets', 'application/x-amz-json-1.1', answerSecrets);
  const stsServer = await listen('sts', 'text/xml', (request) => sts.answer(request));
  return {
    endpoint: secretsServer.address,
    stsEndpoint: stsServer.address,
    sts,
    readers,
    seen,
    faults,
    async stop() {
      await Promise.all([secretsServer.stop(), stsServer.stop()]);
    },
  };
}

export function jsonError(type: string, message = 'canary-in-message'): string {
  return JSON.stringify({ __type: type, message });
}
