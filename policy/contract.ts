// What the operator, the injector, the sidecar and the CLI must agree on: names, paths, ports and the
// messages of the ruleset stream. DESIGN of the project calls these the contract; each is public API.

import { createHash } from 'node:crypto';
import type { Ruleset } from './ruleset.ts';
import type { SecretVolume } from './ruleset-credential.ts';

export const apiGroup = 'outrider.dev';
export const apiVersion = 'outrider.dev/v1alpha1';

/** Where things lie inside an injected pod. Only `trust` is mounted in agent containers, read-only. */
export const podPaths = {
  trust: '/var/run/outrider/trust',
  keys: '/var/run/outrider/keys',
  state: '/var/run/outrider/state',
  tokens: '/var/run/outrider/tokens',
  secrets: '/var/run/outrider/secrets',
} as const;

/** Files in `podPaths.trust`. Java reads neither PEM nor OpenSSL's PKCS12, hence the JKS. */
export const trustFiles = {
  ca: 'ca.crt',
  bundle: 'bundle.crt',
  javaKeyStore: 'truststore.jks',
} as const;

/** Loopback ports of the sidecar, but for `health`, which listens on the pod's address. */
export const sidecarPorts = { proxy: 15001, health: 15020 } as const;

/** The operator's ports, as its Service publishes them. */
export const operatorPorts = { webhook: 443, control: 8443 } as const;

/**
 * The file under `podPaths.tokens` of the token for the operator. Tokens for stores are named
 * `store.<name>`, so that no store's name can ever take its place.
 */
export const operatorTokenFile = 'operator';

/** Of Linux file systems (NAME_MAX). */
const maxFileNameLength = 255;

/** An object's name has up to 253 characters; of one that is too long for a file's the end becomes a hash. */
function fileName(prefix: string, name: string, suffix = ''): string {
  const whole = `${prefix}${name}${suffix}`;
  if (whole.length <= maxFileNameLength) return whole;
  // No object's name has a tilde, so none is taken.
  const hash = `~${createHash('sha256').update(name).digest('hex').slice(0, 16)}`;
  return `${prefix}${name.slice(0, maxFileNameLength - prefix.length - suffix.length - hash.length)}${hash}${suffix}`;
}

/** The file under `podPaths.tokens` whose token the sidecar logs in to a store with. */
export function storeTokenFile(store: string): string {
  return fileName('store.', store);
}

/** As `storeTokenFile`, of the token for EKS Pod Identity. Only captured agents have one. */
export function podIdentityTokenFile(store: string): string {
  return fileName('pod-identity.', store);
}

/** The directory under `podPaths.secrets` (in local mode under DIR/secrets) with the files of a volume. */
export function secretDirectory(volume: SecretVolume): string {
  return 'secret' in volume ? fileName('secret.', volume.secret) : fileName('csi.', volume.csi);
}

/** Keys of the Secret with an AWS store's static keys, and so the names of their files. */
export const staticKeyFiles = {
  accessKeyId: 'access-key-id',
  secretAccessKey: 'secret-access-key',
  /** Optional. */
  sessionToken: 'session-token',
} as const;

/** Audience that EKS Pod Identity asks for. */
export const podIdentityAudience = 'pods.eks.amazonaws.com';

/** Audience of the token that a sidecar (and a replica) shows the operator. */
export const operatorAudience = 'outrider.dev/operator';

/** Every audience of ours lies under this prefix, so that admission can refuse it elsewhere. */
export const audiencePrefix = 'outrider.dev/';

/** What an SDK that insists on a key starts with; harmless anywhere. */
export const placeholderPrefix = 'outrider-placeholder.';

export function placeholder(namespace: string, credential: string): string {
  return `${placeholderPrefix}${namespace}.${credential}`;
}

/** The file in the trust directory that stands in for a key file; written by the sidecar. */
export function placeholderFile(credential: string): string {
  return fileName('placeholder.', credential, '.json');
}

/** Where agents of a pod see it. */
export function placeholderFilePath(credential: string): string {
  return `${podPaths.trust}/${placeholderFile(credential)}`;
}

export const annotations = {
  inject: 'outrider.dev/inject',
  status: 'outrider.dev/status',
  version: 'outrider.dev/version',
} as const;

export const labels = {
  inject: 'outrider.dev/inject',
  injected: 'outrider.dev/injected',
  optOut: 'outrider.dev/opt-out',
  /** On a namespace: the `CaptureLevel` of its pods, as far as the platform's settings allow it. */
  capture: 'outrider.dev/capture',
  /** On a namespace: the day, such as 2026-12-31, until which what no grant matches is forwarded and marked. */
  observeUntil: 'outrider.dev/observe-until',
} as const;

