// An AWS endpoint over TLS that takes no request whose signature it cannot recompute, and S3 behind it by default.

import { once } from 'node:events';
import type { IncomingMessage, ServerResponse } from 'node:http';
import { createServer } from 'node:https';
import type { AddressInfo } from 'node:net';
import { buffer } from 'node:stream/consumers';
import type { Authority } from '../cluster/certificates.ts';
import { verifyAws, type AwsKeys, type AwsRequest, type Verified } from './s3-signature.ts';
import { createS3Store, type S3Answer } from './s3-store.ts';

export interface AwsReceived extends AwsRequest {
  readonly headers: IncomingMessage['headers'];
  /** Null where the request was refused. */
  readonly verified: Verified | null;
  /** What did not fit; null where all did. */
  readonly fault: string | null;
}

export interface AwsServer {
  readonly port: number;
  readonly received: AwsReceived[];
  /** Requests that ended before their body was whole. */
  aborted(): number;
  readonly objects: ReadonlyMap<string, Buffer>;
  /** What it takes from now on. */
  expect(keys: AwsKeys, service: string): void;
  close(): Promise<void>;
}

export interface AwsServerOptions {
  readonly authority: Authority;
  readonly name: string;
  readonly keys: AwsKeys;
  readonly service: string;
}

export async function startAwsServer({ authority, name, ...first }: AwsServerOptions): Promise<AwsServer> {
  let { keys, service } = first;
  let aborted = 0;
  const received: AwsReceived[] = [];
  const store = createS3Store();
  const certificate = await authority.issue({
    name: `aws-${name}`,
    subject: '/CN=aws',
    alternativeNames: [`DNS:${name}`],
    usages: ['serverAuth'],
  });
  const server = createServer({ cert: certificate.certPem, key: certificate.keyPem });
  server.on('tlsClientError', () => {});
  server.on('request', (message, response) => {
    serve(message, response).catch(() => {
      aborted += 1;
    });
  });

  async function serve(message: IncomingMessage, response: ServerResponse): Promise<void> {
    const { method = '', url = '', rawHeaders, headers } = message;
    const request = { method, url, rawHeaders, body: await buffer(message) };
    let verified: Verified | null = null;
    let fault: string | null = null;
    try {
      verified = verifyAws(request, keys, service);
    } catch (error) {
      fault = (error as Error).message;
    }
    received.push({ ...request, headers, verified, fault });
    const answer = verified === null ? refused : answerOf(request, headers, verified);
    const type = service === 's3' || verified === null ? 'application/xml' : 'application/x-amz-json-1.0';
    response.writeHead(answer.status, {
      'content-type': type,
      'content-length': answer.body.length,
      ...answer.headers,
    });
    response.end(method === 'HEAD' ? undefined : answer.body);
  }

  function answerOf(
    request: AwsRequest,
    headers: IncomingMessage['headers'],
    { payload }: Verified,
  ): S3Answer {
    if (service === 's3') return store.answer(request, headers.range, payload);
    return { status: 200, headers: {}, body: Buffer.from('{"TableNames":["orders"]}') };
  }

  server.listen(0, '127.0.0.1');
  await once(server, 'listening');
  return {
    port: (server.address() as AddressInfo).port,
    received,
    aborted: () => aborted,
    objects: store.objects,
    expect: (nextKeys, nextService) => {
      keys = nextKeys;
      service = nextService;
    },
    close: async () => {
      server.closeAllConnections();
      server.close();
      await once(server, 'close');
    },
  };
}

const refused: S3Answer = {
  status: 403,
  headers: {},
  body: Buffer.from('<Error><Code>SignatureDoesNotMatch</Code><Message>It does not match.</Message></Error>'),
};
