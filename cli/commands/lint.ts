// `outrider lint`: what is wrong with resources before the cluster sees them.

import { readArguments, readChoice } from '../arguments.ts';
import { findProblems, problemsAsFindings, type LocatedFinding } from '../findings.ts';
import { printable } from '../printable.ts';
import { loadFloors, readResourceFiles } from '../resource-files.ts';
import { UsageError } from '../usage-error.ts';

export const usage = `Usage: outrider lint DIR... [--with DIR]... [--format readable|json|github] [--strict]

Says what is wrong with the resources of directories: what the cluster would refuse, and what the status of a resource
would say there, such as a rule that can never match, is shadowed, or names a credential that does not exist.

  --with DIR        adds resources of the cluster that these refer to, such as destinations, stores and floors.
  --format FORMAT   readable, json, or github for annotations in a pull request.
  --strict          fails on every finding, not only on those that block.

Exit codes: 0 nothing blocks, 1 something does (with --strict: something was found), 2 a mistake in the command line.
`;

export async function main(args: readonly string[]): Promise<number> {
  const { values, positionals } = readArguments(
    args,
    {
      with: { type: 'string', multiple: true },
      format: { type: 'string' },
      strict: { type: 'boolean' },
    },
    usage,
  );
  if (positionals.length === 0) throw new UsageError(`the directory is missing\n\n${usage}`);
  const format = readChoice('format', values.format, ['readable', 'json', 'github']);
  const checked = readResourceFiles(positionals);
  const floors = loadFloors(values.with ?? [], [checked]);
  const findings = [...problemsAsFindings(checked), ...findProblems(checked, floors)];
  process.stdout.write(writers[format](findings));
  return findings.some(({ blocking }) => blocking || values.strict === true) ? 1 : 0;
}

type Writer = (findings: readonly LocatedFinding[]) => string;

const writers: { readonly [F in 'readable' | 'json' | 'github']: Writer } = {
  readable: (findings) => {
    const lines = findings.map(
      (finding) =>
        `${finding.place.file}:${finding.place.line}:${finding.place.column}: ${severity(finding)}: ${text(finding)}\n`,
    );
    const blocking = findings.filter((finding) => finding.blocking).length;
    const count = findings.length === 0 ? 'no findings' : `${findings.length} findings, ${blocking} block`;
    return `${lines.join('')}${count}\n`;
  },
  json: (findings) => {
    const list = findings.map((finding) => {
      const { place, object, field, reason, message, blocking } = finding;
      const { file, document, line, column } = place;
      return {
        file,
        document,
        line,
        column,
        object,
        field,
        reason,
        severity: severity(finding),
        blocking,
        message,
      };
    });
    return `${JSON.stringify({ findings: list }, null, 2)}\n`;
  },
  github: (findings) => findings.map(annotation).join(''),
};

function severity({ blocking, reason }: LocatedFinding): 'error' | 'warning' | 'notice' {
  if (blocking) return 'error';
  return reason === 'Advice' ? 'notice' : 'warning';
}

function text({ object, field, reason, message }: LocatedFinding): string {
  const about = [object, field].filter((part) => part !== null && part !== '').join(': ');
  return printable(`${reason}: ${about === '' ? '' : `${about} `}${message}`);
}

/** https://docs.github.com/en/actions/reference/workflows-and-actions/workflow-commands */
function annotation(finding: LocatedFinding): string {
  const { file, line, column } = finding.place;
  const data = (value: string): string =>
    value.replaceAll('%', '%25').replaceAll('\r', '%0D').replaceAll('\n', '%0A');
  const property = (value: string): string => data(value).replaceAll(':', '%3A').replaceAll(',', '%2C');
  return `::${severity(finding)} file=${property(file)},line=${line},col=${column},title=${property(`outrider ${finding.reason}`)}::${data(text(finding))}\n`;
}
