// One replica of the operator, wired. Every replica serves sidecars and reviews; the leader also writes statuses, mints
// certificates and publishes their bundle.

import { isIPv6 } from 'node:net';
import type { FastifyBaseLogger, FastifyInstance } from 'fastify';
import { operatorPorts } from '../policy/contract.ts';
import type { CompileSettings } from '../policy/compile.ts';
import type { KindName } from '../policy/resources/kinds.ts';
import { captureSettings, createAdmissionApp } from './admission.ts';
import type { OperatorConfig } from './config.ts';
import { createAggregateSender } from './control/aggregate-sender.ts';
import { createAggregates } from './control/aggregates.ts';
import { createAgents } from './control/agents.ts';
import { createClusterRanges, type ClusterRangesTiming } from './control/cluster-ranges.ts';
import { createIdentityVerifier } from './control/identity.ts';
import { createReports } from './control/reports.ts';
import { createRulesets } from './control/rulesets.ts';
import { createControlApp } from './control/server.ts';
import { createStreams, type StreamTiming } from './control/streams.ts';
import { createWatermark } from './control/watermark.ts';
import { createCredentialDecision } from './controllers/agent-credential.ts';
import { createCredentialAccount } from './controllers/credential-account.ts';
import { createDestinationDecision } from './controllers/agent-destination.ts';
import { createPolicyDecision } from './controllers/agent-policy.ts';
import { createStoreDecision } from './controllers/agent-secret-store.ts';
import { createClusterPolicyDecision } from './controllers/cluster-agent-policy.ts';
import { createController, type Controller } from './controllers/controller.ts';
import { connectTriggers } from './controllers/triggers.ts';
import { chooseDnsServers } from './dns-servers.ts';
import { createHealthApp } from './health.ts';
import { createKubeClient } from './kube/client.ts';
import { createEventRecorder, type EventTiming } from './kube/events.ts';
import { createInformers, type RawResource } from './kube/informers.ts';
import { createElection, type ElectionTiming } from './kube/leader.ts';
import { createStatusWriter, type DesiredStatus } from './kube/status.ts';
import { createLimitsForward } from './limits/forward.ts';
import { createLimitsLeader } from './limits/leader.ts';
import { createLimitsService } from './limits/service.ts';
import { createLimitStore } from './limits/store.ts';
import { createMetrics } from './metrics.ts';
import { loadCollector, startTelemetry } from './telemetry.ts';
import { createAuthority } from './webhook/authority.ts';
import { createCaBundlePublisher } from './webhook/ca-bundle.ts';
import { createCaStore } from './webhook/ca-store.ts';

export interface Replica {
  /** Resolves when this replica serves. Rejects when a port is taken. */
  start(): Promise<void>;
  /** Gives the lease back, ends the streams, and lets go of everything. */
  stop(): Promise<void>;
}

const syncPollMs = 50;

/** For tests, which cannot wait as long as clusters do. */
export interface ReplicaTiming {
  readonly watchSeconds?: number;
  readonly watchProofMs?: number;
  readonly statusIntervalMs?: number;
  readonly gatherMs?: number;
  /** How long a new leader listens before it tells what changed. */
  readonly settleMs?: number;
  readonly events?: Partial<EventTiming>;
  readonly streams?: Partial<StreamTiming>;
  readonly election?: ElectionTiming;
  readonly clusterRanges?: ClusterRangesTiming;
}

