// The operator's settings: environment variables, set by the chart. One table says what each means, what is allowed
// and what holds without it; docs/operator-settings.md is held to it by a test. A wrong value stops the start with the
// variable's name and what is allowed.

import { isIP } from 'node:net';
import { parseRange } from '../policy/address-ranges.ts';
import { operatorTokenFile, podPaths } from '../policy/contract.ts';
import { parseServerAddress } from '../policy/dns-server-address.ts';
import { durationMs } from '../policy/resources/names.ts';
import { OperatorError } from './errors.ts';

interface Setting<T> {
  readonly says: string;
  readonly allowed: string;
  /** Undefined: the variable is required. */
  readonly fallback?: string;
  /** Undefined when the text is not allowed. */
  readonly parse: (text: string) => T | undefined;
}

const objectName = matching(/^[a-z0-9](?:[a-z0-9.-]{0,251}[a-z0-9])?$/);
const label = matching(/^[a-z0-9](?:[a-z0-9-]{0,61}[a-z0-9])?$/);
const quantity = matching(/^[1-9]\d{0,9}(?:m|Ki|Mi|Gi)?$/);

export const operatorSettings = {
  OUTRIDER_POD_NAME: setting('Name of this replica’s pod.', 'a pod’s name', objectName),
  OUTRIDER_POD_NAMESPACE: setting('Namespace of the operator.', 'a namespace’s name', label),
  OUTRIDER_POD_IP: setting(
    'Address at which other replicas reach this one.',
    'an IPv4 or IPv6 address',
    (text) => (isIP(text) === 0 ? undefined : text),
  ),
  OUTRIDER_SERVICE: setting('Service in front of the operator.', 'a Service’s name', label, 'outrider'),
  OUTRIDER_SERVICE_ACCOUNT: setting(
    'ServiceAccount of the operator; replicas know each other by it.',
    'a ServiceAccount’s name',
    objectName,
    'outrider',
  ),
  OUTRIDER_TOKEN_FILE: setting(
    'File of that ServiceAccount’s projected token for the audience outrider.dev/operator.',
    'an absolute path',
    absolutePath,
    `${podPaths.tokens}/${operatorTokenFile}`,
  ),
  OUTRIDER_KUBECONFIG: setting(
    'Kubeconfig, to run outside a cluster; empty uses the pod’s ServiceAccount.',
    'an absolute path, or empty',
    (text) => (text === '' ? null : absolutePath(text)),
    '',
  ),
  OUTRIDER_CLUSTER_DOMAIN: setting(
    'DNS domain of the cluster.',
    'a domain name',
    objectName,
    'cluster.local',
  ),
  OUTRIDER_CLUSTER_CIDRS: setting(
    'Ranges of the cluster’s pods, Services and nodes that lie among public addresses, besides those of Nodes and ServiceCIDRs; public names may not lead there.',
    'CIDR ranges such as 34.118.224.0/20, separated by commas, or empty',
    listOf((text) => text.includes('/') && parseRange(text) !== null),
    '',
  ),
  OUTRIDER_DNS_SERVERS: setting(
    'DNS servers that sidecars ask; empty takes those of the operator’s own /etc/resolv.conf.',
    'addresses such as 10.96.0.10, 10.96.0.10:5353 or [fd00::a]:53, separated by commas, or empty',
    listOf((text) => parseServerAddress(text) !== null),
    '',
  ),
  OUTRIDER_LEASE: setting(
    'Lease by which replicas elect a leader.',
    'a Lease’s name',
    objectName,
    'outrider',
  ),
  OUTRIDER_CA_SECRET: setting(
    'Secret of the operator’s CA; it must exist.',
    'a Secret’s name',
    objectName,
    'outrider-ca',
  ),
  OUTRIDER_CA_LIFETIME: setting(
    'How long one of the operator’s CAs is valid.',
    'a duration such as 8760h, at least three times the overlap',
    duration,
    '8760h',
  ),
  OUTRIDER_CA_OVERLAP: setting(
    'How long a CA is announced before it signs.',
    'a duration such as 720h',
    duration,
    '720h',
  ),
  OUTRIDER_WEBHOOK_CONFIGURATION: setting(
    'MutatingWebhookConfiguration and ValidatingWebhookConfiguration whose caBundle the operator keeps.',
    'an object’s name',
    objectName,
    'outrider',
  ),
  OUTRIDER_SIDECAR_IMAGE: setting(
    'Image of the sidecar that is injected.',
    'an image reference, best with a digest',
    matching(/^[\w.:@/-]{1,512}$/),
  ),
  OUTRIDER_SIDECAR_PULL_POLICY: setting(
    'When the node pulls that image.',
    'Always, IfNotPresent or Never',
    oneOf('Always', 'IfNotPresent', 'Never'),
    'IfNotPresent',
  ),
  OUTRIDER_SIDECAR_CPU: setting('CPU that a sidecar requests.', 'a quantity such as 10m', quantity, '10m'),
  OUTRIDER_SIDECAR_MEMORY: setting(
    'Memory that a sidecar requests, and its limit.',
    'a quantity such as 128Mi',
    quantity,
    '128Mi',
  ),
  OUTRIDER_SIDECAR_STATE_SIZE: setting(
    'Limit of the sidecar’s volume on the node’s disk.',
    'a quantity such as 256Mi',
    quantity,
    '256Mi',
  ),
  OUTRIDER_CAPTURE_LEVEL: setting(
    'How the traffic of agents reaches their sidecars: by netfilter, or by proxy variables, which an agent can disregard.',
    'captured or cooperative',
    oneOf('captured', 'cooperative'),
    'captured',
  ),
  OUTRIDER_CAPTURE_ALLOW_COOPERATIVE: setting(
    'Whether a namespace may choose the level cooperative, by its label outrider.dev/capture.',
    'true or false',
    oneOf('true', 'false'),
    'false',
  ),
  OUTRIDER_OTLP_ENDPOINT: setting(
    'OTLP/HTTP collector for the spans of operator and sidecars; empty sends none.',
    'https://host[:port][/path], or empty; http:// only with OUTRIDER_OTLP_INSECURE=true',
    endpoint,
    '',
  ),
  OUTRIDER_OTLP_CA_FILE: setting(
    'PEM file of the CAs that may sign the collector’s certificate; empty means public CAs.',
    'an absolute path, or empty',
    (text) => (text === '' ? null : absolutePath(text)),
    '',
  ),
  OUTRIDER_OTLP_INSECURE: setting(
    'Permits spans to travel unencrypted: they name hosts, paths and policies.',
    'true or false',
    oneOf('true', 'false'),
    'false',
  ),
  OUTRIDER_WEBHOOK_PORT: setting('Port of the admission webhook.', 'a port', port, '9443'),
  OUTRIDER_CONTROL_PORT: setting('Port of the ruleset streams.', 'a port', port, '8443'),
  OUTRIDER_HEALTH_PORT: setting('Port of /livez, /readyz and /metrics, without TLS.', 'a port', port, '8080'),
  OUTRIDER_LOG_LEVEL: setting(
    'Least severe lines that are logged.',
    'trace, debug, info, warn or error',
    oneOf('trace', 'debug', 'info', 'warn', 'error'),
    'info',
  ),
  OUTRIDER_VERSION: setting(
    'Version, as it is noted on injected pods.',
    'a version',
    matching(/^[\w.+-]{1,64}$/),
    'dev',
  ),
} satisfies Record<string, Setting<unknown>>;

