// The program nft of our image, the one way to netfilter: by its JSON, never through a shell.

import { spawn } from 'node:child_process';
import { SidecarError } from '../errors.ts';
import type { NftCommand, NftObject } from './nft-rule.ts';

export interface Nft {
  /** All of it or nothing. Null when done, else what nft says. */
  apply(commands: readonly NftCommand[]): Promise<string | null>;
  /** Whether the kernel would take it; nothing is changed. */
  accepts(commands: readonly NftCommand[]): Promise<boolean>;
  /** What the kernel has of one table, in order; null when it has none. */
  list(table: string): Promise<readonly NftObject[] | null>;
}

/** It takes milliseconds; a kernel that loads modules first, a second. */
const deadlineMs = 10_000;

export function createNft({ program }: { readonly program: string }): Nft {
  async function run(args: readonly string[]): Promise<{ ok: boolean; output: string }> {
    const child = spawn(program, args, {
      env: {},
      stdio: ['inherit', 'pipe', 'pipe'],
      timeout: deadlineMs,
      killSignal: 'SIGKILL',
    });
    let output = '';
    let complaint = '';
    child.stdout.setEncoding('utf8').on('data', (chunk: string) => (output += chunk));
    child.stderr.setEncoding('utf8').on('data', (chunk: string) => (complaint += chunk));
    const { promise, resolve, reject } = Promise.withResolvers<{ ok: boolean; output: string }>();
    // Not the kernel's doing, so it must not look as if a feature were missing.
    child.on('error', ({ code = '' }: NodeJS.ErrnoException) =>
      reject(new SidecarError('CAPTURE_RULES_REFUSED', { detail: `(nft cannot be started: ${code})` })),
    );
    child.on('close', (code) =>
      resolve(code === 0 ? { ok: true, output } : { ok: false, output: complaint }),
    );
    return promise;
  }

  // As an argument: `--file -` opens /dev/stdin anew, which a socket refuses, and Node's pipes are sockets; a file would
  // need a place to be. The largest plan makes half of what Linux takes (MAX_ARG_STRLEN, 128 KiB).
  const script = (commands: readonly NftCommand[]): string => JSON.stringify({ nftables: commands });

  return {
    async apply(commands) {
      const { ok, output } = await run(['--json', script(commands)]);
      return ok ? null : firstLine(output);
    },
    async accepts(commands) {
      return (await run(['--json', '--check', script(commands)])).ok;
    },
    async list(table) {
      const { ok, output } = await run(['--json', '--numeric-protocol', 'list', 'table', 'inet', table]);
      if (!ok) return null;
      const { nftables } = JSON.parse(output) as { readonly nftables: readonly NftObject[] };
      return nftables;
    },
  };
}

/** This process holds no secret, and the kernel's word (`Operation not supported`) is worth more than ours. */
function firstLine(complaint: string): string {
  const [line = ''] = complaint.split('\n');
  return line.replace(/[^\w .,:()-]/g, '').slice(0, 200);
}
