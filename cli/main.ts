#!/usr/bin/env node
// The outrider command.

import { isIP } from 'node:net';
import { parseArgs } from 'node:util';
import type { RunOptions } from './run.ts';
import { UsageError } from './usage-error.ts';

const usage = `Usage: outrider run -f DIR [--as NAMESPACE/SERVICEACCOUNT[,LABEL=VALUE...]] [--resolve HOST:ADDRESS]... -- COMMAND [ARG...]

Runs a command with Outrider as its proxy and prints each decision.

  -f DIR       resources to decide by: a directory of YAML files, or one file.
               Files of secrets are read below DIR/secrets; tokens for a Vault as DIR/tokens/store.NAME.
  --as WHO     the agent that the command is taken for; needed when a policy selects agents.
  --resolve    gives a host's address, instead of asking DNS.
`;

async function main(argv: readonly string[]): Promise<number> {
  const [command, ...rest] = argv;
  if (command === undefined || command === 'help' || command === '--help' || command === '-h') {
    process.stdout.write(usage);
    return command === undefined ? 2 : 0;
  }
  if (command !== 'run') throw new UsageError(`${command} is no command of outrider\n\n${usage}`);
  const options = runOptions(rest);
  if (options === null) {
    process.stdout.write(usage);
    return 0;
  }
  // Loaded when needed, so that the help does not wait for the proxy.
  const { run } = await import('./run.ts');
  return run(options);
}

function runOptions(args: readonly string[]): RunOptions | null {
  const split = args.indexOf('--');
  const own = split < 0 ? [...args] : args.slice(0, split);
  const [file, ...fileArgs] = split < 0 ? [] : args.slice(split + 1);
  const { values } = parseOwn(own);
  if (values.help === true) return null;
  if (values.file === undefined)
    throw new UsageError(`-f is missing: name the directory of resources\n\n${usage}`);
  if (file === undefined) throw new UsageError(`the command is missing: write it after --\n\n${usage}`);
  return {
    path: values.file,
    as: values.as ?? null,
    resolve: Object.fromEntries((values.resolve ?? []).map(parseResolve)),
    command: [file, ...fileArgs],
  };
}

function parseOwn(args: string[]) {
  try {
    return parseArgs({
      args,
      options: {
        file: { type: 'string', short: 'f' },
        as: { type: 'string' },
        resolve: { type: 'string', multiple: true },
        help: { type: 'boolean', short: 'h' },
      },
    });
  } catch (error) {
    throw new UsageError(`${(error as Error).message}\n\n${usage}`);
  }
}

function parseResolve(text: string): [host: string, address: string] {
  const [, host = '', address = ''] = /^([^:]+):(.+)$/.exec(text) ?? [];
  if (isIP(address) === 0)
    throw new UsageError(`--resolve ${text}: write HOST:ADDRESS, such as api.example.com:127.0.0.1`);
  return [host.toLowerCase(), address];
}

try {
  process.exitCode = await main(process.argv.slice(2));
} catch (error) {
  if (!(error instanceof UsageError)) throw error;
  process.stderr.write(`outrider: ${error.message.trimEnd()}\n`);
  process.exitCode = 2;
}
