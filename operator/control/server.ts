// The control port: ruleset streams, reports and limits of sidecars, aggregates of replicas. Every request is authenticated
// before its body is read.

import fastify, { type FastifyBaseLogger, type FastifyInstance, type FastifyRequest } from 'fastify';
import { controlHeaders, controlPaths, maxReportBytes, type Watermark } from '../../policy/contract.ts';
import { maxLimitsBytes } from '../../policy/limits-contract.ts';
import { OperatorError } from '../errors.ts';
import type { LimitsService } from '../limits/service.ts';
import type { Metrics } from '../metrics.ts';
import type { Authority } from '../webhook/authority.ts';
import { maxAggregatesBytes, type Aggregates } from './aggregates.ts';
import type { IdentityVerifier, SidecarIdentity } from './identity.ts';
import { asOperatorError, sendProblem } from './problem.ts';
import type { Reports } from './reports.ts';
import { maxStreams, type Streams } from './streams.ts';
import type { WatermarkSource } from './watermark.ts';

export interface ControlDeps {
  readonly authority: Authority;
  readonly identity: IdentityVerifier;
  readonly watermark: WatermarkSource;
  readonly streams: Streams;
  readonly reports: Reports;
  readonly aggregates: Aggregates;
  readonly limits: LimitsService;
  /** True once every informer holds a whole list. */
  readonly synced: () => boolean;
  readonly leads: () => boolean;
  readonly log: FastifyBaseLogger;
  readonly metrics: Metrics;
}

declare module 'fastify' {
  interface FastifyRequest {
    sidecar?: SidecarIdentity;
    replica?: string;
  }
}

/** A sidecar waits for this replica to list again rather than to dial another one. */
const catchUpMs = 5_000;
/** A stream, and a report or a question for limits, of each sidecar; a connection costs about 60 KiB. */
const maxConnections = 2 * maxStreams;
/** Features are short names; a watermark has a version of at most 20 digits per kind. */
const maxHeaderLength = 2_048;

/** The app is built here and listens where main.ts says. */
export function createControlApp(deps: ControlDeps): FastifyInstance {
  const { authority, identity, watermark, streams, reports, aggregates, limits, metrics } = deps;
  const app = fastify({
    https: {
      ...authority.serving(),
      minVersion: 'TLSv1.2',
      maxHeaderSize: 16 * 1024,
      // Whoever only connects, or never ends its request, is let go soon.
      handshakeTimeout: 10_000,
      headersTimeout: 10_000,
      connectionsCheckingInterval: 5_000,
    },
    // Without fastify's line a request, which would be thousands a minute: what is refused or fails is logged below.
    bodyLimit: maxReportBytes,
    requestTimeout: 15_000,
    keepAliveTimeout: 75_000,
    forceCloseConnections: true,
  });
  app.server.maxConnections = maxConnections;
  const forget = authority.onChange(() => app.server.setSecureContext(authority.serving()));
  app.addHook('onClose', async () => forget());

  app.setErrorHandler((thrown, request, reply) => {
    const error = asOperatorError(thrown);
    metrics.controlRefusals.inc({ code: error.code });
    const { ip: address, method } = request;
    const facts = { code: error.code, address, method, path: request.routeOptions.url };
    if (error.status >= 500) deps.log.warn({ ...facts, err: error }, 'a request failed');
    else deps.log.info({ ...facts, detail: error.detail }, 'a request was refused');
    return sendProblem(reply, error);
  });
  app.setNotFoundHandler(() => {
    throw new OperatorError('PATH_UNKNOWN');
  });

  const requireSynced = async (): Promise<void> => {
    if (!deps.synced()) throw new OperatorError('NOT_READY');
  };
  const asSidecar =
    (reuse: boolean) =>
    async (request: FastifyRequest): Promise<void> => {
      request.sidecar = await identity.sidecar(request.headers.authorization, reuse);
    };

  app.get(controlPaths.ruleset, { onRequest: [requireSynced, asSidecar(false)] }, async (request, reply) => {
    const features = new Set(
      headerOf(request, controlHeaders.features)
        .split(',')
        .map((name) => name.trim()),
    );
    const announced = parseWatermark(headerOf(request, controlHeaders.watermark));
    if (!watermark.live()) throw new OperatorError('NOT_LIVE');
    if (!watermark.covers(announced) && !(await watermark.catchUp(announced, catchUpMs))) {
      throw new OperatorError('WATERMARK_BEHIND');
    }
    streams.open({ identity: sidecarOf(request), announced, features, response: reply.raw });
    reply.hijack();
  });

  app.post(controlPaths.reports, { onRequest: [requireSynced, asSidecar(true)] }, async (request, reply) => {
    const { uid, pod } = sidecarOf(request);
    reports.take({ uid, namespace: pod.metadata.namespace ?? '' }, request.body);
    metrics.reports.inc();
    return reply.code(204).send();
  });

  app.post(
    controlPaths.limits,
    { onRequest: [requireSynced, asSidecar(true)], bodyLimit: maxLimitsBytes },
    async (request, reply) => {
      const { authorization = '' } = request.headers;
      const isForwarded = headerOf(request, controlHeaders.forwarded) !== '';
      const { body } = request;
      return reply.send(
        await limits.answer({ identity: sidecarOf(request), authorization, body, isForwarded }),
      );
    },
  );

  const asReplica = async (request: FastifyRequest): Promise<void> => {
    request.replica = await identity.replica(request.headers.authorization);
    if (!deps.leads()) throw new OperatorError('NOT_LEADER');
  };
  app.post(
    controlPaths.aggregates,
    { onRequest: asReplica, bodyLimit: maxAggregatesBytes },
    async (request, reply) => {
      if (request.replica !== undefined) aggregates.take(request.replica, request.body);
      return reply.code(204).send();
    },
  );
  return app;
}

function sidecarOf({ sidecar }: FastifyRequest): SidecarIdentity {
  if (sidecar === undefined) throw new OperatorError('TOKEN_MISSING');
  return sidecar;
}

function headerOf(request: FastifyRequest, name: string): string {
  const value = request.headers[name] ?? '';
  if (Array.isArray(value) || value.length > maxHeaderLength) {
    throw new OperatorError('REQUEST_INVALID', {
      detail: `The header ${name} must be sent once, at most 2 KiB long.`,
    });
  }
  return value;
}

/** A JSON object of decimal strings; absent before the first ruleset. */
function parseWatermark(text: string): Watermark {
  if (text === '') return {};
  try {
    const value: unknown = JSON.parse(text);
    if (typeof value === 'object' && value !== null && !Array.isArray(value)) {
      const entries = Object.entries(value);
      if (
        entries.every(([, version]) => typeof version === 'string' && /^(?:0|[1-9]\d{0,19})$/.test(version))
      ) {
        return Object.fromEntries(entries) as Watermark;
      }
    }
  } catch {
    // Falls through to the refusal.
  }
  throw new OperatorError('REQUEST_INVALID', {
    detail: `The header ${controlHeaders.watermark} must be a JSON object of resourceVersions by kind.`,
  });
}
