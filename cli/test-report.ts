// Results of `outrider test`, for people and for CI systems.

import { stringify } from 'yaml';
import { printable } from './printable.ts';
import type { Check } from './test-run.ts';

export const formats = ['readable', 'junit', 'tap'] as const;
export type ReportFormat = (typeof formats)[number];

export function report(checks: readonly Check[], format: ReportFormat): string {
  if (format === 'junit') return junit(checks);
  return format === 'tap' ? tap(checks) : readable(checks);
}

const marks = { passed: '✔', failed: '✖', skipped: '-' } as const;

function readable(checks: readonly Check[]): string {
  const lines = bySuite(checks).flatMap(([suite, members]) => {
    // Good news about rules is no news.
    const isQuiet = (check: Check): boolean => check.status === 'passed' && !suite.startsWith('PolicyTest');
    const shown = members.filter((check) => !isQuiet(check));
    return shown.length === 0 ? [] : [suite, ...shown.flatMap(readableCheck), ''];
  });
  return `${[...lines, summary(checks)].join('\n')}\n`;
}

function readableCheck({ name, place, status, details }: Check): string[] {
  const where = status === 'passed' ? [] : [`      at        ${place.file}:${place.line}`];
  return [
    `  ${marks[status]} ${printable(name)}`,
    ...details.map(([label, text]) => `      ${label.padEnd(9)} ${printable(text)}`),
    ...where,
  ];
}

export function summary(checks: readonly Check[]): string {
  const count = (status: Check['status']): number => checks.filter((check) => check.status === status).length;
  const [cases, rules] = [
    checks.filter(({ suite }) => suite.startsWith('PolicyTest')).length,
    checks.filter(({ suite }) => suite.startsWith('rules')).length,
  ];
  const skipped = count('skipped') === 0 ? '' : `, ${count('skipped')} skipped`;
  return `${cases} cases, ${rules} rules: ${count('passed')} good, ${count('failed')} failed${skipped}`;
}

function bySuite(checks: readonly Check[]): [suite: string, members: Check[]][] {
  return [...Map.groupBy(checks, ({ suite }) => suite)];
}

function detailText({ details, place }: Check): string {
  const lines = details.map(([label, text]) => printable(`${label}: ${text}`));
  return [...lines, `at ${place.file}:${place.line}`].join('\n');
}

/** The dialect that GitHub, GitLab and Jenkins read. */
function junit(checks: readonly Check[]): string {
  const counts = (members: readonly Check[]): string => {
    const count = (status: Check['status']): number =>
      members.filter((check) => check.status === status).length;
    return `tests="${members.length}" failures="${count('failed')}" errors="0" skipped="${count('skipped')}"`;
  };
  const suites = bySuite(checks).map(([suite, members]) => {
    const cases = members.map((check) => {
      const { name, place, status, details } = check;
      const open = `    <testcase classname="${xml(suite)}" name="${xml(name)}" file="${xml(place.file)}" line="${place.line}"`;
      const first = xml(details.map(([label, text]) => `${label} ${text}`).join('; '));
      if (status === 'passed') return `${open}/>`;
      if (status === 'skipped') return `${open}><skipped message="${first}"/></testcase>`;
      return `${open}><failure message="${first}">${xml(detailText(check)).replaceAll('&#10;', '\n')}</failure></testcase>`;
    });
    return [`  <testsuite name="${xml(suite)}" ${counts(members)}>`, ...cases, '  </testsuite>'].join('\n');
  });
  const head = `<?xml version="1.0" encoding="UTF-8"?>\n<testsuites name="outrider test" ${counts(checks)}>`;
  return `${[head, ...suites, '</testsuites>'].join('\n')}\n`;
}

/** XML 1.0 has no way to write most control characters, nor half of a surrogate pair. */
function xml(text: string): string {
  return text
    .toWellFormed()
    .replaceAll(/[^\t\n\r -\ud7ff\ue000-\ufffd\u{10000}-\u{10ffff}]/gu, '\ufffd')
    .replaceAll('&', '&amp;')
    .replaceAll('<', '&lt;')
    .replaceAll('>', '&gt;')
    .replaceAll('"', '&quot;')
    .replaceAll('\n', '&#10;');
}

/** TAP 14 (https://testanything.org/tap-version-14-specification.html). */
function tap(checks: readonly Check[]): string {
  const lines = checks.flatMap((check, index) => {
    const { suite, name, place, status, details } = check;
    const result = status === 'failed' ? 'not ok' : 'ok';
    const directive = status === 'skipped' ? ` # SKIP ${details[0]?.[1] ?? ''}` : '';
    // `#` would start a directive.
    const title = `${suite}: ${name}`.replaceAll(/\s+/g, ' ').replaceAll('\\', '\\\\').replaceAll('#', '\\#');
    const line = `${result} ${index + 1} - ${title}${directive}`;
    if (status !== 'failed') return [line];
    const block = stringify(
      {
        ...Object.fromEntries(details.map(([label, text]) => [label, printable(text)])),
        at: `${place.file}:${place.line}`,
      },
      { lineWidth: 0 },
    );
    return [
      line,
      '  ---',
      ...block
        .trimEnd()
        .split('\n')
        .map((each) => `  ${each}`),
      '  ...',
    ];
  });
  return `${['TAP version 14', `1..${checks.length}`, ...lines].join('\n')}\n`;
}
