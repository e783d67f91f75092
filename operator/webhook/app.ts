// The admission webhook as a fastify app. It is built here and listens where main.ts says.

import fastify, { type FastifyInstance } from 'fastify';
import { injectPod, type Injection } from '../injector/injection.ts';
import { parsePod, type Pod } from '../injector/pod.ts';
import { reportReasons } from '../injector/report.ts';
import type { InjectorSettings } from '../injector/settings.ts';
import type { Authority } from './authority.ts';
import { createGather, type AdmissionCluster } from './gather.ts';
import { allow, deny, parseReview, patch, renderReview, type PodReview, type Verdict } from './review.ts';

/** etcd takes objects of 1.5 MiB; a review may hold the new and the old one. */
const maxBodyBytes = 3 * 1024 * 1024;

export interface AdmissionOutcome {
  readonly namespace: string;
  /** The pod's name, or what its name will begin with. */
  readonly pod: string;
  readonly verdict: Verdict['kind'];
  /** Why, in the words of the API server's audit log. */
  readonly note: string;
  readonly durationMs: number;
}

export interface WebhookDeps {
  readonly authority: Authority;
  readonly cluster: AdmissionCluster;
  readonly settings: InjectorSettings;
  /** Draws a number of the injector's `idRange`. */
  readonly drawId: () => number;
  /** For metrics, logs and spans. */
  readonly observe: (outcome: AdmissionOutcome) => void;
  /** What failed, for the log; the API server is only told that something did. */
  readonly fail: (error: unknown) => void;
}

/** `POST /mutate`. The authority must have started. */
export function createWebhookApp(deps: WebhookDeps): FastifyInstance {
  const { authority } = deps;
  const gather = createGather(deps.cluster);
  const tls = () => ({ ...authority.serving(), minVersion: 'TLSv1.2' as const });
  const app = fastify({
    https: tls(),
    bodyLimit: maxBodyBytes,
    requestTimeout: 10_000,
    // The API server keeps idle connections without end, so each one that we close may meet a review on its way.
    keepAliveTimeout: 10 * 60_000,
  });
  const forget = authority.onChange(() => app.server.setSecureContext(tls()));
  app.addHook('onClose', async () => forget());
  app.setErrorHandler((error: Error & { statusCode?: number }, _request, reply) => {
    const status = error.statusCode ?? 500;
    if (status >= 500) deps.fail(error);
    void reply.code(status).send({ message: status >= 500 ? 'the review failed' : error.message });
  });

  app.post('/mutate', async (request, reply) => {
    const startedAt = performance.now();
    let review: PodReview;
    let pod: Pod;
    try {
      review = parseReview(request.body);
      pod = parsePod(review.object);
    } catch (error) {
      return reply.code(400).send({ message: (error as Error).message });
    }
    const verdict = await judge(review, pod);
    deps.observe({
      namespace: review.namespace,
      pod: pod.metadata.name ?? pod.metadata.generateName ?? '',
      verdict: verdict.kind,
      note: verdict.note,
      durationMs: performance.now() - startedAt,
    });
    return renderReview(review.uid, verdict);
  });

  async function judge({ namespace }: PodReview, pod: Pod): Promise<Verdict> {
    const namespaceLabels = await deps.cluster.namespaceLabels(namespace);
    // A namespace that is being deleted, or a view that lags: without its labels nothing can be said.
    if (namespaceLabels === null) {
      return deny(
        'refused: unknown namespace',
        `outrider does not know the namespace ${namespace} yet; try again`,
      );
    }
    return verdictOf(
      injectPod({
        pod,
        namespaceLabels,
        ...gather(pod, namespace, namespaceLabels),
        operatorCas: authority.bundle(),
        settings: deps.settings,
        drawId: deps.drawId,
      }),
    );
  }

  return app;
}

function verdictOf(injection: Injection): Verdict {
  if (injection.kind === 'refuse') {
    const problems = injection.problems.map(({ field, message }) => `${field} ${message}`);
    return deny('refused: pod shape', `outrider cannot inject this pod: ${problems.join('; ')}`);
  }
  const reasons = injection.reasons.map((reason) => reportReasons[reason]).join('; ');
  if (injection.kind === 'skip') return allow(`not injected: ${reasons}`);
  const what = injection.operations.length === 0 ? 'nothing to change' : 'injected';
  return patch(`${what}: ${reasons}`, injection.operations, injection.warnings);
}
