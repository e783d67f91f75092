// Calls to the API server. @kubernetes/client-node reads kubeconfigs and service account files and keeps tokens
// fresh; the requests go through one pool of connections of our own, because the library builds a new pool, and so
// a new TLS handshake, for every call (KubeConfig.applySecurityAuthentication in 2.0.1).

import { createHash } from 'node:crypto';
import type { RequestOptions } from 'node:https';
import { KubeConfig } from '@kubernetes/client-node';
import { Agent, type Dispatcher } from 'undici';
import type { ObjectMeta } from '../../policy/resources/kinds.ts';
import { OperatorError, type OperatorErrorCode } from '../errors.ts';

export interface KubeObject {
  readonly apiVersion?: string;
  readonly kind?: string;
  readonly metadata: ObjectMeta;
}

export interface KubeList<T> {
  readonly metadata: { readonly resourceVersion: string; readonly continue?: string };
  readonly items: readonly T[];
}

export type PatchType = 'json-patch' | 'merge-patch' | 'apply-patch';

export interface KubeRequest {
  readonly method: 'GET' | 'POST' | 'PUT' | 'PATCH' | 'DELETE';
  /** Absolute path, such as /api/v1/namespaces; segments are the caller's to escape. */
  readonly path: string;
  readonly query?: Readonly<Record<string, string>>;
  readonly body?: unknown;
  /** Of a PATCH. */
  readonly patch?: PatchType;
  readonly signal?: AbortSignal;
  readonly timeoutMs?: number;
}

export interface KubeClient {
  /** @throws {OperatorError} with a KUBE_* code; nothing else. */
  request<T>(request: KubeRequest): Promise<T>;
  /** The body of a watch, as it comes; ends with the signal. Throws as `request` does. */
  watch(
    path: string,
    query: Readonly<Record<string, string>>,
    signal: AbortSignal,
  ): Promise<AsyncIterable<Buffer>>;
  close(): Promise<void>;
}

/** The API server's own default is 60 s; nothing of ours is worth waiting so long for. */
const requestTimeoutMs = 10_000;
const connectTimeoutMs = 5_000;
/** client-node reads the service account's token again once a minute; CA files are read as often as this. */
const identityLifetimeMs = 10_000;
/** Ten watches, TokenReviews of a reconnecting fleet and status writes; more would only queue at the API server. */
const maxConnections = 64;
/** etcd's request limit is 1.5 MiB, a page of a list holds 500 objects. */
const maxBodyBytes = 64 * 1024 * 1024;

const patchMediaTypes: Readonly<Record<PatchType, string>> = {
  'json-patch': 'application/json-patch+json',
  'merge-patch': 'application/merge-patch+json',
  'apply-patch': 'application/apply-patch+yaml',
};

interface Identity {
  readonly expiresAtMs: number;
  readonly headers: Readonly<Record<string, string>>;
  readonly agent: Agent;
}

/** @param kubeconfig path of a kubeconfig; null inside a pod, where the service account is used. */
export function createKubeClient({ kubeconfig }: { readonly kubeconfig: string | null }): KubeClient {
  const config = loadConfig(kubeconfig);
  const server = config.getCurrentCluster()?.server.replace(/\/$/, '') ?? '';
  let pool: { readonly fingerprint: string; readonly agent: Agent } | undefined;
  let identity: Identity | undefined;

  /** Replaces the pool when the CA or the client certificate changes; its watches then end by themselves. */
  function poolFor(tls: RequestOptions): Agent {
    const { ca, cert, key, servername } = tls;
    const fingerprint = createHash('sha256')
      .update(JSON.stringify([ca, cert, key, servername].map(String)))
      .digest('hex');
    if (pool?.fingerprint === fingerprint) return pool.agent;
    // undici closes a pool once its last request is done, and watches are short.
    pool?.agent.close().catch(() => undefined);
    const connect = Object.fromEntries(
      Object.entries({ ca, cert, key, servername }).filter(
        ([, value]) => value !== undefined && value !== null,
      ),
    );
    // HTTP/1.1: with HTTP/2 one stalled connection would silence every watch at once.
    const agent = new Agent({
      allowH2: false,
      connections: maxConnections,
      connect: { ...connect, timeout: connectTimeoutMs },
    });
    pool = { fingerprint, agent };
    return agent;
  }

  async function identify(): Promise<Identity> {
    if (identity !== undefined && performance.now() < identity.expiresAtMs) return identity;
    const tls: RequestOptions = {};
    try {
      await config.applyToHTTPSOptions(tls);
    } catch (cause) {
      throw new OperatorError('KUBE_UNAUTHENTICATED', {
        detail: 'The credentials could not be read.',
        cause,
      });
    }
    const headers = { ...(tls.headers as Record<string, string> | undefined) };
    identity = { headers, agent: poolFor(tls), expiresAtMs: performance.now() + identityLifetimeMs };
    return identity;
  }

  async function send(request: KubeRequest, signal: AbortSignal): Promise<Dispatcher.ResponseData> {
    const { headers, agent } = await identify();
    const url = new URL(server + request.path);
    for (const [name, value] of Object.entries(request.query ?? {})) url.searchParams.set(name, value);
    try {
      const response = await agent.request({
        origin: url.origin,
        path: url.pathname + url.search,
        method: request.method,
        headers: {
          ...headers,
          accept: 'application/json',
          'user-agent': 'outrider-operator',
          ...(request.body === undefined
            ? {}
            : {
                'content-type':
                  request.patch === undefined ? 'application/json' : patchMediaTypes[request.patch],
              }),
        },
        ...(request.body === undefined ? {} : { body: JSON.stringify(request.body) }),
        signal,
        headersTimeout: requestTimeoutMs,
        // The caller of a watch decides how long silence may last.
        bodyTimeout: 0,
      });
      if (response.statusCode < 300) return response;
      // The service account's token may have been replaced since it was read.
      if (response.statusCode === 401) identity = undefined;
      throw await refusal(request, response);
    } catch (error) {
      throw asOperatorError(request, error);
    }
  }

  return {
    request: async <T>(request: KubeRequest) => {
      const timeout = AbortSignal.timeout(request.timeoutMs ?? requestTimeoutMs);
      const signal = request.signal === undefined ? timeout : AbortSignal.any([timeout, request.signal]);
      const response = await send(request, signal);
      try {
        return JSON.parse((await readAll(response.body)).toString('utf8')) as T;
      } catch (error) {
        throw asOperatorError(request, error);
      }
    },
    watch: async (path, query, signal) => {
      const request: KubeRequest = { method: 'GET', path, query };
      const response = await send(request, signal);
      return readStream(request, response.body);
    },
    close: async () => {
      await pool?.agent.destroy();
    },
  };
}

