// The sidecar's environment: exactly what injection writes, and nothing that would change how Node runs, whom it
// trusts or which way its connections go (K-20, K-25, T-06).

import { isIP } from 'node:net';
import { parsePlan, type CapturePlan } from '../policy/capture-plan.ts';
import { sidecarEnvironment } from '../policy/contract.ts';
import { parseServerAddress } from '../policy/dns-server-address.ts';
import { SidecarError } from './errors.ts';

export interface SidecarConfig {
  /** host:port of the operator's control port. */
  readonly operator: string;
  /** PEM. */
  readonly operatorCa: string;
  readonly podName: string;
  readonly podNamespace: string;
  readonly podUid: string;
  readonly podIp: string;
  /** What is captured and how it reaches us; null at the level cooperative. */
  readonly capture: CapturePlan | null;
  /** `address[:port]`; null for those of /etc/resolv.conf, which only a cooperative pod may go by. */
  readonly dnsServers: readonly string[] | null;
}

export type Environment = Readonly<Record<string, string | undefined>>;

/**
 * Refused even when empty: NODE_* (options, extra CAs, TLS verification, proxies, debug output), OpenSSL's own
 * configuration and roots, key logs, proxies in any case, and DEBUG (libraries print tokens under it).
 */
const forbidden =
  /^(?:NODE_(?!VERSION$|ENV$).*|SSL_CERT_(?:FILE|DIR)|OPENSSL_.*|SSLKEYLOGFILE|.*_PROXY|DEBUG|LD_.*|UV_.*)$/i;

/**
 * What the kubelet sets for each Service of the namespace, whatever its name: `otel-collector` becomes
 * OTEL_COLLECTOR_SERVICE_HOST. Neither Node nor OpenSSL reads a variable that ends so.
 */
const serviceLink =
  /_(?:SERVICE_HOST|SERVICE_PORT(?:_[A-Z0-9_]+)?|PORT(?:_\d+_(?:TCP|UDP|SCTP)(?:_(?:PROTO|PORT|ADDR))?)?)$/;

const labelPattern = /^[a-z0-9](?:[-a-z0-9.]{0,251}[a-z0-9])?$/;

/** @throws SidecarError CONFIG_INVALID or ENVIRONMENT_FORBIDDEN, naming the variable and what is allowed. */
export function loadConfig(environment: Environment): SidecarConfig {
  const found = Object.keys(environment).filter((name) => forbidden.test(name) && !serviceLink.test(name));
  if (found.length > 0) {
    throw new SidecarError('ENVIRONMENT_FORBIDDEN', {
      field: found.join(', '),
      detail: `Remove ${found.join(', ')} from the image; injection sets none of them.`,
    });
  }

  function read(
    key: keyof typeof sidecarEnvironment,
    allowed: string,
    isAllowed: (text: string) => boolean,
  ): string {
    const name = sidecarEnvironment[key];
    const value = environment[name] ?? '';
    if (isAllowed(value)) return value;
    throw new SidecarError('CONFIG_INVALID', { field: name, detail: `${name} must be ${allowed}.` });
  }

  const isLabel = (text: string): boolean => labelPattern.test(text);
  const capture = environment[sidecarEnvironment.capture] === undefined ? null : readPlan(environment);
  const servers = read('dnsServers', 'addresses of DNS servers, separated by commas', (text) =>
    // Whoever writes a pod chooses what its resolv.conf says.
    text === '' ? capture === null : text.split(',').every((server) => parseServerAddress(server) !== null),
  );
  return {
    operator: read('operator', 'host:port of the operator', isHostAndPort),
    operatorCa: read('operatorCa', 'one or more PEM certificates', (text) =>
      text.includes('-----BEGIN CERTIFICATE-----'),
    ),
    podName: read('podName', "the pod's name", isLabel),
    podNamespace: read('podNamespace', "the pod's namespace", isLabel),
    podUid: read('podUid', "the pod's uid", isLabel),
    podIp: read('podIp', "the pod's IP address", (text) => isIP(text) !== 0),
    capture,
    dnsServers: servers === '' ? null : servers.split(','),
  };
}

function readPlan(environment: Environment): CapturePlan {
  const field = sidecarEnvironment.capture;
  try {
    return parsePlan(environment[field] ?? '');
  } catch {
    throw new SidecarError('CONFIG_INVALID', {
      field,
      detail: `${field} must be a plan of capture as JSON.`,
    });
  }
}

function isHostAndPort(text: string): boolean {
  const [, host, port] = /^(\[[0-9a-f:.]+\]|[a-z0-9.-]+):(\d{1,5})$/i.exec(text) ?? [];
  return host !== undefined && Number(port) > 0 && Number(port) < 65_536 && URL.canParse(`https://${text}`);
}
