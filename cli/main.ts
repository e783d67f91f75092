#!/usr/bin/env node
// The outrider command.

import { UsageError } from './usage-error.ts';

interface Command {
  readonly usage: string;
  /** @returns the exit code. */
  readonly main: (args: readonly string[]) => Promise<number>;
}

/** Each is loaded when it is asked for, so that the help does not wait for a proxy. */
const commands: Readonly<Record<string, readonly [summary: string, load: () => Promise<Command>]>> = {
  run: ['runs a command with Outrider as its proxy', () => import('./commands/run.ts')],
  test: ['runs the PolicyTests of a directory', () => import('./commands/test.ts')],
  explain: [
    'says what becomes of one request, and what every rule has to do with it',
    () => import('./commands/explain.ts'),
  ],
  lint: ['says what is wrong with resources, or never takes effect', () => import('./commands/lint.ts')],
  diff: ['says which requests a change of policies decides differently', () => import('./commands/diff.ts')],
  fmt: ['writes resource files in their one canonical form', () => import('./commands/fmt.ts')],
};

const usage = `Usage: outrider COMMAND [ARG...]

${Object.entries(commands)
  .map(([name, [summary]]) => `  ${name.padEnd(9)}${summary}`)
  .join('\n')}

outrider COMMAND --help says more. Exit codes: 0 good, 1 something was found, 2 a mistake in the
command line or a file, 3 a defect of outrider itself.
`;

async function main([name, ...args]: readonly string[]): Promise<number> {
  if (name === undefined || name === '--help' || name === '-h' || (name === 'help' && args.length === 0)) {
    process.stdout.write(usage);
    return name === undefined ? 2 : 0;
  }
  const wanted = name === 'help' ? (args[0] ?? '') : name;
  const [, load] = (Object.hasOwn(commands, wanted) ? commands[wanted] : undefined) ?? [];
  if (load === undefined) throw new UsageError(`${wanted} is no command of outrider\n\n${usage}`);
  const command = await load();
  const end = args.indexOf('--');
  const own = end < 0 ? args : args.slice(0, end);
  if (name === 'help' || own.includes('--help') || own.includes('-h')) {
    process.stdout.write(command.usage);
    return 0;
  }
  return command.main(args);
}

try {
  process.exitCode = await main(process.argv.slice(2));
} catch (error) {
  // Not 1, which says that something was found.
  process.exitCode = error instanceof UsageError ? 2 : 3;
  const text = error instanceof UsageError ? error.message : ((error as Error).stack ?? String(error));
  process.stderr.write(`outrider: ${text.trimEnd()}\n`);
}
