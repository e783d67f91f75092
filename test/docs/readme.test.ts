// The README shows what the two commands print and what the story proves; it must not drift from either.

import assert from 'node:assert/strict';
import { spawnSync } from 'node:child_process';
import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { it } from 'node:test';

const root = join(import.meta.dirname, '..', '..');
const readme = readFileSync(join(root, 'README.md'), 'utf8');

function block(after: string, language = ''): string {
  const from = readme.indexOf(after);
  assert.ok(from >= 0, `the README has no “${after}”`);
  const start = readme.indexOf(`\`\`\`${language}\n`, from);
  return readme.slice(start + 4 + language.length, readme.indexOf('\n```', start));
}

/** Ports, trace ids and times differ from run to run. */
function timeless(output: string): string {
  return output
    .replaceAll(/\b127\.0\.0\.1:\d+|(?<=tracker\.example:)\d+/g, 'PORT')
    .replaceAll(/[0-9a-f]{32}/g, 'TRACE')
    .replaceAll(/\d+\.\d ms/g, 'N ms')
    .trim();
}

it('npm start prints what the README shows', () => {
  const quickstart = spawnSync('sh', ['-c', '"$0" examples/quickstart/main.ts 2>&1', process.execPath], {
    cwd: root,
    timeout: 60_000,
  });
  assert.equal(timeless(quickstart.stdout.toString()), timeless(block('## Try it')));
});

it("lists the titles of the story's subtests", () => {
  const story = readFileSync(join(root, 'test/e2e/story.test.ts'), 'utf8');
  const titles = [...story.matchAll(/^ {2}it\('([^']+)'/gm)].map(([, title]) => `- ${title}`);
  assert.ok(titles.length > 10);
  assert.ok(readme.includes(`\n${titles.join('\n')}\n`), titles.join('\n'));
});

it('the story is one that can be read: at most 200 lines', () => {
  assert.ok(readFileSync(join(root, 'test/e2e/story.test.ts'), 'utf8').split('\n').length <= 201);
});

it('shows the first policy as it stands in examples/', () => {
  const [credential, policy] = ['credential', 'policy'].map((name) =>
    readFileSync(join(root, `examples/first-policy/${name}.yaml`), 'utf8').trim(),
  );
  assert.equal(block('## The first policy', 'yaml'), `${credential}\n---\n${policy}`);
});

it('every file and folder that it links to exists', () => {
  for (const [, link = ''] of readme.matchAll(/\]\(([^)#:]+)\)/g)) readFileSyncOrFolder(join(root, link));
});

function readFileSyncOrFolder(path: string): void {
  assert.equal(spawnSync('test', ['-e', path]).status, 0, `${path} does not exist`);
}
