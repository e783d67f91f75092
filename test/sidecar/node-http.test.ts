import assert from 'node:assert/strict';
import { execFileSync } from 'node:child_process';
import { globSync, readFileSync } from 'node:fs';
import { join, resolve } from 'node:path';
import { test } from 'node:test';

const root = resolve(import.meta.dirname, '../..');

test('no file of the sidecar imports node:http but for its types, which would load a second undici', () => {
  const importers = globSync('{policy,sidecar}/**/*.ts', { cwd: root }).filter((file) =>
    /^import (?!type )[^;]*'(?:node:)?http';/m.test(readFileSync(join(root, file), 'utf8')),
  );
  assert.deepEqual(importers, []);
});

test('what the sidecar loads at start does not load the undici inside Node', () => {
  const script = `await import(${JSON.stringify(join(root, 'sidecar/sidecar.ts'))});
    console.log(process.moduleLoadList.filter((name) => name.includes('deps/undici')).length);`;
  const printed = execFileSync(process.execPath, ['--input-type=module', '--eval', script], {
    encoding: 'utf8',
  });
  assert.equal(printed.trim(), '0');
});
