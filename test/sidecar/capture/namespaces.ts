// A pod and the world beside it, as two network namespaces with a link between them: what leaves the first is counted where
// it arrives in the second, by the kernel. Without Kubernetes; as root.

import { execFile, spawn, type ChildProcess } from 'node:child_process';
import { once } from 'node:events';
import { mkdtempSync, rmSync } from 'node:fs';
import { readlink } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { promisify } from 'node:util';
import { encodePlan, type CapturePlan, type CaptureReport } from '../../../policy/capture-plan.ts';
import { waitFor } from '../../cluster/deadline.ts';
import { requireCommands, searchPath } from '../../cluster/packages.ts';

const execute = promisify(execFile);
const here = import.meta.dirname;

/** A host of the public, the places of K-06 and N-06, and the API server of a cluster. */
export const worldFour = ['203.0.113.10', '169.254.169.254', '169.254.170.23', '169.254.20.10', '10.96.0.1'];
export const worldSix = ['2001:db8:6::10', 'fd00:ec2::254', 'fd00:ec2::23'];
export const worldTcp = [22, 25, 53, 80, 443, 853, 5432, 8443, 10250];
export const worldUdp = [53, 123, 443, 8443, 51820];

export const podFour = '10.9.0.2';
export const podSix = 'fd00:9::2';

export interface Identity {
  readonly uid: number;
  readonly gid: number;
}

export interface Attempt {
  readonly how: string;
  readonly address: string;
  readonly port?: number;
}

export type CaptureOutcome =
  { readonly report: CaptureReport } | { readonly code: string; readonly message: string };

export interface Namespaces {
  /** Stands in for podPaths.keys. */
  readonly directory: string;
  /** In the pod, without capabilities. */
  attempt(by: Identity, attempts: readonly Attempt[]): Promise<readonly string[]>;
  /** Packets that arrived in the world, but for those that find neighbours. */
  arrived(): Promise<number>;
  forget(): Promise<void>;
  capture(sidecar: Identity, plan: CapturePlan, nft?: string): Promise<CaptureOutcome>;
  run(where: Where, command: readonly string[]): Promise<string>;
  start(where: Where, command: readonly string[], by?: Identity): ChildProcess;
  /** Runs listeners.ts until close(). */
  listen(
    where: Where,
    options: { readonly hosts: string; readonly tcp: string; readonly udp?: string; readonly by?: Identity },
  ): Promise<ChildProcess>;
  close(): Promise<void>;
}

export type Where = 'pod' | 'world';

const counting = `table inet arrivals { counter arrived {}; chain prerouting {
  type filter hook prerouting priority -300;
  iifname != "far0" accept;
  icmpv6 type { nd-router-solicit, nd-neighbor-solicit, nd-neighbor-advert } accept;
  counter name arrived;
}; }`;

