// A collector's front door that keeps what it is sent, as plain objects.

import { once } from 'node:events';
import { createServer as createHttpServer, type IncomingMessage, type ServerResponse } from 'node:http';
import { createServer as createHttpsServer } from 'node:https';
import type { AddressInfo } from 'node:net';
import type { Certificate } from '../../cluster/certificates.ts';
import { bytesOf, messagesOf, numberOf, parseMessage, textOf, type Message } from './protobuf.ts';

type Attributes = Readonly<Record<string, string | number>>;

export interface CollectedSpan {
  readonly traceId: string;
  readonly spanId: string;
  readonly parentSpanId: string | undefined;
  readonly traceState: string | undefined;
  readonly name: string;
  /** 1 internal, 2 server, 3 client. */
  readonly kind: number;
  readonly startTimeUnixNano: bigint;
  readonly endTimeUnixNano: bigint;
  /** 0 unset, 2 error. */
  readonly statusCode: number;
  readonly attributes: Attributes;
  readonly resource: Attributes;
}

export interface Collector {
  readonly endpoint: string;
  readonly spans: CollectedSpan[];
  /** All bodies, byte for character. */
  text: string;
  requests: number;
  status: number;
  close(): Promise<void>;
}

/** @param certificate absent: plain HTTP. */
export async function startCollector(certificate?: Certificate): Promise<Collector> {
  const take = async (request: IncomingMessage, response: ServerResponse): Promise<void> => {
    const body = Buffer.concat((await request.toArray()) as Buffer[]);
    collector.requests += 1;
    collector.text += body.toString('latin1');
    const isOtlp =
      request.url === '/v1/traces' && request.headers['content-type'] === 'application/x-protobuf';
    const status = isOtlp ? collector.status : 415;
    if (status === 200) collector.spans.push(...parseSpans(body));
    response.writeHead(status, { 'content-type': 'application/x-protobuf' }).end();
  };
  const listener = (request: IncomingMessage, response: ServerResponse): void => void take(request, response);
  const server =
    certificate === undefined
      ? createHttpServer(listener)
      : createHttpsServer({ cert: certificate.certPem, key: certificate.keyPem }, listener);
  await once(server.listen(0, '127.0.0.1'), 'listening');
  const scheme = certificate === undefined ? 'http' : 'https';
  const collector: Collector = {
    endpoint: `${scheme}://127.0.0.1:${(server.address() as AddressInfo).port}`,
    spans: [],
    text: '',
    requests: 0,
    status: 200,
    async close() {
      server.closeAllConnections();
      await new Promise((resolve) => server.close(resolve));
    },
  };
  return collector;
}

/** Field numbers are those of opentelemetry-proto's trace_service.proto and trace.proto. */
export function parseSpans(request: Buffer): CollectedSpan[] {
  return messagesOf(parseMessage(request), 1).flatMap((resourceSpans) => {
    const [resource] = messagesOf(resourceSpans, 1);
    const shared = resource === undefined ? {} : attributesOf(resource, 1);
    const spans = messagesOf(resourceSpans, 2).flatMap((scopeSpans) => messagesOf(scopeSpans, 2));
    return spans.map((span) => ({
      traceId: bytesOf(span, 1)?.toString('hex') ?? '',
      spanId: bytesOf(span, 2)?.toString('hex') ?? '',
      traceState: textOf(span, 3),
      parentSpanId: bytesOf(span, 4)?.toString('hex'),
      name: textOf(span, 5) ?? '',
      kind: Number(numberOf(span, 6)),
      startTimeUnixNano: numberOf(span, 7) ?? 0n,
      endTimeUnixNano: numberOf(span, 8) ?? 0n,
      attributes: attributesOf(span, 9),
      statusCode: Number(messagesOf(span, 15).map((status) => numberOf(status, 3))[0] ?? 0),
      resource: shared,
    }));
  });
}

function attributesOf(message: Message, field: number): Attributes {
  return Object.fromEntries(
    messagesOf(message, field).map((attribute) => {
      const [value] = messagesOf(attribute, 2);
      const whole = value && numberOf(value, 3);
      return [
        textOf(attribute, 1) ?? '',
        whole === undefined ? ((value && textOf(value, 1)) ?? '') : Number(whole),
      ];
    }),
  );
}
