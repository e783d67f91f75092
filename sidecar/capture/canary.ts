// Tries to get past the sidecar, as an agent would, and looks whether each packet was stopped where it should have been.
// Rules that are listed and yet do nothing (another network stack, a hook that is passed by) are found out here.

import { createSocket } from 'node:dgram';
import { connect, isIPv6 } from 'node:net';
import { networkInterfaces } from 'node:os';
import type { CapturePlan, CaptureReport } from '../../policy/capture-plan.ts';
import type { Counters } from './counters.ts';
import { capturedPorts, type CounterName } from './rules.ts';

type Family = CaptureReport['families'][number];

export interface Attempt {
  readonly protocol: 'tcp' | 'udp';
  readonly address: string;
  readonly port: number;
}

/** `unroutable`: the pod has no way there, so no packet was made. */
type Outcome = 'stopped' | 'passed' | 'silent' | 'unroutable';

/** Of documentation (RFC 5737, RFC 3849): if a packet did get out, it would reach nobody. */
const outside: Readonly<Record<Family, string>> = { four: '192.0.2.1', six: '2001:db8::1' };

/** What netfilter refuses fails within a millisecond. */
const silenceMs = 2_000;

/** Families with an address that is neither loopback nor of the link alone. */
export function familiesHere(): readonly Family[] {
  const addresses = Object.values(networkInterfaces()).flatMap((all) => all ?? []);
  const outward = addresses.filter(({ internal, address }) => !internal && !/^fe[89ab]/i.test(address));
  const has = (family: string): boolean => outward.some((each) => each.family === family);
  return [...(has('IPv4') ? (['four'] as const) : []), ...(has('IPv6') ? (['six'] as const) : [])];
}

/** @param apiServer of the cluster, which an agent can always name: KUBERNETES_SERVICE_HOST and _PORT. */
export function planAttempts(
  families: readonly Family[],
  apiServer: { readonly address: string; readonly port: number } | null,
): readonly Attempt[] {
  const attempts = families.flatMap((family): readonly Attempt[] => [
    { protocol: 'tcp', address: outside[family], port: 443 },
    { protocol: 'tcp', address: outside[family], port: 9 }, // discard (RFC 863)
    { protocol: 'udp', address: outside[family], port: 53 },
    { protocol: 'udp', address: outside[family], port: 123 },
  ]);
  const isReachable = apiServer !== null && families.includes(isIPv6(apiServer.address) ? 'six' : 'four');
  return isReachable ? [...attempts, { protocol: 'tcp', ...apiServer }] : attempts;
}

/** What was not proved, one sentence each; empty when every packet was stopped and counted. */
export async function runCanary(
  attempts: readonly Attempt[],
  plan: CapturePlan,
  readCounters: () => Promise<Counters | null>,
): Promise<readonly string[]> {
  const before = await readCounters();
  const outcomes = await Promise.all(attempts.map(async (each) => ({ each, outcome: await attempt(each) })));
  const after = await readCounters();
  if (before === null || after === null) return ['There are no counters.'];

  const tried = outcomes.filter(({ outcome }) => outcome !== 'unroutable');
  if (tried.length === 0) return ['The pod has no route to anywhere, so nothing could be tried.'];
  const expected: Record<CounterName, number> = { dns: 0, captured: 0, refused: 0, escaped: 0 };
  const failures: string[] = [];
  for (const { each, outcome } of tried) {
    const by = counterOf(each, plan);
    expected[by] += 1;
    // The listener of a redirected packet may be there, or not yet.
    if (outcome === 'silent' || (outcome === 'passed' && by === 'refused')) {
      failures.push(`${each.protocol} to ${each.address} port ${each.port} was not stopped.`);
    }
  }
  for (const name of ['dns', 'captured', 'refused'] as const) {
    const counted = after[name] - before[name];
    // More is fine: the kernel has packets of its own to refuse.
    if (counted < expected[name])
      failures.push(`Of ${expected[name]} to be ${name}, ${counted} were counted.`);
  }
  if (after.escaped !== before.escaped) failures.push('A packet came as far as the way out.');
  return failures;
}

/** The one rule that an attempt should meet. */
function counterOf({ protocol, port }: Attempt, plan: CapturePlan): CounterName {
  if (port === 53) return 'dns';
  return protocol === 'tcp' && capturedPorts(plan).some((each) => each.port === port)
    ? 'captured'
    : 'refused';
}

function attempt({ protocol, address, port }: Attempt): Promise<Outcome> {
  const { promise, resolve } = Promise.withResolvers<Outcome>();
  const failed = ({ code }: NodeJS.ErrnoException): void =>
    resolve(code !== undefined && unroutable.has(code) ? 'unroutable' : 'stopped');
  if (protocol === 'tcp') {
    const socket = connect({ host: address, port, timeout: silenceMs });
    socket
      .on('connect', () => resolve('passed'))
      .on('timeout', () => resolve('silent'))
      .on('error', failed);
    return promise.finally(() => socket.destroy());
  }
  const socket = createSocket(isIPv6(address) ? 'udp6' : 'udp4');
  socket.on('error', failed);
  socket.send(Buffer.alloc(1), port, address, (error) =>
    error === null ? resolve('passed') : failed(error),
  );
  return promise.finally(() => socket.close());
}

/** Before netfilter is asked. What it refuses has other codes: ECONNREFUSED, EPERM, EHOSTUNREACH, EACCES. */
const unroutable = new Set(['ENETUNREACH', 'EADDRNOTAVAIL', 'EAFNOSUPPORT', 'ENETDOWN']);
