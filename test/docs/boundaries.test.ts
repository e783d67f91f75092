// Every promise on the page about boundaries names the test that tries it, so each of those has to be there.

import assert from 'node:assert/strict';
import { existsSync, readFileSync } from 'node:fs';
import { dirname, join, relative } from 'node:path';
import { describe, it } from 'node:test';

const root = join(import.meta.dirname, '..', '..');
const page = join(root, 'docs/security/boundaries.md');

interface Promised {
  readonly promise: string;
  readonly tests: readonly { readonly file: string; readonly title: string }[];
}

/** Rows of the tables whose heading is "promise". */
function readPromises(text: string): readonly Promised[] {
  const tables = text.split(/\n\n+/).filter((block) => /^\| promise +\|/.test(block));
  return tables.flatMap((table) =>
    table
      .trim()
      .split('\n')
      .slice(2)
      .map((row) => {
        const [promise = '', named = ''] = row.split('|').slice(1, -1);
        const tests = named.split('<br>').map((each) => {
          const [, target = '', title = ''] = /\]\(([^)]+)\)(?:: (.*))?$/.exec(each.trim()) ?? [];
          return { file: join(dirname(page), target), title: title.trim() };
        });
        return { promise: promise.trim(), tests };
      }),
  );
}

const promises = readPromises(readFileSync(page, 'utf8'));

describe('what the page about boundaries promises', () => {
  it('is more than a few things', () => {
    assert.ok(promises.length >= 15, `${promises.length}`);
  });

  for (const { promise, tests } of promises) {
    it(`is tried: ${promise}`, () => {
      assert.ok(tests.length > 0);
      for (const { file, title } of tests) {
        assert.match(relative(root, file), /^test\/.+\.test\.ts$/);
        assert.ok(existsSync(file), `${relative(root, file)} is not there`);
        assert.ok(
          readFileSync(file, 'utf8').includes(title),
          `${relative(root, file)} has no test with "${title}"`,
        );
      }
    });
  }
});
