// The operator's metrics, by Prometheus' naming conventions. Labels are bounded: kinds, codes and outcomes, never
// names of objects, since a cluster has thousands of them.

import { collectDefaultMetrics, Counter, Gauge, Histogram, Registry } from 'prom-client';

export type Metrics = ReturnType<typeof createMetrics>;

/** Reconciles and reviews take between a millisecond and a few seconds. */
const durationBuckets = [0.001, 0.0025, 0.005, 0.01, 0.02, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5];

export function createMetrics() {
  const registry = new Registry();
  const registers = [registry];
  collectDefaultMetrics({ register: registry });
  return {
    registry,
    watchRestarts: new Counter({
      name: 'outrider_watch_restarts_total',
      help: 'Watches that ended with an error and were listed again.',
      labelNames: ['kind', 'code'] as const,
      registers,
    }),
    leader: new Gauge({
      name: 'outrider_leader',
      help: '1 while this replica leads.',
      registers,
    }),
    queueDepth: new Gauge({
      name: 'outrider_queue_depth',
      help: 'Objects that wait for a reconcile.',
      labelNames: ['kind'] as const,
      registers,
    }),
    reconciles: new Counter({
      name: 'outrider_reconcile_total',
      help: 'Reconciles by how they ended: done, requeue, retry or terminal.',
      labelNames: ['kind', 'outcome'] as const,
      registers,
    }),
    reconcileDuration: new Histogram({
      name: 'outrider_reconcile_duration_seconds',
      help: 'How long a reconcile took.',
      labelNames: ['kind'] as const,
      buckets: durationBuckets,
      registers,
    }),
    statusWrites: new Counter({
      name: 'outrider_status_writes_total',
      help: 'Statuses written, by kind.',
      labelNames: ['kind'] as const,
      registers,
    }),
    streams: new Gauge({
      name: 'outrider_control_streams',
      help: 'Ruleset streams that are open.',
      registers,
    }),
    streamEnds: new Counter({
      name: 'outrider_control_stream_ends_total',
      help: 'Ruleset streams that ended, by why.',
      labelNames: ['reason'] as const,
      registers,
    }),
    rulesetCompilations: new Counter({
      name: 'outrider_ruleset_compilations_total',
      help: 'Rulesets compiled; agents that no policy tells apart share one.',
      registers,
    }),
    rulesetPushes: new Counter({
      name: 'outrider_ruleset_pushes_total',
      help: 'Rulesets sent, on opening a stream and on change.',
      registers,
    }),
    pushDuration: new Histogram({
      name: 'outrider_ruleset_push_duration_seconds',
      help: 'From a change of a resource in the watch to the last stream that it was written to.',
      buckets: durationBuckets,
      registers,
    }),
    controlRefusals: new Counter({
      name: 'outrider_control_refusals_total',
      help: 'Requests to the control port that were refused, by code.',
      labelNames: ['code'] as const,
      registers,
    }),
    reports: new Counter({
      name: 'outrider_reports_total',
      help: 'Reports taken from sidecars.',
      registers,
    }),
    credentialAgents: new Gauge({
      name: 'outrider_credential_agents',
      help: 'Agents by credential that they are bound to, of the leader: bound, and of these resolved and failing.',
      labelNames: ['state'] as const,
      registers,
    }),
    credentialRotations: new Counter({
      name: 'outrider_credential_rotations_total',
      help: 'Times that an agent began to use a new value of a secret, as the leader heard of it.',
      registers,
    }),
    credentialFailures: new Counter({
      name: 'outrider_credential_failures_total',
      help: 'Times that an agent began to fail to get a secret, by the reason that the status shows.',
      labelNames: ['reason'] as const,
      registers,
    }),
    events: new Counter({
      name: 'outrider_events_total',
      help: 'Kubernetes Events by outcome: written or dropped.',
      labelNames: ['outcome'] as const,
      registers,
    }),
    admissionReviews: new Counter({
      name: 'outrider_admission_reviews_total',
      help: 'Admission reviews by outcome.',
      labelNames: ['outcome'] as const,
      registers,
    }),
    admissionDuration: new Histogram({
      name: 'outrider_admission_duration_seconds',
      help: 'How long an admission review took.',
      buckets: durationBuckets,
      registers,
    }),
  };
}
