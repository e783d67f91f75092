// `outrider test`: PolicyTests against the policies beside them.

import { writeFileSync } from 'node:fs';
import { readArguments, readChoice } from '../arguments.ts';
import { loadFloors, loadResourceFiles } from '../resource-files.ts';
import { formats, report } from '../test-report.ts';
import { runPolicyTests, type Check } from '../test-run.ts';
import { UsageError } from '../usage-error.ts';

export const usage = `Usage: outrider test DIR... [--with DIR]... [--format readable|junit|tap] [--output FILE] [--allow-unreached]

Runs the PolicyTest files of directories: each case's request is decided by the policies beside them, as a sidecar
would. Resources that the cluster would refuse are refused first.

  --with DIR          adds resources of the cluster, such as its floors, whose rules need not be reached.
  --format FORMAT     readable, junit or tap.
  --output FILE       writes the report there, and a readable one to standard output.
  --allow-unreached   does not fail for rules that no case reaches.

Exit codes: 0 all is as expected, 1 something is not, 2 a mistake in the command line or a file.
`;

export async function main(args: readonly string[]): Promise<number> {
  const { values, positionals } = readArguments(
    args,
    {
      with: { type: 'string', multiple: true },
      format: { type: 'string' },
      output: { type: 'string' },
      'allow-unreached': { type: 'boolean' },
    },
    usage,
  );
  if (positionals.length === 0) throw new UsageError(`the directory is missing\n\n${usage}`);
  const format = readChoice('format', values.format, formats);
  const tested = loadResourceFiles(positionals);
  const floors = loadFloors(values.with ?? [], [tested]);
  if (tested.tests.length === 0)
    throw new UsageError(`${positionals.join(', ')} holds no file of kind: PolicyTest`);
  const checks = runPolicyTests(tested, floors).map((check) =>
    values['allow-unreached'] === true ? excuse(check) : check,
  );
  if (values.output !== undefined) writeFileSync(values.output, report(checks, format));
  process.stdout.write(report(checks, values.output === undefined ? format : 'readable'));
  return checks.some(({ status }) => status === 'failed') ? 1 : 0;
}

function excuse(check: Check): Check {
  const isUnreached = check.status === 'failed' && check.details[0]?.[0] === 'unreached';
  return isUnreached ? { ...check, status: 'skipped' } : check;
}
