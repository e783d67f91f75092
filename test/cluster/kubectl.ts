import { spawn } from 'node:child_process';
import { join } from 'node:path';
import type { RunFolder } from './run-folder.ts';

export interface KubectlOptions {
  /** Becomes standard input, for `apply -f -`. */
  readonly stdin?: string;
  readonly timeoutMs?: number;
}

/** Runs kubectl and answers what it prints; throws with all that it says when it fails. */
export type Kubectl = (args: readonly string[], options?: KubectlOptions) => Promise<string>;

export function createKubectl(run: RunFolder, binary: string, kubeconfig: string): Kubectl {
  return (args, options = {}) =>
    new Promise((resolve, reject) => {
      const timeoutMs = options.timeoutMs ?? 30_000;
      const child = spawn(binary, ['--kubeconfig', kubeconfig, ...args], {
        env: { ...run.environment, KUBECACHEDIR: join(run.path, 'home', 'kube-cache') },
        stdio: ['pipe', 'pipe', 'pipe'],
        timeout: timeoutMs,
        killSignal: 'SIGKILL',
      });
      let output = '';
      let complaint = '';
      child.stdout.setEncoding('utf8').on('data', (chunk: string) => (output += chunk));
      child.stderr.setEncoding('utf8').on('data', (chunk: string) => (complaint += chunk));
      child.stdin.on('error', () => undefined); // a kubectl that ends without reading says why on stderr
      child.stdin.end(options.stdin ?? '');
      child.on('error', reject);
      child.on('close', (code, signal) => {
        if (code === 0) return resolve(output);
        const how =
          signal === null ? `exited with ${code}` : `was stopped by ${signal} after ${timeoutMs} ms`;
        reject(new Error(`kubectl ${args.join(' ')} ${how}: ${(complaint + output).trim()}`));
      });
    });
}