function loadConfig(kubeconfig: string | null): KubeConfig {
  const config = new KubeConfig();
  try {
    if (kubeconfig === null) config.loadFromCluster();
    else config.loadFromFile(kubeconfig);
  } catch {
    // No cause: a YAML parser quotes the lines around a mistake, and they may hold a token.
    throw new OperatorError('CONFIG_INVALID', {
      detail: `OUTRIDER_KUBECONFIG names a file that is no readable kubeconfig: ${kubeconfig}.`,
    });
  }
  const cluster = config.getCurrentCluster();
  // What the operator compiles is as true as its connection: no plain HTTP, no unverified TLS (threat T-07).
  if (cluster === null || !cluster.server.startsWith('https://') || cluster.skipTLSVerify) {
    throw new OperatorError('CONFIG_INVALID', {
      detail:
        'The kubeconfig must name a current cluster with an https:// server and verify its certificate.',
    });
  }
  return config;
}

async function* readStream(request: KubeRequest, body: AsyncIterable<Buffer>): AsyncGenerator<Buffer> {
  try {
    yield* body;
  } catch (error) {
    throw asOperatorError(request, error);
  }
}

async function readAll(body: AsyncIterable<Buffer>): Promise<Buffer> {
  const chunks: Buffer[] = [];
  let bytes = 0;
  for await (const chunk of body) {
    bytes += chunk.length;
    if (bytes > maxBodyBytes) throw new OperatorError('KUBE_INVALID', { detail: 'It is too large.' });
    chunks.push(chunk);
  }
  return Buffer.concat(chunks);
}

const codesByStatus: Readonly<Record<number, OperatorErrorCode>> = {
  401: 'KUBE_UNAUTHENTICATED',
  403: 'KUBE_FORBIDDEN',
  404: 'KUBE_NOT_FOUND',
  409: 'KUBE_CONFLICT',
  410: 'KUBE_EXPIRED',
  429: 'KUBE_UNAVAILABLE',
};

/** The code for a status of the API server's, in an answer or inside a watch's ERROR event. */
export function codeOfStatus(status: number): OperatorErrorCode {
  return codesByStatus[status] ?? (status >= 500 ? 'KUBE_UNAVAILABLE' : 'KUBE_REJECTED');
}

async function refusal(request: KubeRequest, response: Dispatcher.ResponseData): Promise<OperatorError> {
  const text = (await readAll(response.body)).toString('utf8');
  const seconds = Number(response.headers['retry-after']);
  return new OperatorError(codeOfStatus(response.statusCode), {
    detail: `${request.method} ${request.path}: ${statusMessage(text)}`,
    ...(Number.isFinite(seconds) ? { retryAfterMs: seconds * 1000 } : {}),
  });
}

/** `message` of a metav1.Status, bounded: it ends up in logs. */
function statusMessage(text: string): string {
  try {
    const { message } = JSON.parse(text) as { readonly message?: unknown };
    if (typeof message === 'string') return message.slice(0, 500);
  } catch {
    // A proxy in between answers with pages of its own.
  }
  return text.slice(0, 200);
}

function asOperatorError(request: KubeRequest, error: unknown): OperatorError {
  if (error instanceof OperatorError) return error;
  const { message, code: reason } = error as Error & { readonly code?: string };
  const code = error instanceof SyntaxError ? 'KUBE_INVALID' : 'KUBE_UNREACHABLE';
  // An AggregateError, of a name with two addresses, has a code and no message.
  return new OperatorError(code, { detail: `${request.method} ${request.path}: ${message || reason}` });
}