type Settings = typeof operatorSettings;
export type OperatorConfig = {
  readonly [K in keyof Settings]: NonNullable<ReturnType<Settings[K]['parse']>> | Nullable<Settings[K]>;
};
type Nullable<S> = S extends Setting<infer T> ? (null extends T ? null : never) : never;

/** @throws {OperatorError} CONFIG_INVALID that names the first variable that is wrong, and what is allowed. */
export function parseConfig(environment: Readonly<Record<string, string | undefined>>): OperatorConfig {
  const values = Object.entries<Setting<unknown>>(operatorSettings).map(
    ([name, { fallback, parse, allowed }]) => {
      const text = environment[name] ?? fallback;
      const value = text === undefined ? undefined : parse(text);
      if (value === undefined) throw invalid(name, allowed);
      return [name, value] as const;
    },
  );
  const config = Object.fromEntries(values) as OperatorConfig;
  if (config.OUTRIDER_CA_LIFETIME < 3 * config.OUTRIDER_CA_OVERLAP) {
    throw invalid('OUTRIDER_CA_LIFETIME', operatorSettings.OUTRIDER_CA_LIFETIME.allowed);
  }
  if (
    config.OUTRIDER_OTLP_ENDPOINT?.startsWith('http:') === true &&
    config.OUTRIDER_OTLP_INSECURE === 'false'
  ) {
    throw invalid('OUTRIDER_OTLP_ENDPOINT', operatorSettings.OUTRIDER_OTLP_ENDPOINT.allowed);
  }
  return config;
}

/** The value is not repeated: somebody may have put a secret into the wrong variable. */
function invalid(name: string, allowed: string): OperatorError {
  return new OperatorError('CONFIG_INVALID', { detail: `${name} must be ${allowed}.` });
}

function setting<T>(
  says: string,
  allowed: string,
  parse: (text: string) => T | undefined,
  fallback?: string,
): Setting<T> {
  return { says, allowed, parse, ...(fallback === undefined ? {} : { fallback }) };
}

function matching(pattern: RegExp): (text: string) => string | undefined {
  return (text) => (pattern.test(text) ? text : undefined);
}

function oneOf<const T extends string>(...values: readonly T[]): (text: string) => T | undefined {
  return (text) => values.find((value) => value === text);
}

function listOf(isItem: (text: string) => boolean): (text: string) => readonly string[] | undefined {
  return (text) => {
    const items = text === '' ? [] : text.split(',').map((item) => item.trim());
    return items.every(isItem) ? items : undefined;
  };
}

function absolutePath(text: string): string | undefined {
  return /^\/[^\0]+$/.test(text) ? text : undefined;
}

function port(text: string): number | undefined {
  return /^[1-9]\d{0,4}$/.test(text) && Number(text) <= 65_535 ? Number(text) : undefined;
}

function duration(text: string): number | undefined {
  const ms = durationMs(text);
  return ms === null || ms === 0 ? undefined : ms;
}

function endpoint(text: string): string | null | undefined {
  if (text === '') return null;
  const url = URL.parse(text);
  const plain =
    url !== null &&
    /^https?:$/.test(url.protocol) &&
    url.username === '' &&
    url.search === '' &&
    url.hash === '';
  return plain ? text.replace(/\/$/, '') : undefined;
}
