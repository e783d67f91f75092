// All parts of the sidecar, wired for a pod. Local mode wires the same parts for a command (cli/run.ts).

import { networkInterfaces } from 'node:os';
import { createAudit, createDecisionLog } from './audit/audit.ts';
import { createLineWriter, type LineWriterOptions } from './audit/line-writer.ts';
import { createShadowTally } from './audit/shadow-counts.ts';
import { createSpanExport } from './audit/span-export.ts';
import { reachedCapture } from './capture/reached-level.ts';
import type { CapturedPod, CapturePorts } from './captured-pod.ts';
import { createClock } from './clock.ts';
import type { SidecarConfig } from './config.ts';
import { createKeptWatermark } from './control/kept-watermark.ts';
import { createOperatorEndpoint } from './control/operator-endpoint.ts';
import { createOperatorStream } from './control/operator-stream.ts';
import { createPolicyState } from './control/policy-state.ts';
import { createReports } from './control/reports.ts';
import { createAwsProvider } from './credentials/aws/aws.ts';
import { logCredentials } from './credentials/credential-log.ts';
import { createCredentials } from './credentials/credentials.ts';
import { createFileProvider } from './credentials/file.ts';
import { createPlaceholderFiles } from './credentials/placeholder-files.ts';
import { createVaultProvider } from './credentials/vault/vault.ts';
import type { Diagnostics } from './diagnostics.ts';
import { createResolver } from './dns/resolver.ts';
import { SidecarError } from './errors.ts';
import { createHealth } from './health.ts';
import { createLimits } from './limits/limits.ts';
import { createEgress } from './proxy/egress.ts';
import { createProxy } from './proxy/server.ts';
import { createAuthority } from './tls/authority.ts';
import { writeTrustStore } from './tls/trust-store.ts';

export interface SidecarOptions {
  readonly config: SidecarConfig;
  readonly paths: Readonly<Record<'trust' | 'keys' | 'state' | 'tokens' | 'secrets', string>>;
  /** As `sidecarPorts` and `capturePorts`; 0 for free ones. */
  readonly ports: { readonly proxy: number; readonly health: number } & CapturePorts;
  /** Where decision lines go. */
  readonly output: LineWriterOptions['stream'];
  readonly diagnostics: Diagnostics;
}

export interface Sidecar {
  /** Resolves when it listens; it is ready when a ruleset is there too. @throws SidecarError */
  start(): Promise<Listening>;
  /** Ends every exchange, then sends what is left of the audit and gives up its sessions. */
  stop(): Promise<void>;
}

/** Ports, and the level of capture; of a cooperative pod without the ports of a captured one. */
export type Listening = Readonly<Record<string, string | number>> & {
  readonly proxy: number;
  readonly health: number;
};

/** @throws SidecarError when what it keeps from before cannot be read or written, or capture is not as planned. */
export function createSidecar({ config, paths, ports, output, diagnostics }: SidecarOptions): Sidecar {
  const capture = reachedCapture(config.capture, paths.keys);
  const level = capture === null ? 'cooperative' : capture.level;
  const clock = createClock();
  const snapshots = createPolicyState({
    clock,
    kept: createKeptWatermark({ directory: paths.state }),
    onFailure: (error) => diagnostics.failed(error),
  });
  const endpoint = createOperatorEndpoint({
    address: config.operator,
    ca: config.operatorCa,
    keysDirectory: paths.keys,
    tokensDirectory: paths.tokens,
  });
  const stream = createOperatorStream({ endpoint, state: snapshots, diagnostics });
  const egress = createEgress({
    resolver: createResolver(config.dnsServers === null ? {} : { servers: config.dnsServers }),
    ruleset: () => snapshots.current()?.ruleset ?? null,
    operator: config.operator,
  });
  const directories = { tokensDirectory: paths.tokens, secretsDirectory: paths.secrets };
  const credentials = createCredentials({
    snapshots,
    providers: {
      vault: createVaultProvider(directories),
      awsSecretsManager: createAwsProvider({ ...directories, level }),
      file: createFileProvider({ directory: paths.secrets }),
    },
    dial: egress.dial,
  });
  const stopLogging = logCredentials(credentials, diagnostics);
  const tally = createShadowTally();
  const reports = createReports({ endpoint, state: snapshots, credentials, shadow: tally, diagnostics });
  const limits = createLimits({ endpoint, stateDirectory: paths.state, diagnostics });
  const lines = createLineWriter({
    stream: output,
    onDropped: (count) =>
      diagnostics.failed(new SidecarError('DECISIONS_DROPPED', { detail: `There were ${count}.` })),
  });
  const spans = createSpanExport({ snapshots, diagnostics, resource: resourceOf(config) });
  const audit = createAudit([createDecisionLog(lines), spans, tally]);
  const authority = createAuthority({ keysDirectory: paths.keys });
  const proxy = createProxy({
    snapshots,
    credentials,
    limits,
    clock,
    authority,
    egress,
    audit,
    level,
  });
  const placeholders = createPlaceholderFiles({
    snapshots,
    directory: paths.trust,
    onFailure: (error) => diagnostics.failed(error),
  });
  let captured: CapturedPod | null = null;
  let listening = false;
  const isReady = (): boolean => listening && snapshots.current() !== null && placeholders.ready();
  const health = createHealth({ ready: isReady });

  async function listenCaptured(hosts: readonly string[]): Promise<CapturePorts | null> {
    const { capture: plan } = config;
    if (capture === null || plan === null) return null;
    const { createCapturedPod } = await import('./captured-pod.ts');
    const { ownPorts } = egress;
    captured = createCapturedPod({ plan, report: capture, proxy, snapshots, clock, diagnostics, ownPorts });
    return captured.listen(ports, hosts);
  }

  return {
    async start() {
      // First, since the answer takes longest; what follows until the first `await` runs before it comes.
      void stream.run();
      void reports.run();
      writeTrustStore({ directory: paths.trust, certificatePem: authority.certificatePem });
      const hosts = loopbackAddresses();
      const proxying = await proxy.listen(ports.proxy, hosts);
      const capturing = await listenCaptured(hosts);
      listening = true;
      const answering = await health.listen(ports.health, config.podIp);
      return { proxy: proxying.port, health: answering.port, capture: level, ...capturing };
    },
    async stop() {
      listening = false;
      stream.close();
      reports.close();
      placeholders.close();
      stopLogging();
      await Promise.all([proxy.close(), captured?.close()]);
      await Promise.all([audit.close(), credentials.close(), limits.close(), health.close()]);
    },
  };
}

/** Pods without IPv6 have no ::1. */
function loopbackAddresses(): string[] {
  const addresses = Object.values(networkInterfaces()).flatMap((list) => list ?? []);
  return ['127.0.0.1', ...(addresses.some(({ address }) => address === '::1') ? ['::1'] : [])];
}

/** https://opentelemetry.io/docs/specs/semconv/resource/k8s/ */
function resourceOf({ podName, podNamespace, podUid }: SidecarConfig): Readonly<Record<string, string>> {
  return {
    'service.name': 'outrider-sidecar',
    'service.instance.id': podUid,
    'k8s.pod.name': podName,
    'k8s.namespace.name': podNamespace,
    'k8s.pod.uid': podUid,
  };
}
