// Other hosts, as seen from pods: addresses of this machine that nothing is sent to but by a way around the sidecar.
// The kernel counts what arrives at each, whatever the protocol, before anything else looks at it.

import { execFile } from 'node:child_process';
import { promisify } from 'node:util';

const run = promisify(execFile);

/** Public, metadata of several clouds, EKS Pod Identity, node-local DNS: what section N and K-06 name. */
export const worldAddresses = {
  four: [
    '203.0.113.10',
    '169.254.169.254',
    '169.254.170.23',
    '169.254.20.10',
    '100.100.100.200',
    '168.63.129.16',
  ],
  six: ['2001:db8:6::10', 'fd00:ec2::254', 'fd00:ec2::23'],
} as const;

const bridge = 'outworld0';
const table = 'outrider-world';

export interface World {
  /** Packets from these pod addresses: to each address of the world, and by what else should never leave a pod. */
  packets(): Promise<Readonly<Record<string, number>>>;
  /** Counts from zero. */
  reset(): Promise<void>;
  close(): Promise<void>;
}

/** @param inner addresses of the cluster that the sidecar itself has no business with, such as the kubelet's */
export async function startWorld(podIps: readonly string[], inner: readonly InnerPlace[]): Promise<World> {
  await close();
  await run('ip', ['link', 'add', 'name', bridge, 'type', 'bridge']);
  for (const address of worldAddresses.four)
    await run('ip', ['address', 'add', `${address}/32`, 'dev', bridge]);
  for (const address of worldAddresses.six) {
    await run('ip', ['-6', 'address', 'add', `${address}/128`, 'dev', bridge, 'nodad']);
  }
  await run('ip', ['link', 'set', bridge, 'up']);
  await reset();

  async function reset(): Promise<void> {
    await run('nft', ['delete', 'table', 'inet', table]).catch(() => undefined);
    await run('nft', [rules(podIps, inner)]);
  }

  return {
    packets: async () => {
      const { stdout } = await run('nft', ['-j', 'list', 'table', 'inet', table]);
      return readCounts(JSON.parse(stdout) as { nftables: readonly Entry[] });
    },
    reset,
    close,
  };
}

export interface InnerPlace {
  readonly what: string;
  readonly address: string;
  readonly port: number;
}

async function close(): Promise<void> {
  await run('nft', ['delete', 'table', 'inet', table]).catch(() => undefined);
  await run('ip', ['link', 'delete', bridge]).catch(() => undefined);
}

function rules(podIps: readonly string[], inner: readonly InnerPlace[]): string {
  const family = (address: string): string => (address.includes(':') ? 'ip6' : 'ip');
  const counted = (what: string, match: string): string => `${match} counter comment "${what}";`;
  const places = [...worldAddresses.four, ...worldAddresses.six];
  const perPod = podIps.flatMap((pod) => [
    ...places
      .filter((place) => family(place) === family(pod))
      .map((place) => counted(place, `${family(pod)} saddr ${pod} ${family(pod)} daddr ${place}`)),
    ...inner
      .filter(({ address }) => family(address) === family(pod))
      .map(({ what, address, port }) =>
        counted(what, `${family(pod)} saddr ${pod} ${family(pod)} daddr ${address} tcp dport ${port}`),
      ),
    counted(
      'loopback',
      pod.includes(':') ? `ip6 saddr ${pod} ip6 daddr ::1` : `ip saddr ${pod} ip daddr 127.0.0.0/8`,
    ),
    counted(
      'ping',
      pod.includes(':')
        ? `ip6 saddr ${pod} icmpv6 type echo-request`
        : `ip saddr ${pod} icmp type echo-request`,
    ),
    counted('udp but DNS', `${family(pod)} saddr ${pod} udp dport != 53`),
    counted('another protocol', `${family(pod)} saddr ${pod} meta l4proto != { tcp, udp, icmp, icmpv6 }`),
  ]);
  return `table inet ${table} { chain arrivals { type filter hook prerouting priority -300; ${perPod.join(' ')} }; }`;
}

interface Entry {
  readonly rule?: {
    readonly comment?: string;
    readonly expr: readonly { readonly counter?: { readonly packets: number } }[];
  };
}

function readCounts({ nftables }: { readonly nftables: readonly Entry[] }): Record<string, number> {
  const counts: Record<string, number> = {};
  for (const { rule } of nftables) {
    if (rule?.comment === undefined) continue;
    const packets = rule.expr.reduce((sum, { counter }) => sum + (counter?.packets ?? 0), 0);
    counts[rule.comment] = (counts[rule.comment] ?? 0) + packets;
  }
  return counts;
}
