// A pod's sidecar as a process of its own, with folders in place of the pod's volumes.

import { spawn, type ChildProcess } from 'node:child_process';
import { once } from 'node:events';
import { mkdirSync } from 'node:fs';
import { join } from 'node:path';
import { sidecarEnvironment } from '../../policy/contract.ts';
import { waitFor } from '../cluster/deadline.ts';

export interface Pod {
  readonly process: ChildProcess;
  /** `tls`, `http` and `dns` of a captured pod, else 0. */
  readonly ports: Readonly<Record<'proxy' | 'health' | 'tls' | 'http' | 'dns', number>>;
  readonly stdout: () => string;
  readonly stderr: () => string;
  /** Decision lines so far. */
  readonly decisions: () => Readonly<Record<string, unknown>>[];
  health(path: string): Promise<number>;
  /** @returns the exit code, or the signal. */
  end(signal: NodeJS.Signals): Promise<number | NodeJS.Signals | null>;
}

export interface PodOptions {
  readonly root: string;
  readonly operator: string;
  readonly operatorCa: string;
  readonly environment?: Readonly<Record<string, string>>;
  /** What it must listen on; others are free ones. */
  readonly ports?: Readonly<Partial<Record<'proxy' | 'tls' | 'http' | 'dns', number>>>;
  readonly nodeFlags?: readonly string[];
  /** Other than ./pod-program.ts: a bundle of it. */
  readonly program?: string;
}

export function createPodFolders(root: string): void {
  for (const name of ['trust', 'keys', 'state', 'tokens', 'secrets'])
    mkdirSync(join(root, name), { recursive: true });
}

/** Exactly what injection sets, and PATH: a sidecar refuses most of what a developer's shell has. */
export function podEnvironment({
  operator,
  operatorCa,
}: Pick<PodOptions, 'operator' | 'operatorCa'>): Record<string, string> {
  return {
    PATH: process.env['PATH'] ?? '',
    [sidecarEnvironment.operator]: operator,
    [sidecarEnvironment.operatorCa]: operatorCa,
    [sidecarEnvironment.podName]: 'triage-1',
    [sidecarEnvironment.podNamespace]: 'research',
    [sidecarEnvironment.podUid]: '1b0f7a52-3f1e-4f0e-9d3e-0c4f6f0e4a11',
    [sidecarEnvironment.podIp]: '127.0.0.1',
  };
}

/** Spawns it and waits until it listens or has ended. */
export async function startPod(options: PodOptions): Promise<Pod> {
  const { program = new URL('pod-program.ts', import.meta.url).pathname } = options;
  const child = spawn(
    process.execPath,
    [...(options.nodeFlags ?? []), program, options.root, JSON.stringify(options.ports ?? {})],
    {
      env: { ...podEnvironment(options), ...options.environment },
      stdio: ['ignore', 'pipe', 'pipe'],
    },
  );
  let [stdout, stderr] = ['', ''];
  child.stdout.on('data', (chunk: Buffer) => (stdout += chunk.toString()));
  child.stderr.on('data', (chunk: Buffer) => (stderr += chunk.toString()));
  const exited = once(child, 'close') as Promise<[number | null, NodeJS.Signals | null]>;

  const lines = (): Readonly<Record<string, unknown>>[] =>
    stderr
      .split('\n')
      .filter((line) => line.startsWith('{') && line.endsWith('}'))
      .map((line) => JSON.parse(line) as Readonly<Record<string, unknown>>);
  const wait = { what: 'the sidecar', timeoutMs: 10_000, everyMs: 5, evidence: () => stderr };
  const ports = await waitFor(wait, async () => {
    if (child.exitCode !== null) return portsOf({});
    const listening = lines().find(({ event }) => event === 'listening');
    return listening && portsOf(listening);
  });

  return {
    process: child,
    ports,
    stdout: () => stdout,
    stderr: () => stderr,
    decisions: () =>
      stdout
        .split('\n')
        .filter((line) => line !== '')
        .map((line) => JSON.parse(line) as Readonly<Record<string, unknown>>),
    async health(path) {
      const answer = await fetch(`http://127.0.0.1:${ports.health}${path}`);
      return answer.status;
    },
    async end(signal) {
      child.kill(signal);
      const [code, by] = await exited;
      return code ?? by;
    },
  };
}

function portsOf(listening: Readonly<Record<string, unknown>>): Pod['ports'] {
  const port = (name: string): number => Number(listening[name] ?? 0);
  return {
    proxy: port('proxy'),
    health: port('health'),
    tls: port('tls'),
    http: port('http'),
    dns: port('dns'),
  };
}
