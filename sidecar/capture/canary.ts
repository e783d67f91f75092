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

type Outcome = 'stopped' | 'passed' | 'silent';

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
  const routable = await Promise.all(attempts.map(isRoutable));
  const tried = await Promise.all(
    attempts
      .filter((_, index) => routable[index])
      .map(async (each) => ({ each, outcome: await attempt(each) })),
  );
  const after = await readCounters();
  if (before === null || after === null) return ['There are no counters.'];
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

/**
 * Asks for a route without making a packet. The error of an attempt would not tell: a router that answers a packet which got
 * out says ENETUNREACH too.
 */
function isRoutable({ address, port }: Attempt): Promise<boolean> {
  const { promise, resolve } = Promise.withResolvers<boolean>();
  const socket = createSocket(isIPv6(address) ? 'udp6' : 'udp4');
  socket.on('error', () => resolve(false)).on('connect', () => resolve(true));
  socket.connect(port, address);
  return promise.finally(() => socket.close());
}

function attempt({ protocol, address, port }: Attempt): Promise<Outcome> {
  const { promise, resolve } = Promise.withResolvers<Outcome>();
  const stopped = (): void => resolve('stopped');
  if (protocol === 'tcp') {
    const socket = connect({ host: address, port, timeout: silenceMs });
    socket
      .on('connect', () => resolve('passed'))
      .on('timeout', () => resolve('silent'))
      .on('error', stopped);
    return promise.finally(() => socket.destroy());
  }
  const socket = createSocket(isIPv6(address) ? 'udp6' : 'udp4');
  socket.on('error', stopped);
  socket.send(Buffer.alloc(1), port, address, (error) => resolve(error === null ? 'passed' : 'stopped'));
  return promise.finally(() => socket.close());
}