export async function createNamespaces(): Promise<Namespaces> {
  await requireCommands(['ip', 'nft', 'setpriv'], { '/usr/bin/python3': 'python3' });
  const directory = mkdtempSync(join(tmpdir(), 'outrider-capture-'));
  const children: ChildProcess[] = [];
  const env = { PATH: searchPath() };
  const keepers = { pod: await keepNamespace(env), world: await keepNamespace(env) };
  const enter = (where: Where): string[] => [`--net=/proc/${keepers[where].pid}/ns/net`, '--'];

  const run: Namespaces['run'] = async (where, command) => {
    const options = { env, timeout: 60_000, maxBuffer: 16 * 1024 * 1024 };
    return (await execute('nsenter', [...enter(where), ...command], options)).stdout;
  };
  const asAgent = ({ uid, gid }: Identity): string[] => [
    'setpriv',
    `--reuid=${uid}`,
    `--regid=${gid}`,
    '--clear-groups',
    '--bounding-set=-all',
    '--inh-caps=-all',
    '--no-new-privs',
  ];
  const start: Namespaces['start'] = (where, command, by) => {
    const whole = [...enter(where), ...(by === undefined ? [] : asAgent(by)), ...command];
    const child = spawn('nsenter', whole, { env, stdio: ['ignore', 'pipe', 'inherit'] });
    children.push(child);
    return child;
  };
  const close = async (): Promise<void> => {
    for (const child of [...children, ...Object.values(keepers)]) {
      if (child.exitCode !== null || child.signalCode !== null) continue;
      child.kill('SIGKILL');
      await once(child, 'exit');
    }
    rmSync(directory, { recursive: true, force: true });
  };

  try {
    const ends = ['name', 'far0', 'netns', `${keepers.world.pid}`, 'type', 'veth'];
    const peer = ['peer', 'name', 'eth0', 'netns', `${keepers.pod.pid}`];
    await execute('ip', ['link', 'add', ...ends, ...peer], { env });
    for (const [where, lines] of Object.entries(setup)) {
      for (const line of lines) await run(where as Where, line.split(' '));
    }
    await run('world', ['nft', counting]);
  } catch (error) {
    await close();
    throw error;
  }

  return {
    directory,
    run,
    start,
    close,
    async attempt(by, attempts) {
      const script = join(here, 'attempts.py');
      const command = [...asAgent(by), '/usr/bin/python3', script, JSON.stringify(attempts)];
      return JSON.parse(await run('pod', command)) as string[];
    },
    async arrived() {
      const listed = await run('world', ['nft', '-j', 'list', 'counters']);
      const { nftables } = JSON.parse(listed) as {
        nftables: readonly { readonly counter?: { readonly packets: number } }[];
      };
      return nftables.find(({ counter }) => counter !== undefined)?.counter?.packets ?? NaN;
    },
    async forget() {
      await run('world', ['nft', 'reset', 'counters']);
    },
    async capture({ uid, gid }, plan, nft = '/usr/sbin/nft') {
      const args = [`--uid=${uid}`, `--gid=${gid}`, `--plan=${encodePlan(plan)}`];
      const script = join(here, 'run-capture.ts');
      const apiServer = ['env', 'KUBERNETES_SERVICE_HOST=10.96.0.1', 'KUBERNETES_SERVICE_PORT=443'];
      const command = [...apiServer, process.execPath, script, nft, directory, ...args];
      return JSON.parse(await run('pod', command)) as CaptureOutcome;
    },
    async listen(where, { hosts, tcp, udp = '', by }) {
      const child = start(where, [process.execPath, join(here, 'listeners.ts'), where, hosts, tcp, udp], by);
      let output = '';
      child.stdout?.setEncoding('utf8').on('data', (chunk: string) => (output += chunk));
      await waitFor({ what: `listeners in the ${where}`, timeoutMs: 10_000 }, () =>
        Promise.resolve(output.includes('listening\n')),
      );
      return child;
    },
  };
}

/**
 * It is there as long as its first process, which ends with ours, whatever ends that. Without a name, since `ip netns` would
 * leave a mount on the host.
 */
async function keepNamespace(env: NodeJS.ProcessEnv): Promise<ChildProcess> {
  const child = spawn('unshare', ['--net', 'cat'], { env, stdio: ['pipe', 'ignore', 'inherit'] });
  await waitFor({ what: 'a network namespace', timeoutMs: 5_000 }, async () => {
    const [its, ours] = await Promise.all([child.pid, 'self'].map((pid) => readlink(`/proc/${pid}/ns/net`)));
    return its !== ours;
  });
  return child;
}

/** As containerd leaves a pod's: ping sockets are allowed. And a first packet may hold data without a cookie. */
const setup: Readonly<Record<Where, readonly string[]>> = {
  pod: [
    'ip link set lo up',
    `ip address add ${podFour}/24 dev eth0`,
    `ip address add ${podSix}/64 dev eth0 nodad`,
    'ip link set eth0 up',
    'ip route add default via 10.9.0.1',
    'ip -6 route add default via fd00:9::1',
    'sysctl -qw net.ipv4.tcp_fastopen=5',
    'sysctl -qw net.ipv4.ping_group_range=0\t2147483647',
  ],
  world: [
    'ip link set lo up',
    'ip address add 10.9.0.1/24 dev far0',
    'ip address add fd00:9::1/64 dev far0 nodad',
    'ip address add fe80::9/64 dev far0 nodad',
    ...worldFour.map((address) => `ip address add ${address}/32 dev lo`),
    ...worldSix.map((address) => `ip address add ${address}/128 dev lo nodad`),
    'ip link set far0 up',
  ],
};