export async function createReplica(
  config: OperatorConfig,
  log: FastifyBaseLogger,
  timing: ReplicaTiming = {},
): Promise<Replica> {
  const namespace = config.OUTRIDER_POD_NAMESPACE;
  const dnsServers = chooseDnsServers(config.OUTRIDER_DNS_SERVERS);
  const pod = config.OUTRIDER_POD_NAME;
  const ip = config.OUTRIDER_POD_IP;
  const service = `${config.OUTRIDER_SERVICE}.${namespace}.svc`;
  const serviceName = `${service}.${config.OUTRIDER_CLUSTER_DOMAIN}`;
  const collector = await loadCollector(config);
  const telemetry = await startTelemetry(
    collector,
    { pod, namespace, version: config.OUTRIDER_VERSION },
    log,
  );

  const metrics = createMetrics();
  const client = createKubeClient({ kubeconfig: config.OUTRIDER_KUBECONFIG });
  const informers = createInformers({ client, log, metrics, watchSeconds: timing.watchSeconds });
  const election = createElection({
    client,
    log,
    metrics,
    namespace,
    name: config.OUTRIDER_LEASE,
    timing: timing.election,
    self: { pod, address: `${isIPv6(ip) ? `[${ip}]` : ip}:${config.OUTRIDER_CONTROL_PORT}` },
  });
  const fail = (what: string) => (error: unknown) => log.error({ err: error }, `${what} failed`);
  const authority = createAuthority({
    store: createCaStore({ kube: client, namespace, name: config.OUTRIDER_CA_SECRET }),
    settings: { lifetimeMs: config.OUTRIDER_CA_LIFETIME, overlapMs: config.OUTRIDER_CA_OVERLAP },
    dnsNames: [service, serviceName],
    leads: () => election.leads(),
    now: Date.now,
    fail: fail('certificate rotation'),
  });

  const capture = captureSettings(config);
  const agents = createAgents(informers);
  const watermark = createWatermark(informers, timing.watchProofMs);
  const clusterRanges = createClusterRanges({ informers, config, log, timing: timing.clusterRanges });
  const rulesets = createRulesets({
    informers,
    metrics,
    settings: (): CompileSettings => ({
      clusterDomain: config.OUTRIDER_CLUSTER_DOMAIN,
      telemetry: collector,
      operatorCas: authority.bundle(),
      clusterRanges: clusterRanges.current(),
      capture,
    }),
  });
  const streams = createStreams({
    informers,
    agents,
    rulesets,
    watermark,
    log,
    metrics,
    timing: timing.streams,
  });
  const reports = createReports();
  const aggregates = createAggregates({ reports });
  const sender = createAggregateSender({
    election,
    reports,
    authority,
    serverName: serviceName,
    tokenFile: config.OUTRIDER_TOKEN_FILE,
    self: { pod },
    log,
  });
  const limitsLeader = createLimitsLeader({
    store: createLimitStore({
      kube: client,
      namespace,
      uidOf: (name) => informers.namespaces.get(name)?.metadata.uid,
    }),
    leads: () => election.leads(),
    now: () => performance.now(),
    log,
  });
  const limitsForward = createLimitsForward({ election, authority, serverName: serviceName });
  const limits = createLimitsService({
    agents,
    rulesets,
    election,
    leader: limitsLeader,
    forward: limitsForward,
  });
  informers.pods.onChange(({ current, previous }) => {
    if (previous?.metadata.uid !== current?.metadata.uid) reports.forget(previous?.metadata.uid ?? '');
  });
  authority.onChange(() => rulesets.settingsChanged());
  clusterRanges.onChange(() => rulesets.settingsChanged());
  informers.resources.AgentCredential.onChange(({ key, current, previous }) => {
    if (current?.metadata.uid !== previous?.metadata.uid) account.forget(key);
  });

  const events = createEventRecorder({ client, instance: pod, log, metrics, timing: timing.events });
  const account = createCredentialAccount({ events, metrics, settleMs: timing.settleMs });
  const status = createStatusWriter({ client, metrics, intervalMs: timing.statusIntervalMs });
  const control = (kind: KindName, decide: (object: RawResource) => DesiredStatus): Controller =>
    createController({ kind, objects: informers.resources[kind], status, decide, log, metrics });
  const controllers = {
    AgentPolicy: control('AgentPolicy', createPolicyDecision({ informers, agents, aggregates })),
    ClusterAgentPolicy: control(
      'ClusterAgentPolicy',
      createClusterPolicyDecision({ informers, agents, aggregates }),
    ),
    AgentCredential: control(
      'AgentCredential',
      createCredentialDecision({
        informers,
        agents,
        rulesets,
        stateOf: (uid, name) => aggregates.stateOf(uid, name),
        account,
        capture,
      }),
    ),
    AgentSecretStore: control('AgentSecretStore', createStoreDecision({ informers })),
    AgentDestination: control('AgentDestination', createDestinationDecision({ informers })),
  };
  connectTriggers({ informers, aggregates, controllers, gatherMs: timing.gatherMs });
  const publisher = createCaBundlePublisher({
    kube: client,
    name: config.OUTRIDER_WEBHOOK_CONFIGURATION,
    authority,
    fail: fail('publishing the CA bundle'),
  });

  const stopping = new AbortController();
  const ready = Promise.withResolvers<void>();

  async function lead(term: AbortSignal): Promise<void> {
    await ready.promise;
    if (term.aborted) return;
    events.begin(term);
    account.begin(term, () => controllers.AgentCredential.enqueueAll());
    for (const controller of Object.values(controllers)) controller.begin(term);
    await publisher.run(term);
  }

  election.onTerm((term) => {
    limitsLeader.begin(term);
    // Half a view would write half-true statuses.
    void lead(term);
  });

  let serving = false;
  const health = createHealthApp({
    metrics,
    ready: {
      informers: () => informers.synced(),
      ports: () => serving,
      running: () => !stopping.signal.aborted,
    },
  });
  const apps: FastifyInstance[] = [health];

  async function listen(app: FastifyInstance, port: number): Promise<void> {
    if (!apps.includes(app)) apps.push(app);
    await app.listen({ host: isIPv6(ip) ? '::' : '0.0.0.0', port });
  }

  return {
    start: async () => {
      await listen(health, config.OUTRIDER_HEALTH_PORT);
      informers.start();
      election.start();
      await authority.start(stopping.signal);
      while (!informers.synced()) {
        await new Promise((resolve) => void setTimeout(resolve, syncPollMs));
        stopping.signal.throwIfAborted();
      }
      const identity = createIdentityVerifier({
        client,
        agents,
        self: { namespace, serviceAccount: config.OUTRIDER_SERVICE_ACCOUNT },
      });
      const controlApp = createControlApp({
        authority,
        identity,
        watermark,
        streams,
        reports,
        aggregates,
        limits,
        synced: () => informers.synced(),
        leads: () => election.leads(),
        log,
        metrics,
      });
      const webhookApp = createAdmissionApp({
        config,
        authority,
        informers,
        client,
        operator: `${serviceName}:${operatorPorts.control}`,
        dnsServers,
        log,
        metrics,
      });
      await listen(controlApp, config.OUTRIDER_CONTROL_PORT);
      await listen(webhookApp, config.OUTRIDER_WEBHOOK_PORT);
      sender.start();
      ready.resolve();
      serving = true;
      log.info({ pod }, 'this replica serves');
    },
    stop: async () => {
      stopping.abort();
      serving = false;
      await limitsLeader.close();
      await election.stop();
      streams.close();
      clusterRanges.close();
      await Promise.all([sender.stop(), limitsForward.close()]);
      await Promise.all(apps.map((app) => app.close()));
      await informers.stop();
      await telemetry.shutdown();
      await client.close();
    },
  };
}
