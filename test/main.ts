// Runs every test: first those that need no cluster or a control plane of their own, side by side; then those
// that take the whole node, one file after the other. Named files or folders run alone.
// Run: npm test, or node test/main.ts test/policy

import { spawn } from 'node:child_process';
import { globSync, statSync } from 'node:fs';

const root = new URL('..', import.meta.url).pathname;

/** They take the node's one lock, so running them side by side would only wait. */
const wholeNode = /^test\/(?:e2e|cluster\/node)/;

function testFiles(named: readonly string[]): string[] {
  const patterns = named.length === 0 ? ['test'] : named;
  return patterns
    .flatMap((path) => {
      const isFolder = statSync(path, { throwIfNoEntry: false })?.isDirectory() === true;
      return isFolder ? globSync(`${path.replace(/\/$/, '')}/**/*.test.ts`, { cwd: root }) : [path];
    })
    .toSorted();
}

/** @returns the runner's exit code. */
async function run(files: readonly string[], concurrency: number): Promise<number> {
  if (files.length === 0) return 0;
  const started = Date.now();
  const flags = [
    '--test',
    `--test-concurrency=${concurrency}`,
    '--test-reporter=spec',
    '--test-timeout=900000',
  ];
  const runner = spawn(process.execPath, [...flags, ...files], { cwd: root, stdio: 'inherit' });
  const { promise, resolve, reject } = Promise.withResolvers<number>();
  runner.on('error', reject);
  runner.on('exit', (code) => resolve(code ?? 1));
  const code = await promise;
  console.error(`${files.length} test files in ${Math.round((Date.now() - started) / 1000)} s`);
  return code;
}

process.chdir(root);
const files = testFiles(process.argv.slice(2));
const first = await run(
  files.filter((file) => !wholeNode.test(file)),
  2,
);
const second = await run(
  files.filter((file) => wholeNode.test(file)),
  1,
);
process.exitCode = first || second;
