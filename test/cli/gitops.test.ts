// examples/gitops: the very commands of its workflow, and that Argo CD never comes across a PolicyTest.

import assert from 'node:assert/strict';
import { cpSync, existsSync, globSync, mkdirSync, readFileSync, writeFileSync } from 'node:fs';
import { dirname, join, matchesGlob, relative } from 'node:path';
import { after, before, describe, it } from 'node:test';
import { parse, parseAllDocuments } from 'yaml';
import { createCommandLine, execute, root, type Result } from './command-line.ts';

const example = join(root, 'examples', 'gitops');
const { folder, remove } = createCommandLine();
after(remove);

interface Workflow {
  readonly on: unknown;
  readonly permissions: unknown;
  readonly env: Readonly<Record<string, string>>;
  readonly defaults: { readonly run: { readonly shell: string } };
  readonly jobs: Readonly<Record<string, { readonly steps: readonly Step[] }>>;
}
interface Step {
  readonly name?: string;
  readonly run?: string;
}

const workflow = parse(readFileSync(join(example, '.github/workflows/policies.yaml'), 'utf8')) as Workflow;
const repository = join(folder, 'repository');
const bin = join(folder, 'bin');
let base: string;

async function git(...args: string[]): Promise<string> {
  const identity = ['-c', 'user.name=t', '-c', 'user.email=t@example.com', '-c', 'commit.gpgsign=false'];
  const { code, stdout, stderr } = await execute('git', [...identity, ...args], repository);
  assert.equal(code, 0, stderr);
  return stdout.trim();
}

before(async () => {
  cpSync(example, repository, { recursive: true });
  await git('init', '--quiet', '--initial-branch=main');
  await git('add', '--all');
  await git('commit', '--quiet', '--message=base');
  base = await git('rev-parse', 'HEAD');
  // As npx would, but the command of this checkout.
  mkdirSync(bin);
  const npx = `#!/bin/sh\n[ "$1 $2" = "--yes $OUTRIDER" ] || exit 99\nshift 2\nexec "${process.execPath}" "${join(root, 'cli/main.ts')}" "$@"\n`;
  writeFileSync(join(bin, 'npx'), npx, { mode: 0o755 });
});

/** Runs the commands of one job as the runner does, and ends at the first that fails. */
async function runJob(name: string): Promise<Result & { readonly last: string; readonly summary: string }> {
  const temporary = join(folder, `runner-${name}`);
  mkdirSync(temporary, { recursive: true });
  await execute('git', ['worktree', 'prune'], repository);
  const summaryFile = join(temporary, 'summary.md');
  writeFileSync(summaryFile, '');
  const env = {
    PATH: `${bin}:${process.env.PATH}`,
    HOME: temporary,
    RUNNER_TEMP: temporary,
    GITHUB_STEP_SUMMARY: summaryFile,
    BASE: base,
    ...workflow.env,
  };
  let result: Result = { code: -1, stdout: '', stderr: '' };
  let last = '';
  for (const { run, name: title = '' } of workflow.jobs[name]?.steps ?? []) {
    if (run === undefined) continue;
    const { shell } = workflow.defaults.run;
    result = await execute(shell, ['--noprofile', '--norc', '-eo', 'pipefail', '-c', run], repository, env);
    last = title;
    if (result.code !== 0) break;
  }
  if (existsSync(join(temporary, 'base')))
    await git('worktree', 'remove', '--force', join(temporary, 'base'));
  return { ...result, last, summary: readFileSync(summaryFile, 'utf8') };
}