/** Environment variables of the sidecar; it reads no other. */
export const sidecarEnvironment = {
  operator: 'OUTRIDER_OPERATOR',
  operatorCa: 'OUTRIDER_OPERATOR_CA',
  podName: 'OUTRIDER_POD_NAME',
  podNamespace: 'OUTRIDER_POD_NAMESPACE',
  podUid: 'OUTRIDER_POD_UID',
  podIp: 'OUTRIDER_POD_IP',
  /** `addr[:port]`, comma-separated: the servers that names are asked of. The pod's own are its author's to choose. */
  dnsServers: 'OUTRIDER_DNS_SERVERS',
  /** A `CapturePlan` as JSON; absent where the level is cooperative. */
  capture: 'OUTRIDER_CAPTURE',
} as const;

/** Response header of a refusal, so that it is never mistaken for the upstream's own answer. */
export const decisionHeader = 'outrider-decision';

// --- the stream, GET /v1/ruleset ---------------------------------------------------------------

/** Path of the server-sent event stream, of what a sidecar posts, and of what replicas post to the leader. */
export const controlPaths = {
  ruleset: '/v1/ruleset',
  reports: '/v1/reports',
  limits: '/v1/limits',
  aggregates: '/v1/aggregates',
} as const;

/**
 * Request headers. Of the stream: `features` is a comma-separated list of `features`. Of limits: `forwarded` is set by a
 * replica that passes a sidecar's request on to the leader, which then answers itself or not at all.
 */
export const controlHeaders = {
  features: 'outrider-features',
  watermark: 'outrider-watermark',
  forwarded: 'outrider-forwarded',
} as const;

/**
 * The highest resourceVersion seen per kind, outside the ruleset's hash. A sidecar keeps the highest it
 * was given and refuses a ruleset or heartbeat in which any kind is lower. Values are decimal strings:
 * Kubernetes 1.35 made their order part of the API (KEP-5504).
 */
export type Watermark = Readonly<Record<string, string>>;

/** True when `candidate` is at least `reference` in every kind that `reference` knows. */
export function watermarkCovers(candidate: Watermark, reference: Watermark): boolean {
  for (const [kind, version] of Object.entries(reference)) {
    const other = candidate[kind];
    if (other === undefined || compareVersions(other, version) < 0) return false;
  }
  return true;
}

/** Orders two resourceVersions; decimal strings of any length, without leading zeros. */
export function compareVersions(a: string, b: string): number {
  if (a.length !== b.length) return a.length - b.length;
  return a < b ? -1 : a > b ? 1 : 0;
}

/** Event `ruleset`: the whole of what one agent may do. `lease` is in seconds from the last heartbeat. */
export interface RulesetEvent {
  readonly revision: string;
  readonly watermark: Watermark;
  /** The operator's clock when this was sent, in milliseconds since the epoch. Operators before this field send none. */
  readonly time: number;
  readonly lease: number;
  readonly ruleset: Ruleset;
}

/** Event `heartbeat`: the operator's watches are live, so the lease starts again. */
export interface HeartbeatEvent {
  readonly watermark: Watermark;
  /** As in `RulesetEvent`. */
  readonly time: number;
}

/**
 * Body of POST /v1/reports, at most `maxReportBytes`: sent on change and repeated about every 30 s, since it reaches any
 * replica and one that has gone took what it knew with it.
 */
export interface SidecarReport {
  /** The revision in force, `''` before the first. */
  readonly revision: string;
  readonly credentials: readonly CredentialReport[];
  /** Of policies in mode Audit, at most `maxShadowReports`. */
  readonly shadow?: readonly ShadowReport[];
}

/** What enforcing one audited policy would have changed, counted since the sidecar started. */
export interface ShadowReport extends ShadowCounts {
  readonly policy: string;
  /** Of a ClusterAgentPolicy. */
  readonly cluster?: true;
}

/** Requests by what would have become of them, where that is something else than what did. */
export interface ShadowCounts {
  readonly wouldAllow: number;
  readonly wouldDeny: number;
  readonly wouldHold: number;
}

/** How one credential fares in one sidecar. Codes only: what a provider throws may hold a token. */
export interface CredentialReport {
  readonly name: string;
  readonly state: 'Pending' | 'Resolved' | 'Failing';
  /** A code of the sidecar's error catalogue, with the field of the AgentCredential that it concerns. */
  readonly code?: string;
  readonly field?: string;
  readonly message?: string;
  /** RFC 3339; when the value last became another one. */
  readonly rotatedAt?: string;
}

export const maxReportBytes = 64 * 1024;
export const maxShadowReports = 64;

/** Seconds; see docs/lifecycle.md for how they add up. */
export const leaseSeconds = 60;
export const heartbeatSeconds = 10;
/** Every watch of a replica must have proved itself within this time, or its heartbeats stop. */
export const watchProofSeconds = 15;
