import { execFile } from 'node:child_process';
import { readFileSync, writeFileSync } from 'node:fs';
import { mkdir, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { promisify } from 'node:util';
import { serviceRange } from './api-server.ts';
import { searchPath } from './packages.ts';

const execute = promisify(execFile);

export const podRange = '10.199.0.0/24';
/** Of the second address that each pod has; Services and the node itself are of IPv4 alone. */
export const podRangeSix = 'fd00:10:199::/64';
/** The node's address: what servers on the host listen on for pods. Kubernetes refuses a loopback one. */
export const nodeAddress = '10.199.0.1';
export const nodeAddressSix = 'fd00:10:199::1';
export const networkName = 'outrider-test';
const bridge = 'outrider0';
const masqueradeTable = 'outrider-test';

/** Kernel settings that the kubelet, kube-proxy, CNI plugins and we change on the way, to be put back. */
const changedSettings = [
  'net/ipv4/ip_forward',
  'net/ipv6/conf/all/forwarding',
  'net/netfilter/nf_conntrack_tcp_timeout_established',
  'net/netfilter/nf_conntrack_tcp_timeout_close_wait',
  'vm/overcommit_memory',
  'vm/panic_on_oom',
  'kernel/panic',
  'kernel/panic_on_oops',
  'kernel/keys/root_maxkeys',
  'kernel/keys/root_maxbytes',
];

export function readSettings(): Record<string, string> {
  const settings: Record<string, string> = {};
  for (const name of changedSettings) {
    try {
      settings[name] = readFileSync(`/proc/sys/${name}`, 'utf8').trim();
    } catch {
      // Not in this kernel, so nothing changes it either.
    }
  }
  return settings;
}

export function restoreSettings(settings: Readonly<Record<string, string>>): void {
  const now = readSettings();
  for (const [name, value] of Object.entries(settings)) {
    if (now[name] !== value) writeFileSync(`/proc/sys/${name}`, value);
  }
}

/** Gives the node its address, the route to Services, and pods a way out. */
export async function setUpNetwork(): Promise<void> {
  await tearDownNetwork(); // what a run may have made that was stopped while it started
  writeFileSync('/proc/sys/net/ipv4/ip_forward', '1');
  // A bridge without ports, because not every kernel has the dummy link type.
  await run('ip', ['link', 'add', bridge, 'type', 'bridge']);
  await run('ip', ['address', 'add', `${nodeAddress}/24`, 'dev', bridge]);
  // A bridge without ports never finds out whether anybody else has the address.
  await run('ip', ['address', 'add', `${nodeAddressSix}/64`, 'dev', bridge, 'nodad']);
  await run('ip', ['link', 'set', bridge, 'up']);
  // Without it a process of the host reaches Services only where there is a default route.
  await run('ip', ['route', 'add', serviceRange, 'dev', bridge]);
  // Ours, instead of the CNI plugin's ipMasq, which needs iptables and leaves a chain per pod.
  await run('nft', [
    `table inet ${masqueradeTable} { chain postrouting { type nat hook postrouting priority srcnat; ` +
      `ip saddr ${podRange} ip daddr != ${podRange} masquerade; ` +
      `ip6 saddr ${podRangeSix} ip6 daddr != ${podRangeSix} masquerade; }; }`,
  ]);
}

export async function tearDownNetwork(): Promise<void> {
  const tables = [`inet ${masqueradeTable}`, 'ip kube-proxy', 'ip6 kube-proxy'];
  for (const table of tables)
    await run('nft', ['delete', 'table', ...table.split(' ')]).catch(() => undefined);
  await run('ip', ['link', 'delete', bridge]).catch(() => undefined);
}

/**
 * Point-to-point links rather than ports of one bridge: pods of one subnet on a bridge answer each other directly, past
 * the connection tracking that has to translate a Service's address back, unless br_netfilter is loaded.
 */
export async function writeCniConfiguration(folder: string): Promise<string> {
  const configurations = join(folder, 'cni');
  await mkdir(configurations);
  const list = {
    cniVersion: '1.0.0',
    name: networkName,
    plugins: [
      {
        type: 'ptp',
        ipam: {
          type: 'host-local',
          dataDir: join(folder, 'cni-addresses'),
          ranges: [
            [{ subnet: podRange, gateway: nodeAddress }],
            [{ subnet: podRangeSix, gateway: nodeAddressSix }],
          ],
          routes: [{ dst: '0.0.0.0/0' }, { dst: '::/0' }],
        },
      },
    ],
  };
  await writeFile(join(configurations, '10-pods.conflist'), JSON.stringify(list));
  return configurations;
}

async function run(command: 'ip' | 'nft', args: readonly string[]): Promise<void> {
  await execute(command, args, { env: { PATH: searchPath() }, timeout: 10_000 });
}
