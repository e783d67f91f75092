// The admission webhook as a fastify app. It is built here and listens where main.ts says.

import fastify, { type FastifyInstance } from 'fastify';
import type { Labels } from '../../policy/resources/selector.ts';
import { injectPod, type Injection, type InjectionInput } from '../injector/injection.ts';
import { parsePod, type Pod } from '../injector/pod.ts';
import { reportReasons } from '../injector/report.ts';
import type { InjectorSettings } from '../injector/settings.ts';
import type { Authority } from './authority.ts';
import { createGather, createSelectedBy, type AdmissionCluster } from './gather.ts';
import { allow, deny, parseReview, parseValidation, patch, renderReview, type Verdict } from './review.ts';
import {
  sentence,
  verdictOnChange,
  verdictOnCreation,
  verdictOnEphemeral,
  verdictOnForward,
} from './validation.ts';

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

/** `POST /mutate` and `POST /validate`. The authority must have started. */
export function createWebhookApp(deps: WebhookDeps): FastifyInstance {
  const { authority } = deps;
  const gather = createGather(deps.cluster);
  const selectedBy = createSelectedBy(deps.cluster);
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

  const review = <T extends { readonly uid: string; readonly namespace: string }>(
    path: string,
    parse: (body: unknown) => Reviewed<T>,
    judge: (reviewed: Reviewed<T>, namespaceLabels: Labels) => Verdict | Promise<Verdict>,
  ) =>
    app.post(path, async (request, reply) => {
      const startedAt = performance.now();
      let reviewed: Reviewed<T>;
      try {
        reviewed = parse(request.body);
      } catch (error) {
        return reply.code(400).send({ message: (error as Error).message });
      }
      const { uid, namespace } = reviewed.request;
      const namespaceLabels = await deps.cluster.namespaceLabels(namespace);
      // A namespace that is being deleted, or a view that lags: without its labels nothing can be said.
      const verdict =
        namespaceLabels === null
          ? deny(
              'refused: unknown namespace',
              `outrider does not know the namespace ${namespace} yet; try again`,
            )
          : await judge(reviewed, namespaceLabels);
      deps.observe({
        namespace,
        pod: reviewed.name,
        verdict: verdict.kind,
        note: verdict.note,
        durationMs: performance.now() - startedAt,
      });
      return renderReview(uid, verdict);
    });

  const inputOf = (pod: Pod, namespace: string, namespaceLabels: Labels): InjectionInput => ({
    pod,
    namespaceLabels,
    ...gather(pod, namespace, namespaceLabels),
    operatorCas: authority.bundle(),
    settings: deps.settings,
    drawId: deps.drawId,
  });

  review(
    '/mutate',
    (body) => {
      const request = parseReview(body);
      const pod = parsePod(request.object);
      return { request, pod, before: pod, name: nameOf(pod) };
    },
    ({ request, pod }, namespaceLabels) =>
      verdictOf(injectPod(inputOf(pod, request.namespace, namespaceLabels))),
  );

  review(
    '/validate',
    (body) => {
      const request = parseValidation(body);
      const pod = request.operation === 'CONNECT' ? noPod : parsePod(request.object);
      const before = request.operation === 'UPDATE' ? parsePod(request.oldObject) : pod;
      return { request, pod, before, name: request.operation === 'CONNECT' ? request.name : nameOf(pod) };
    },
    async ({ request, pod, before, name }, namespaceLabels) => {
      const { namespace } = request;
      switch (request.operation) {
        case 'CREATE':
          return verdictOnCreation(inputOf(pod, namespace, namespaceLabels));
        case 'CONNECT':
          return verdictOnForward(namespace, name, await deps.cluster.isInjected(namespace, name));
        case 'UPDATE': {
          if (request.subResource === 'ephemeralcontainers') {
            return verdictOnEphemeral(before, pod, gather(pod, namespace, namespaceLabels).secrets);
          }
          const serviceAccount = pod.spec.serviceAccountName ?? 'default';
          return verdictOnChange(before, pod, selectedBy({ namespace, namespaceLabels, serviceAccount }));
        }
      }
    },
  );

  return app;
}

interface Reviewed<T> {
  readonly request: T;
  readonly pod: Pod;
  /** As it was; the same where nothing changes. */
  readonly before: Pod;
  readonly name: string;
}

/** Of a connection the API server shows the pod's name alone. */
const noPod: Pod = { metadata: {}, spec: { containers: [] } };

function nameOf({ metadata }: Pod): string {
  return metadata.name ?? metadata.generateName ?? '';
}

function verdictOf(injection: Injection): Verdict {
  if (injection.kind === 'refuse') {
    return deny('refused: pod shape', `outrider cannot inject this pod: ${sentence(injection.problems)}`);
  }
  const reasons = injection.reasons.map((reason) => reportReasons[reason]).join('; ');
  if (injection.kind === 'skip') return allow(`not injected: ${reasons}`);
  const what = injection.operations.length === 0 ? 'nothing to change' : 'injected';
  return patch(`${what}: ${reasons}`, injection.operations, injection.warnings);
}
