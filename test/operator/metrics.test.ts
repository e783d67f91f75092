import assert from 'node:assert/strict';
import { readFile } from 'node:fs/promises';
import { describe, it } from 'node:test';
import { createMetrics } from '../../operator/metrics.ts';

interface Described {
  readonly name: string;
  readonly help: string;
  readonly labelNames: readonly string[];
}

const metrics = Object.values(createMetrics()).filter(
  (each) => 'labelNames' in each,
) as unknown as Described[];

describe('the operator’s metrics', () => {
  it('are what docs/operator-metrics.md says, word for word', async () => {
    const lines = (await readFile('docs/operator-metrics.md', 'utf8')).split('\n');
    const rows = lines
      .filter((line) => line.startsWith('| `'))
      .map((line) => line.split('|').map((cell) => cell.trim()));
    assert.deepEqual(
      rows.map(([, name, , labels, help]) => [name, labels, help]),
      metrics.map(({ name, labelNames, help }) => [
        `\`${name}\``,
        labelNames.map((label) => `\`${label}\``).join(', '),
        help,
      ]),
    );
  });

  it('have no label that a tenant could fill', () => {
    const bounded = ['kind', 'code', 'outcome', 'reason', 'state'];
    for (const { name, labelNames } of metrics) {
      assert.deepEqual(
        labelNames.filter((label) => !bounded.includes(label)),
        [],
        name,
      );
    }
  });
});
