import assert from 'node:assert/strict';
import { existsSync, readFileSync } from 'node:fs';
import { it } from 'node:test';

const root = new URL('../../', import.meta.url);
const page = readFileSync(new URL('docs/limits.md', root), 'utf8');
const rows = page
  .split('\n')
  .filter((line) => line.startsWith('| ') && !/^\| (?:what|---)/.test(line))
  .map((line) =>
    line
      .split('|')
      .slice(1, -1)
      .map((cell) => cell.trim()),
  );

it('docs/limits.md names a test for each limit, and each is there', () => {
  assert.ok(rows.length >= 20);
  for (const [what = '', , , proof = ''] of rows) {
    // Minutes of silence, which Node's own timers end: no test waits so long.
    if (proof === 'none') continue;
    const [, file = '', title = ''] = /^(\S+\.ts): (.+)$/.exec(proof) ?? [];
    assert.ok(existsSync(new URL(file, root)), `${what}: ${file}`);
    assert.ok(readFileSync(new URL(file, root), 'utf8').includes(title), `${what}: ${title}`);
  }
});
