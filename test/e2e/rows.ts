// What kubectl shows a person: rows of `kubectl get`, and warnings.

import { execFile } from 'node:child_process';
import { join } from 'node:path';
import { promisify } from 'node:util';
import { waitFor } from '../cluster/deadline.ts';
import type { ClusterNode } from '../cluster/node.ts';

const run = promisify(execFile);

/** Waits until `kubectl get KIND NAME -o wide` shows the wanted columns. */
export async function untilRow(
  node: ClusterNode,
  resource: string,
  wanted: Readonly<Record<string, string | RegExp>>,
): Promise<void> {
  let row: Record<string, string> = {};
  const what = `${resource} with ${Object.entries(wanted).join(' ')}`;
  await waitFor({ what, timeoutMs: 30_000, evidence: () => JSON.stringify(row, null, 1) }, async () => {
    row = readRow(await node.kubectl(['get', '-n', 'research', '-o', 'wide', ...resource.split('/')]));
    return Object.entries(wanted).every(([column, value]) => {
      const cell = row[column.toUpperCase()] ?? '';
      return typeof value === 'string' ? cell === value : value.test(cell);
    });
  });
}

/** Columns start where their heading starts. */
function readRow(table: string): Record<string, string> {
  const [heading = '', row = ''] = table.split('\n');
  const columns = [...heading.matchAll(/\S+/g)].map((match) => ({ name: match[0], start: match.index }));
  return Object.fromEntries(
    columns.map(({ name, start }, index) => [name, row.slice(start, columns[index + 1]?.start).trim()]),
  );
}

/** What kubectl says besides its answer. */
export async function warningOf(node: ClusterNode, args: readonly string[]): Promise<string> {
  const kubectl = join(node.binFolder, 'kubectl');
  const { stderr } = await run(kubectl, ['--kubeconfig', node.kubeconfig, ...args], { timeout: 30_000 });
  return stderr;
}
