// The command as a user runs it, in a folder of its own.

import { spawn } from 'node:child_process';
import { mkdirSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { dirname, join } from 'node:path';
import { stringify } from 'yaml';

export const root = join(import.meta.dirname, '..', '..');

export interface Result {
  readonly code: number;
  readonly stdout: string;
  readonly stderr: string;
}

export interface CommandLine {
  /** Where it runs. */
  readonly folder: string;
  readonly outrider: (...args: readonly string[]) => Promise<Result>;
  /** Writes files into a new directory and names it; objects become YAML, lists of them documents. */
  readonly directory: (files: Readonly<Record<string, unknown>>) => string;
  readonly remove: () => void;
}

export function createCommandLine(): CommandLine {
  const folder = mkdtempSync(join(tmpdir(), 'outrider-cli-test-'));
  let count = 0;
  return {
    folder,
    outrider: (...args) => execute(process.execPath, [join(root, 'cli', 'main.ts'), ...args], folder),
    directory: (files) => {
      const name = `dir-${(count += 1)}`;
      for (const [file, content] of Object.entries(files)) {
        const path = join(folder, name, file);
        mkdirSync(dirname(path), { recursive: true });
        writeFileSync(path, yaml(content));
      }
      return name;
    },
    remove: () => rmSync(folder, { recursive: true, force: true }),
  };
}

function yaml(content: unknown): string {
  if (typeof content === 'string') return content;
  return Array.isArray(content) ? content.map((each) => stringify(each)).join('---\n') : stringify(content);
}

export async function execute(
  file: string,
  args: readonly string[],
  cwd: string,
  env: NodeJS.ProcessEnv = process.env,
): Promise<Result> {
  const child = spawn(file, args, { timeout: 60_000, cwd, env, stdio: ['ignore', 'pipe', 'pipe'] });
  let [stdout, stderr] = ['', ''];
  child.stdout.setEncoding('utf8').on('data', (text: string) => (stdout += text));
  child.stderr.setEncoding('utf8').on('data', (text: string) => (stderr += text));
  const { promise, resolve } = Promise.withResolvers<number>();
  child.on('close', (code) => resolve(code ?? -1));
  return { code: await promise, stdout, stderr };
}
