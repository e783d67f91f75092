// Health and metrics, on a port of their own without TLS: nothing secret is here, and probes need no certificate.

import fastify, { type FastifyInstance } from 'fastify';
import type { Metrics } from './metrics.ts';

export interface HealthDeps {
  /** What must be true to serve, by name. Leadership is not among it: every replica serves. */
  readonly ready: Readonly<Record<string, () => boolean>>;
  readonly metrics: Metrics;
}

/** The app is built here and listens where main.ts says. */
export function createHealthApp({ ready, metrics }: HealthDeps): FastifyInstance {
  const app = fastify({ bodyLimit: 1024, requestTimeout: 5_000, forceCloseConnections: true });
  // Answering at all is what liveness asks: a restart helps against a stuck process, never against a dependency.
  app.get('/livez', async () => ({ live: true }));
  app.get('/readyz', async (_request, reply) => {
    const checks = Object.fromEntries(Object.entries(ready).map(([name, check]) => [name, check()]));
    return reply.code(Object.values(checks).every(Boolean) ? 200 : 503).send(checks);
  });
  app.get('/metrics', async (_request, reply) =>
    reply.type(metrics.registry.contentType).send(await metrics.registry.metrics()),
  );
  return app;
}
