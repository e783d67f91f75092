// Each line of the page about clients names the tests that try it, so each of those has to be there; and each client that is
// tried has to be on the page.

import assert from 'node:assert/strict';
import { existsSync, globSync, readFileSync } from 'node:fs';
import { dirname, join, relative } from 'node:path';
import { describe, it } from 'node:test';

const root = join(import.meta.dirname, '..', '..');
const path = join(root, 'docs/clients.md');
const page = readFileSync(path, 'utf8');

interface Line {
  readonly what: string;
  readonly tests: readonly { readonly file: string; readonly title: string }[];
}

const lines: readonly Line[] = page
  .split('\n')
  .filter((line) => line.startsWith('| ') && !/^\| (?:clients?|-+) +\|/.test(line))
  .map((line) => {
    const cells = line
      .split('|')
      .slice(1, -1)
      .map((cell) => cell.trim());
    const tests = (cells.at(-1) ?? '').split('<br>').map((each) => {
      const [, target = '', title = ''] = /^\[[^\]]+\]\(([^)]+)\): (.+)$/.exec(each) ?? [];
      return { file: join(dirname(path), target), title };
    });
    return { what: cells[0] ?? '', tests };
  });

describe('what docs/clients.md says of clients', () => {
  it('is more than a few things', () => {
    assert.ok(lines.length >= 20, `${lines.length}`);
  });

  for (const { what, tests } of lines) {
    it(`is tried: ${what}`, () => {
      assert.ok(tests.length > 0);
      for (const { file, title } of tests) {
        const name = relative(root, file);
        assert.match(name, /^test\/.+\.ts$/);
        assert.ok(existsSync(file), `${name} is not there`);
        assert.ok(title !== '' && readFileSync(file, 'utf8').includes(title), `${name} has no “${title}”`);
      }
    });
  }

  for (const file of globSync('test/sidecar/clients/*.test.ts', { cwd: root })) {
    it(`leads to ${file}`, () => {
      assert.ok(page.includes(`](../${file})`));
    });
  }

  it('links to pages and headings that there are', () => {
    for (const [, link = ''] of page.matchAll(/\]\(([^)]+)\)/g)) {
      const [target = '', anchor] = link.split('#');
      const file = target === '' ? path : join(dirname(path), target);
      assert.ok(existsSync(file), link);
      if (anchor === undefined) continue;
      const headings = [...readFileSync(file, 'utf8').matchAll(/^#+ (.+)$/gm)].map(([, text = '']) =>
        text.toLowerCase().replaceAll(' ', '-'),
      );
      assert.ok(headings.includes(anchor), link);
    }
  });
});
