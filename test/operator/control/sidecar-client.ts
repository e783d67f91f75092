// A sidecar's side of the control port, as far as tests need it.

import { request, type RequestOptions } from 'node:https';
import type { IncomingMessage } from 'node:http';
import {
  controlHeaders,
  controlPaths,
  type HeartbeatEvent,
  type RulesetEvent,
  type Watermark,
} from '../../../policy/contract.ts';
import { features } from '../../../policy/ruleset.ts';
import { waitFor } from '../../cluster/deadline.ts';
import { serverName } from '../operator-under-test.ts';

export interface Caller {
  readonly port: number;
  readonly ca: string;
  readonly token?: string;
}

export interface Answer {
  readonly status: number;
  readonly headers: IncomingMessage['headers'];
  readonly body: Readonly<Record<string, unknown>>;
}

export interface Received<T> {
  readonly atMs: number;
  readonly data: T;
}

export interface OpenStream {
  readonly rulesets: readonly Received<RulesetEvent>[];
  readonly heartbeats: readonly Received<HeartbeatEvent>[];
  /** Monotonic time of the end; null while it is open. */
  endedAtMs(): number | null;
  /** The first ruleset, from now or already there, that the test means. */
  ruleset(
    what: string,
    accept: (event: RulesetEvent) => boolean,
    timeoutMs?: number,
  ): Promise<Received<RulesetEvent>>;
  /** Stops reading without closing, as a stuck process does. */
  pause(): void;
  close(): void;
}

export interface StreamOptions extends Caller {
  readonly watermark?: Watermark | string;
  readonly features?: readonly string[];
}

function optionsOf(
  caller: Caller,
  path: string,
  method: string,
  headers: Readonly<Record<string, string>> = {},
): RequestOptions {
  return {
    host: '127.0.0.1',
    port: caller.port,
    path,
    method,
    ca: caller.ca,
    servername: serverName,
    agent: false,
    headers: {
      ...(caller.token === undefined ? {} : { authorization: `Bearer ${caller.token}` }),
      ...headers,
    },
  };
}

async function readAnswer(response: IncomingMessage): Promise<Answer> {
  const chunks: Buffer[] = [];
  for await (const chunk of response as AsyncIterable<Buffer>) chunks.push(chunk);
  const text = Buffer.concat(chunks).toString();
  let body: Answer['body'] = {};
  if (text !== '') body = JSON.parse(text) as Answer['body'];
  return { status: response.statusCode ?? 0, headers: response.headers, body };
}

export function call(
  caller: Caller,
  {
    path,
    method = 'GET',
    headers,
    body,
  }: { path: string; method?: string; headers?: Readonly<Record<string, string>>; body?: string },
): Promise<Answer> {
  return new Promise((resolve, reject) => {
    const outgoing = request(
      { ...optionsOf(caller, path, method, headers), signal: AbortSignal.timeout(15_000) },
      (response) => void readAnswer(response).then(resolve, reject),
    );
    outgoing.on('error', reject);
    outgoing.end(body);
  });
}

export function report(caller: Caller, body: unknown): Promise<Answer> {
  return call(caller, {
    path: controlPaths.reports,
    method: 'POST',
    headers: { 'content-type': 'application/json' },
    body: typeof body === 'string' ? body : JSON.stringify(body),
  });
}

/** The stream, or why not. */
export function tryStream(options: StreamOptions): Promise<OpenStream | Answer> {
  const { watermark = {}, features: announced = features } = options;
  const headers = {
    [controlHeaders.features]: announced.join(','),
    [controlHeaders.watermark]: typeof watermark === 'string' ? watermark : JSON.stringify(watermark),
  };
  return new Promise((resolve, reject) => {
    const outgoing = request(optionsOf(options, controlPaths.ruleset, 'GET', headers), (response) => {
      if (response.statusCode === 200) resolve(follow(response));
      else void readAnswer(response).then(resolve, reject);
    });
    outgoing.on('error', reject);
    outgoing.end();
  });
}

export async function openStream(options: StreamOptions): Promise<OpenStream> {
  const stream = await tryStream(options);
  if ('status' in stream) throw new Error(`refused: ${stream.status} ${JSON.stringify(stream.body)}`);
  return stream;
}

function follow(response: IncomingMessage): OpenStream {
  const rulesets: Received<RulesetEvent>[] = [];
  const heartbeats: Received<HeartbeatEvent>[] = [];
  let endedAtMs: number | null = null;
  let text = '';
  response.setEncoding('utf8');
  response.on('data', (chunk: string) => {
    text += chunk;
    for (let end = text.indexOf('\n\n'); end >= 0; end = text.indexOf('\n\n')) {
      const [, name, data = ''] = /^event: (\w+)\ndata: (.*)$/s.exec(text.slice(0, end)) ?? [];
      text = text.slice(end + 2);
      const atMs = performance.now();
      if (name === 'ruleset') rulesets.push({ atMs, data: JSON.parse(data) as RulesetEvent });
      else if (name === 'heartbeat') heartbeats.push({ atMs, data: JSON.parse(data) as HeartbeatEvent });
      else throw new Error(`an event that is none: ${name}`);
    }
  });
  const ended = (): void => {
    endedAtMs ??= performance.now();
  };
  response.on('end', ended);
  response.on('close', ended);
  response.on('error', ended);
  return {
    rulesets,
    heartbeats,
    endedAtMs: () => endedAtMs,
    ruleset: (what, accept, timeoutMs = 5_000) =>
      waitFor({ what, timeoutMs, everyMs: 5 }, async () => rulesets.find(({ data }) => accept(data))),
    pause: () => void response.pause(),
    close: () => void response.destroy(),
  };
}
