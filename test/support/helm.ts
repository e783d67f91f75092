// Runs the real Helm, without the person's own settings and caches.

import { execFile } from 'node:child_process';
import { join } from 'node:path';
import { builtServer } from '../cluster/build.ts';

export const chartPath = join(import.meta.dirname, '../../charts/outrider');

/** Answers what Helm prints; throws with what it complains about. */
export type Helm = (args: readonly string[], stdin?: string) => Promise<string>;

/** @param folder for Helm's caches and settings. */
export async function createHelm(folder: string, kubeconfig = '/dev/null'): Promise<Helm> {
  const binary = join(await builtServer('helm'), 'helm');
  const env = { PATH: process.env['PATH'] ?? '', HOME: folder, KUBECONFIG: kubeconfig };
  return (args, stdin = '') =>
    new Promise((resolve, reject) => {
      const child = execFile(
        binary,
        args,
        { env, timeout: 60_000, maxBuffer: 2 ** 24 },
        (error, stdout, stderr) => {
          if (error === null) resolve(stdout);
          else reject(new Error(`helm ${args.join(' ')}: ${stderr.trim() || error.message}`));
        },
      );
      child.stdin?.on('error', () => undefined); // a Helm that ends without reading says why on stderr
      child.stdin?.end(stdin);
    });
}
