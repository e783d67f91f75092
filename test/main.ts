// Runs every test: most of them side by side, and meanwhile those that mostly wait; then the tests of the whole node and
// floods, one file after the other. Named files or folders run alone.
// Run: npm test, or node test/main.ts test/policy

import { spawn } from 'node:child_process';
import { globSync, statSync } from 'node:fs';

const root = new URL('..', import.meta.url).pathname;

/** They take the node's one lock, so running them side by side would only wait; or all of the machine, as floods do. */
const alone = /^test\/(?:e2e\/|cluster\/node\.|sidecar\/flood\/)/;
/** Leases that end, stores that are down and CAs that rotate: minutes of waiting that cost little CPU. */
const waiting =
  /^test\/(?:e2e\/resilience\.|sidecar\/credentials\/(?:chaos-|vault-(?:chaos|dynamic|app-role)\.))/;

function testFiles(named: readonly string[]): string[] {
  const patterns = named.length === 0 ? ['test'] : named;
  return patterns
    .flatMap((path) => {
      const isFolder = statSync(path, { throwIfNoEntry: false })?.isDirectory() === true;
      return isFolder ? globSync(`${path.replace(/\/$/, '')}/**/*.test.ts`, { cwd: root }) : [path];
    })
    .toSorted();
}

/**
 * @param output `late` shows it when the run has ended, so that two runs do not mix.
 * @returns the runner's exit code.
 */
async function run(
  files: readonly string[],
  concurrency: number,
  output: 'at once' | 'late' = 'at once',
): Promise<number> {
  if (files.length === 0) return 0;
  const started = Date.now();
  const flags = [
    '--test',
    `--test-concurrency=${concurrency}`,
    '--test-reporter=spec',
    '--test-timeout=900000',
  ];
  const stdio = output === 'late' ? (['ignore', 'pipe', 'pipe'] as const) : 'inherit';
  const runner = spawn(process.execPath, [...flags, ...files], { cwd: root, stdio: stdio as 'inherit' });
  const printed: Buffer[] = [];
  for (const stream of [runner.stdout, runner.stderr]) {
    (stream as NodeJS.ReadableStream | null)?.on('data', (chunk: Buffer) => printed.push(chunk));
  }
  const { promise, resolve, reject } = Promise.withResolvers<number>();
  runner.on('error', reject);
  runner.on('close', (code) => resolve(code ?? 1));
  const code = await promise;
  process.stdout.write(Buffer.concat(printed));
  process.stdout.write(`${files.length} test files in ${Math.round((Date.now() - started) / 1000)} s\n`);
  return code;
}

process.chdir(root);
const files = testFiles(process.argv.slice(2));
const background = run(
  files.filter((file) => waiting.test(file)),
  2,
  'late',
);
const codes = [
  await run(
    files.filter((file) => !alone.test(file) && !waiting.test(file)),
    2,
  ),
  await background,
  await run(
    files.filter((file) => alone.test(file) && !waiting.test(file)),
    1,
  ),
];
process.exitCode = codes.find((code) => code !== 0) ?? 0;
