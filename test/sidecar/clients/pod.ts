// A captured pod without Kubernetes, for real clients: in a network namespace, with the rules, the listeners and the name
// server of real ones. A client runs there as injected, or as one that reads no proxy variables. As root.

import { execFile, spawn } from 'node:child_process';
import { once } from 'node:events';
import type { IncomingHttpHeaders } from 'node:http';
import { mkdirSync, mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { agentVariables, javaOptions } from '../../../policy/agent-environment.ts';
import { requireCommands, searchPath } from '../../cluster/packages.ts';
import { findGitBackend } from '../proxy/git-backend.ts';

/** Known to the pod's rules, and to nobody else here. */
export const apiHosts = [
  'api.example.test',
  's3.eu-central-1.amazonaws.com',
  'registry.npmjs.org',
  'api.github.com',
  'generativelanguage.googleapis.com',
  'api.anthropic.com',
  'api.stripe.com',
  'github.com',
  'gitlab.com',
] as const;
export type ApiHost = (typeof apiHosts)[number];

export const secrets = { token: 'real-token-3f9a', stripe: 'sk_live_3f9a', llm: 'sk-ant-3f9a' } as const;

export interface ReceivedCall {
  readonly host: ApiHost;
  readonly method: string;
  readonly url: string;
  readonly headers: IncomingHttpHeaders;
  /** In lower case, each as often as it came. */
  readonly names: readonly string[];
  /** Its beginning. */
  readonly body: string;
  readonly bytes: number;
}

export interface SeenRecord {
  readonly entry: string;
  readonly status: number;
  readonly method: string;
  readonly host: string;
  readonly path: string;
  readonly reason: string | null;
}

export interface Seen {
  readonly records: readonly SeenRecord[];
  readonly received: readonly ReceivedCall[];
}

export type ToPod = 'seen' | 'end';
export type FromPod = Seen | { readonly proxyPort: number };

/** `unled`: without the variables that name a proxy, as for programs that ignore or unset them. */
export type Leading = 'led' | 'unled';

export interface Output {
  readonly code: number;
  readonly stdout: string;
  readonly stderr: string;
}

export interface ClientPod {
  /** Where agents may write. */
  readonly folder: string;
  readonly trust: string;
  run(
    leading: Leading,
    command: readonly string[],
    environment?: Readonly<Record<string, string>>,
  ): Promise<Output>;
  /** What was decided and what arrived since it was asked last. */
  seen(): Promise<Seen>;
  close(): Promise<void>;
}

/** @param prepare makes what the pod serves: bare repositories in `git`. */
export async function startClientPod(
  prepare: (folder: string) => Promise<void> = async () => {},
): Promise<ClientPod> {
  await requireCommands(['ip', 'nft', 'setpriv', 'mount']);
  const folder = mkdtempSync(join(tmpdir(), 'outrider-clients-'));
  mkdirSync(join(folder, 'git'));
  await prepare(folder);
  const program = [
    process.execPath,
    join(import.meta.dirname, 'pod-side.ts'),
    folder,
    findGitBackend() ?? '',
  ];
  const pod = spawn('unshare', ['--net', '--mount', ...program], {
    env: { PATH: searchPath() },
    stdio: ['ignore', 'inherit', 'inherit', 'ipc'],
  });
  const answer = async (): Promise<FromPod> => {
    const [message] = (await once(pod, 'message', { signal: AbortSignal.timeout(30_000) })) as [FromPod];
    return message;
  };
  const close = async (): Promise<void> => {
    if (pod.exitCode === null && pod.signalCode === null) {
      if (pod.connected) pod.send('end' satisfies ToPod);
      await once(pod, 'exit');
    }
    rmSync(folder, { recursive: true, force: true });
  };
  const first = await answer().catch(async (error: unknown) => {
    pod.kill('SIGKILL');
    await close();
    throw error;
  });
  if (!('proxyPort' in first)) throw new Error('the pod spoke out of turn');
  const place = { proxyPort: first.proxyPort, trustDirectory: join(folder, 'trust') };

  return {
    folder,
    trust: place.trustDirectory,
    close,
    run: (leading, command, environment = {}) => {
      const enter = [`--net=/proc/${pod.pid}/ns/net`, `--mount=/proc/${pod.pid}/ns/mnt`, '--'];
      // netfilter tells agents from the sidecar by uid and gid; the files of these clients are root's.
      const as = ['env', '-C', folder, 'setpriv', '--regid=1000', '--clear-groups'];
      const variables = leading === 'led' ? [...agentVariables(place)] : trustAlone(place);
      const env = {
        PATH: searchPath(),
        HOME: folder,
        ...Object.fromEntries(variables),
        ...environment,
      };
      return new Promise((resolve) => {
        const options = { env, timeout: 60_000, maxBuffer: 16 * 1024 * 1024 };
        const child = execFile('nsenter', [...enter, ...as, ...command], options, (error, stdout, stderr) => {
          resolve({ code: error === null ? 0 : Number(error.code ?? 1), stdout, stderr });
        });
        child.stdin?.end();
      });
    },
    seen: async () => {
      const told = answer();
      pod.send('seen' satisfies ToPod);
      const seen = await told;
      if (!('records' in seen)) throw new Error('the pod spoke out of turn');
      return seen;
    },
  };
}

function trustAlone(place: {
  readonly proxyPort: number;
  readonly trustDirectory: string;
}): [string, string][] {
  const isTrust = (text: string): boolean =>
    text.includes(place.trustDirectory) || text.includes('trustStore');
  const java = javaOptions(place).split(' ').filter(isTrust).join(' ');
  return [...agentVariables(place)]
    .filter(([, value]) => isTrust(value))
    .map(([name, value]) => [name, name === 'JAVA_TOOL_OPTIONS' ? java : value]);
}
