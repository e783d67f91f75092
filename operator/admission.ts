// The admission webhook with what it needs of this process: the informers' view, settings, metrics, logs and spans.

import { randomInt } from 'node:crypto';
import { SpanKind, trace } from '@opentelemetry/api';
import type { FastifyBaseLogger, FastifyInstance } from 'fastify';
import type { CaptureSettings } from '../policy/capture-level.ts';
import { labels } from '../policy/contract.ts';
import type { OperatorConfig } from './config.ts';
import { idRange } from './injector/identity.ts';
import type { InjectorSettings } from './injector/settings.ts';
import type { KubeClient, KubeList, KubeObject } from './kube/client.ts';
import type { Informers } from './kube/informers.ts';
import type { Metrics } from './metrics.ts';
import { createWebhookApp, type AdmissionOutcome } from './webhook/app.ts';
import type { Authority } from './webhook/authority.ts';
import type { AdmissionCluster } from './webhook/gather.ts';

export interface AdmissionDeps {
  readonly config: OperatorConfig;
  readonly authority: Authority;
  readonly informers: Informers;
  readonly client: KubeClient;
  /** host:port of the control port, as sidecars reach it. */
  readonly operator: string;
  /** addr[:port] of the servers that sidecars ask for names. */
  readonly dnsServers: readonly string[];
  readonly log: FastifyBaseLogger;
  readonly metrics: Metrics;
}

export function captureSettings(config: OperatorConfig): CaptureSettings {
  return {
    level: config.OUTRIDER_CAPTURE_LEVEL,
    allowCooperative: config.OUTRIDER_CAPTURE_ALLOW_COOPERATIVE === 'true',
  };
}

export function createAdmissionApp(deps: AdmissionDeps): FastifyInstance {
  const { config, authority, informers, client, log, metrics } = deps;
  const settings: InjectorSettings = {
    capture: captureSettings(config),
    dnsServers: deps.dnsServers,
    version: config.OUTRIDER_VERSION,
    operator: deps.operator,
    sidecar: {
      image: config.OUTRIDER_SIDECAR_IMAGE,
      imagePullPolicy: config.OUTRIDER_SIDECAR_PULL_POLICY,
      args: [],
      cpu: config.OUTRIDER_SIDECAR_CPU,
      memory: config.OUTRIDER_SIDECAR_MEMORY,
      stateSize: config.OUTRIDER_SIDECAR_STATE_SIZE,
    },
  };
  return createWebhookApp({
    authority,
    cluster: createAdmissionCluster(informers, client),
    settings,
    drawId: () => randomInt(idRange.first, idRange.last + 1),
    observe: createObserver(log, metrics),
    fail: (error) => {
      metrics.admissionReviews.inc({ outcome: 'failed' });
      log.error({ err: error }, 'an admission review failed');
    },
  });
}

function createAdmissionCluster(
  { resources, namespaces, pods }: Informers,
  client: KubeClient,
): AdmissionCluster {
  return {
    namespaceLabels: async (namespace) => {
      const known = namespaces.get(namespace);
      if (known !== undefined) return known.metadata.labels ?? {};
      // A namespace and a pod in it, applied together, can be faster than the watch. Asked for as a list of one, since
      // the operator may list namespaces anyway.
      const query = { fieldSelector: `metadata.name=${namespace}` };
      const request = { method: 'GET', path: '/api/v1/namespaces', query, timeoutMs: 2_000 } as const;
      const [found] = (await client.request<KubeList<KubeObject>>(request)).items;
      return found === undefined ? null : (found.metadata.labels ?? {});
    },
    destinations: () => resources.AgentDestination.list(),
    isInjected: async (namespace, name) => {
      if (pods.get(`${namespace}/${name}`) !== undefined) return true;
      // The operator may list pods, and get none: what it watches are those with this label.
      const query = { fieldSelector: `metadata.name=${name}`, labelSelector: `${labels.injected}=true` };
      const path = `/api/v1/namespaces/${encodeURIComponent(namespace)}/pods`;
      const found = await client.request<KubeList<KubeObject>>({
        method: 'GET',
        path,
        query,
        timeoutMs: 2_000,
      });
      return found.items.length > 0;
    },
    stores: () => resources.AgentSecretStore.list(),
    credentials: (namespace) => resources.AgentCredential.inNamespace(namespace),
    policies: (namespace) => resources.AgentPolicy.inNamespace(namespace),
  };
}

function createObserver(log: FastifyBaseLogger, metrics: Metrics): (outcome: AdmissionOutcome) => void {
  const tracer = trace.getTracer('outrider-operator');
  return ({ namespace, pod, verdict, note, durationMs }) => {
    metrics.admissionReviews.inc({ outcome: verdict });
    metrics.admissionDuration.observe(durationMs / 1000);
    const startTime = Date.now() - durationMs;
    const attributes = {
      'k8s.namespace.name': namespace,
      'k8s.pod.name': pod,
      'outrider.verdict': verdict,
      'outrider.note': note,
    };
    tracer.startSpan('admission', { root: true, kind: SpanKind.SERVER, startTime, attributes }).end();
    log.info({ namespace, name: pod, verdict, note, durationMs: Math.round(durationMs) }, 'admission');
  };
}
