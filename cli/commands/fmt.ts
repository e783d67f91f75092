// `outrider fmt`: resource files in their one canonical form.

import { readFileSync, realpathSync, renameSync, statSync, writeFileSync } from 'node:fs';
import { readArguments } from '../arguments.ts';
import { listFiles } from '../source-files.ts';
import { UsageError } from '../usage-error.ts';
import { formatYaml, FormatProblem } from '../yaml-format.ts';

export const usage = `Usage: outrider fmt PATH... [--check]

Writes the YAML files of directories in their canonical form: keys in one order, quotes only where they are needed,
comments where they were. It never changes what a file means, and leaves files alone that hold nothing of Outrider's.

  --check   changes nothing, and names the files that it would change.

Exit codes: 0 all files are (now) canonical, 1 --check found some that are not, 2 a file is no YAML.
`;

export async function main(args: readonly string[]): Promise<number> {
  const { values, positionals } = readArguments(args, { check: { type: 'boolean' } }, usage);
  if (positionals.length === 0) throw new UsageError(`the directory is missing\n\n${usage}`);
  const files = positionals.flatMap(listFiles).filter((file) => !file.endsWith('.json'));
  const changed = files.flatMap((file) => {
    const text = readFileSync(file, 'utf8');
    const formatted = formatFile(file, text);
    return formatted === text ? [] : [{ file, formatted }];
  });
  for (const { file, formatted } of changed) {
    if (values.check !== true) replaceFile(file, formatted);
    process.stdout.write(values.check === true ? `${file} is not in its canonical form\n` : `${file}\n`);
  }
  if (values.check === true && changed.length > 0) {
    process.stdout.write(`run outrider fmt ${positionals.join(' ')}\n`);
    return 1;
  }
  return 0;
}

function formatFile(file: string, text: string): string {
  try {
    return formatYaml(text);
  } catch (error) {
    if (error instanceof FormatProblem) throw new UsageError(`${file}: ${error.message}`);
    throw error;
  }
}

/** Whole or not at all. */
function replaceFile(file: string, content: string): void {
  const target = realpathSync(file);
  const beside = `${target}.${process.pid}.tmp`;
  writeFileSync(beside, content, { mode: statSync(target).mode });
  renameSync(beside, target);
}