describe('the workflow of examples/gitops', () => {
  it('runs with a token that can only read, and not with the rights of the base branch', () => {
    assert.deepEqual(workflow.permissions, { contents: 'read' });
    assert.equal(workflow.on, 'pull_request');
    assert.doesNotMatch(JSON.stringify(workflow), /secrets\.|pull_request_target/);
  });

  it('passes on the repository as it is', async () => {
    const policies = await runJob('policies');
    assert.equal(policies.code, 0, policies.stdout + policies.stderr);
    assert.match(readFileSync(join(folder, 'runner-policies', 'policy-tests.xml'), 'utf8'), /failures="0"/);
    const outcomes = await runJob('outcomes');
    assert.equal(outcomes.code, 0, outcomes.stdout + outcomes.stderr);
    assert.match(outcomes.summary, /21 requests: 0 are decided differently/);
  });

  it('fails for a policy that a pull request widens, in test and in diff', async () => {
    const file = join(repository, 'teams/research/policies/github.yaml');
    const text = readFileSync(file, 'utf8');
    try {
      writeFileSync(
        file,
        text.replace('paths: [/repos/acme/*/issues, /repos/acme/*/issues/**]', 'paths: [/repos/**]'),
      );
      const policies = await runJob('policies');
      assert.equal(policies.code, 1);
      assert.equal(policies.last, 'Every request is decided as its case expects');
      assert.match(
        policies.stdout,
        /✖ does not read code\n +expected {2}Deny no_grant\n +got {7}Allow by github\/read with the credential github/,
      );
      const outcomes = await runJob('outcomes');
      assert.equal(outcomes.code, 1);
      assert.match(
        outcomes.summary,
        /PolicyTest research\/github: does not read code\n {2}research\/triage {2}GET https:\/\/api\.github\.com\/repos\/acme\/docs\/contents\/README\.md\n {2}- Deny no_grant\n {2}\+ Allow by github\/read with the credential github/,
      );
    } finally {
      writeFileSync(file, text);
    }
  });

  it('fails in diff when a pull request changes a policy and its test together', async () => {
    const policy = join(repository, 'teams/support/policies/refunds.yaml');
    const tests = join(repository, 'teams/support/tests/refunds.yaml');
    const [before, beforeTests] = [readFileSync(policy, 'utf8'), readFileSync(tests, 'utf8')];
    try {
      writeFileSync(policy, before.replace('max: 5000,', 'max: 50000,'));
      writeFileSync(
        tests,
        beforeTests
          .replace('asks for 50.01', 'refunds 50.01')
          .replace('expect: { action: Hold, rule: refunds/refund }', 'expect: { action: Allow }'),
      );
      const policies = await runJob('policies');
      assert.equal(policies.code, 0, policies.stdout + policies.stderr);
      const outcomes = await runJob('outcomes');
      assert.equal(outcomes.code, 1);
      assert.match(
        outcomes.summary,
        /asks for 50\.01\n.*\n {2}- Hold by refunds\/refund .*\n {2}\+ Allow by refunds\/refund/,
      );
    } finally {
      writeFileSync(policy, before);
      writeFileSync(tests, beforeTests);
    }
  });
});

interface Application {
  readonly kind: string;
  readonly spec: {
    readonly source: {
      readonly path: string;
      readonly directory?: { readonly recurse?: boolean; readonly exclude?: string };
    };
  };
}

/** Files that Argo CD would read for an Application: what a kustomization lists, or a directory's manifests. */
function filesOf({ spec: { source } }: Application): string[] {
  const path = join(example, source.path);
  if (existsSync(join(path, 'kustomization.yaml'))) return kustomized(path);
  const { recurse = false, exclude } = source.directory ?? {};
  return globSync(recurse ? '**/*.{yaml,yml,json}' : '*.{yaml,yml,json}', { cwd: path })
    .filter((file) => exclude === undefined || !matchesGlob(file, exclude))
    .map((file) => join(path, file));
}

function kustomized(path: string): string[] {
  const { resources } = parse(readFileSync(join(path, 'kustomization.yaml'), 'utf8')) as {
    resources: string[];
  };
  return resources.flatMap((each) => {
    const file = join(path, each);
    return each.endsWith('.yaml') ? [file] : kustomized(file);
  });
}

function kindsIn(file: string): string[] {
  return parseAllDocuments(readFileSync(file, 'utf8')).map((document) => String(document.get('kind')));
}

describe('Argo CD', () => {
  const applications = parseAllDocuments(readFileSync(join(example, 'argocd/applications.yaml'), 'utf8')).map(
    (document) => document.toJS() as Application,
  );
  const applied = applications.flatMap(filesOf);

  it('never comes across a PolicyTest, nor a file that only kustomize can read', () => {
    assert.equal(applications.length, 3);
    for (const file of applied) {
      const kinds = kindsIn(file);
      assert.ok(!kinds.includes('PolicyTest') && !kinds.includes('Kustomization'), file);
    }
  });

  it('applies every resource that the tests of a pull request are decided by', () => {
    const all = globSync('{clusters,teams}/**/*.yaml', { cwd: example })
      .map((file) => join(example, file))
      .filter((file) => !kindsIn(file).some((kind) => kind === 'PolicyTest' || kind === 'Kustomization'));
    const names = (files: readonly string[]): string[] =>
      files.map((file) => relative(example, file)).toSorted();
    assert.deepEqual(names(applied), names(all));
    assert.ok(all.some((file) => dirname(file).endsWith('policies')));
  });
});
