// Arguments of `outrider run`.

import { isIP } from 'node:net';
import { readArguments } from '../arguments.ts';
import { run } from '../run.ts';
import { UsageError } from '../usage-error.ts';

export const usage = `Usage: outrider run -f DIR [--as NAMESPACE/SERVICEACCOUNT[,LABEL=VALUE...]] [--resolve HOST:ADDRESS]... -- COMMAND [ARG...]

Runs a command with Outrider as its proxy and prints each decision.

  -f DIR       resources to decide by: a directory of YAML files, or one file.
               Files of secrets are read below DIR/secrets; tokens for a Vault as DIR/tokens/store.NAME.
  --as WHO     the agent that the command is taken for; needed when a policy selects agents.
  --resolve    gives a host's address, instead of asking DNS.

The command's exit code is passed on.
`;

export async function main(args: readonly string[]): Promise<number> {
  const split = args.indexOf('--');
  const own = split < 0 ? args : args.slice(0, split);
  const [file, ...fileArgs] = split < 0 ? [] : args.slice(split + 1);
  const { values } = readArguments(
    own,
    {
      file: { type: 'string', short: 'f' },
      as: { type: 'string' },
      resolve: { type: 'string', multiple: true },
    },
    usage,
  );
  if (values.file === undefined)
    throw new UsageError(`-f is missing: name the directory of resources\n\n${usage}`);
  if (file === undefined) throw new UsageError(`the command is missing: write it after --\n\n${usage}`);
  return run({
    path: values.file,
    as: values.as ?? null,
    resolve: Object.fromEntries((values.resolve ?? []).map(parseResolve)),
    command: [file, ...fileArgs],
  });
}

function parseResolve(text: string): [host: string, address: string] {
  const [, host = '', address = ''] = /^([^:]+):(.+)$/.exec(text) ?? [];
  if (isIP(address) === 0)
    throw new UsageError(`--resolve ${text}: write HOST:ADDRESS, such as api.example.com:127.0.0.1`);
  return [host.toLowerCase(), address];
}
