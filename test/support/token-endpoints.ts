// Token endpoints for tests: TLS servers on loopback, and a caller for minters that finds them by what an AgentCredential
// says. What answers there stands in github-tokens.ts, google-tokens.ts and oauth-provider.ts.

import { once } from 'node:events';
import type { IncomingHttpHeaders, ServerResponse } from 'node:http';
import { createServer } from 'node:https';
import type { AddressInfo } from 'node:net';
import type { TokenEndpoint } from '../../policy/ruleset-credential.ts';
import { callBounded, createVerifyingAgent } from '../../sidecar/bounded-call.ts';
import type { CallTokenEndpoint, MintContext } from '../../sidecar/credentials/inject/injector.ts';
import { SidecarError } from '../../sidecar/errors.ts';
import type { Certificate } from '../cluster/certificates.ts';

export interface TokenCall {
  readonly method: string;
  /** Path and query. */
  readonly path: string;
  readonly headers: IncomingHttpHeaders;
  readonly body: string;
}

export interface TokenReply {
  readonly status: number;
  /** Sent as it is when it is a string, else as JSON. */
  readonly body: unknown;
}

export type AnswerTokens = (call: TokenCall) => Promise<TokenReply> | TokenReply;

export interface TokenServer {
  /** https://127.0.0.1:port */
  readonly origin: string;
  readonly seen: TokenCall[];
  /** Answers from now on. */
  answer: AnswerTokens;
  close(): void;
}

/** @param certificate for 127.0.0.1. */
export async function startTokenServer(
  certificate: Pick<Certificate, 'certPem' | 'keyPem'>,
  answer: AnswerTokens,
): Promise<TokenServer> {
  const server = createServer({ key: certificate.keyPem, cert: certificate.certPem }, (request, response) => {
    const chunks: Buffer[] = [];
    request.on('data', (chunk: Buffer) => chunks.push(chunk));
    request.on('end', () => {
      const call = {
        method: request.method ?? '',
        path: request.url ?? '',
        headers: request.headers,
        body: Buffer.concat(chunks).toString(),
      };
      started.seen.push(call);
      void reply(call, response);
    });
  });
  const reply = async (call: TokenCall, response: ServerResponse): Promise<void> => {
    const { status, body } = await answerOf(call);
    response.writeHead(status, { 'content-type': 'application/json' });
    response.end(typeof body === 'string' ? body : JSON.stringify(body));
  };
  const answerOf = async (call: TokenCall): Promise<TokenReply> => {
    try {
      return await started.answer(call);
    } catch (error) {
      return { status: 500, body: String(error) };
    }
  };
  await once(server.listen(0, '127.0.0.1'), 'listening');
  const started: TokenServer = {
    origin: `https://127.0.0.1:${(server.address() as AddressInfo).port}`,
    seen: [],
    answer,
    close: () => {
      server.closeAllConnections();
      server.close();
    },
  };
  return started;
}

/** Where an AgentCredential's endpoint really is: by its URL, or by the name of its AgentDestination. */
export type Routes = Readonly<Record<string, TokenServer>>;

export function createTestCaller(routes: Routes, caPem: string): Pick<MintContext, 'call' | 'urlOf'> {
  const failure = { field: 'spec.inject' };
  const call: CallTokenEndpoint = async (endpoint, { path = '', ...request }) => {
    const name = 'url' in endpoint ? endpoint.url : endpoint.destination;
    const server = Object.hasOwn(routes, name) ? routes[name] : undefined;
    if (server === undefined) throw new SidecarError('TOKEN_ENDPOINT_UNKNOWN', failure);
    const base = 'url' in endpoint ? new URL(endpoint.url).pathname : endpoint.path;
    const agent = createVerifyingAgent({ ca: caPem });
    try {
      const { status, body } = await callBounded({
        ...request,
        agent,
        url: new URL(`${server.origin}${base === '/' && path !== '' ? '' : base}${path}`),
        timeoutMs: 5000,
        maxAnswerBytes: 256 * 1024,
        failures: {
          unreachable: { code: 'TOKEN_ENDPOINT_UNREACHABLE', ...failure },
          untrusted: { code: 'TOKEN_ENDPOINT_UNTRUSTED', ...failure },
          unreadable: { code: 'TOKEN_ENDPOINT_UNREADABLE', ...failure },
        },
      });
      return { status, body };
    } finally {
      agent.destroy();
    }
  };
  return { call, urlOf };
}

function urlOf(endpoint: TokenEndpoint): string {
  return 'url' in endpoint
    ? endpoint.url
    : `https://${endpoint.destination}.corp.example:8443${endpoint.path}`;
}

/** The parameters of a form; throws for one that stands twice (RFC 6749 section 3.2). */
export function readFormOnce({ headers, body }: TokenCall): ReadonlyMap<string, string> {
  if (headers['content-type'] !== 'application/x-www-form-urlencoded') throw new Error('no form');
  const pairs = [...new URLSearchParams(body)];
  const form = new Map(pairs);
  if (form.size !== pairs.length) throw new Error('a parameter stands twice');
  return form;
}

export function refused(error: string, status = 400): TokenReply {
  // What real ones write there would be shown to an agent if any of it travelled.
  return { status, body: { error, error_description: 'canary of the server' } };
}
