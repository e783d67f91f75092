// `outrider diff`: what a change of policies does to requests.

import { readArguments, readChoice } from '../arguments.ts';
import { parseAgent } from '../local-agent.ts';
import { comparePolicies, type DiffResult } from '../policy-diff.ts';
import { printable } from '../printable.ts';
import { loadRecording, type Recording } from '../recorded-requests.ts';
import { loadFloors, loadResourceFiles } from '../resource-files.ts';
import { UsageError } from '../usage-error.ts';

export const usage = `Usage: outrider diff OLD NEW [--with DIR]... [--requests FILE]... [--as NAMESPACE/SERVICEACCOUNT[,LABEL=VALUE...]]
                     [--output readable|json]

Says which requests are decided differently by the resources of the directory NEW than by those of OLD: the cases of
PolicyTests of either, and recorded ones. What the cases expect does not matter here.

  --with DIR        adds resources of the cluster, such as its floors, to both.
  --requests FILE   decision lines of sidecars; may be repeated, - is standard input. A line holds no query, header
                    or body: it is taken as without query and headers, and what a body decides is only counted.
  --as WHO          the agent that was recorded; needed when a policy selects agents.
  --output FORMAT   readable or json.

Exit codes: 0 every request is decided as before, 1 some are not, 2 a mistake in the command line or a file.
`;

export async function main(args: readonly string[]): Promise<number> {
  const { values, positionals } = readArguments(
    args,
    {
      with: { type: 'string', multiple: true },
      requests: { type: 'string', multiple: true },
      as: { type: 'string' },
      output: { type: 'string' },
    },
    usage,
  );
  const [old, now, ...rest] = positionals;
  if (old === undefined || now === undefined || rest.length > 0)
    throw new UsageError(`write two directories, OLD and NEW\n\n${usage}`);
  const output = readChoice('output', values.output, ['readable', 'json']);
  const sides = [old, now].map((path) => {
    const files = loadResourceFiles([path]);
    return { files, floors: loadFloors(values.with ?? [], [files]) };
  });
  const [before, after] = sides;
  if (before === undefined || after === undefined) throw new Error('two sides were read');
  const recording = values.requests === undefined ? null : loadRecording(values.requests);
  const resources = sides.flatMap(({ files, floors }) => [...files.found, ...floors.found]);
  const agent =
    recording === null
      ? null
      : parseAgent(
          values.as ?? null,
          resources.map(({ resource }) => resource),
        );
  const result = comparePolicies(before, after, recording?.requests ?? [], agent);
  process.stdout.write(output === 'json' ? json(result, recording) : readable(result, recording));
  return result.differences.length > 0 ? 1 : 0;
}

function json({ compared, differences, undecided }: DiffResult, recording: Recording | null): string {
  const skipped = recording?.skipped ?? 0;
  return `${JSON.stringify({ compared, differences, undecided, skipped }, null, 2)}\n`;
}

function readable({ compared, differences, undecided }: DiffResult, recording: Recording | null): string {
  const blocks = differences.map(({ source, agent, request, before, after }) =>
    [source, `  ${agent}  ${request}`, `  - ${before.text}`, `  + ${after.text}`, '']
      .map(printable)
      .join('\n'),
  );
  const notes = [
    `${compared} requests: ${differences.length} are decided differently`,
    ...(undecided.length === 0
      ? []
      : [
          `${undecided.length} recorded requests are decided by a body, which decision lines do not hold; write them as PolicyTest cases:`,
          ...undecided.map((request) => printable(`  ${request}`)),
        ]),
    ...(recording === null || recording.skipped === 0
      ? []
      : [`${recording.skipped} lines are of requests that no rule was asked about, or are cut`]),
    ...(recording === null
      ? []
      : ['recorded requests are taken as without query and headers, which decision lines do not hold']),
  ];
  return `${[...blocks, ''].join('\n')}${notes.join('\n')}\n`;
}
