import assert from 'node:assert/strict';
import { execFile } from 'node:child_process';
import { randomBytes } from 'node:crypto';
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { after, before, describe, test } from 'node:test';
import { promisify } from 'node:util';
import type { RulesetGithub, RulesetRule } from '../../../policy/ruleset.ts';
import { startFixture, type Fixture } from './fixture.ts';
import { createGitAnswer, findGitBackend } from './git-backend.ts';
import { createTestCa, originName, startOrigin, type Origin, type TestCa } from './origin.ts';

const run = promisify(execFile);
const backend = findGitBackend();

// The form grants on port 443 of public addresses; a guard of it holds everywhere, and reads the same.
const hosts = { web: originName, api: 'api.ghe.example.test' };
const guard = (name: string, github: Partial<RulesetGithub>): RulesetRule => ({
  policy: 'team',
  name,
  action: 'Deny',
  github: { operations: ['Push'], hosts, ...github },
});
const grants: RulesetRule[] = [
  { policy: 'team', name: 'git', action: 'Allow', destination: 'origin', paths: ['/acme/**'] },
];
const guards = [
  guard('main-is-closed', { branches: ['main', 'release/**'] }),
  guard('others-are-closed', { repositories: ['acme/secret'] }),
];

describe('git itself', { skip: backend === null ? 'git http-backend is not installed' : false }, () => {
  let ca: TestCa;
  let origin: Origin;
  let fixture: Fixture;
  let folder: string;
  let work: string;
  let remote: string;

  async function git(...args: string[]): Promise<string> {
    const env = {
      PATH: process.env['PATH'] ?? '',
      HOME: folder,
      GIT_CONFIG_NOSYSTEM: '1',
      GIT_TERMINAL_PROMPT: '0',
      GIT_SSL_CAINFO: join(folder, 'ca.pem'),
      https_proxy: `http://127.0.0.1:${fixture.port}`,
    };
    const identity = ['-c', 'user.name=agent', '-c', 'user.email=agent@example.test', '-C', work];
    const { stdout, stderr } = await run('git', [...identity, ...args], { env, timeout: 60_000 });
    return stdout + stderr;
  }

  async function commitFile(name: string, bytes: Buffer): Promise<void> {
    writeFileSync(join(work, name), bytes);
    await git('add', name);
    await git('commit', '-q', '-m', name);
  }

  const refs = async (repository: string): Promise<string> =>
    git('-C', join(folder, 'acme', repository), 'for-each-ref', '--format=%(refname)');

  before(async () => {
    folder = mkdtempSync(join(tmpdir(), 'outrider-git-'));
    work = folder;
    ca = await createTestCa();
    origin = await startOrigin(ca, { answer: createGitAnswer(backend ?? '', folder) });
    fixture = await startFixture({ ca, origin, ruleset: { grants, guards } });
    writeFileSync(join(folder, 'ca.pem'), fixture.caPem);
    for (const name of ['docs.git', 'secret.git']) {
      await git('init', '-q', '--bare', '-b', 'main', join(folder, 'acme', name));
      await git('-C', join(folder, 'acme', name), 'config', 'http.receivepack', 'true');
    }
    await git('init', '-q', '-b', 'agent/start', join(folder, 'work'));
    work = join(folder, 'work');
    remote = `https://${originName}:${origin.port}/acme/docs.git`;
    await commitFile('README', Buffer.from('hello\n'));
  });
  after(async () => {
    await fixture?.close();
    await origin?.close();
    ca?.close();
    rmSync(folder, { recursive: true, force: true });
  });

  const refused: Record<string, () => Promise<string>> = {
    'to main': () => git('push', remote, 'HEAD:refs/heads/main'),
    'to main beside another branch': () =>
      git('push', remote, 'HEAD:refs/heads/agent/a', 'HEAD:refs/heads/main'),
    'to a branch below release': () => git('push', remote, 'HEAD:refs/heads/release/1'),
    'to another repository': () => git('push', remote.replace('docs', 'secret'), 'HEAD:refs/heads/agent/a'),
    'to another spelling of that repository': () =>
      git('push', remote.replace('docs.git', 'SECRET'), 'HEAD:refs/heads/agent/a'),
  };
  for (const [title, push] of Object.entries(refused)) {
    test(`a push ${title} is refused, and changes nothing`, async () => {
      await assert.rejects(push(), /403/);
      assert.equal((await refs('docs.git')) + (await refs('secret.git')), '');
    });
  }

  test('a push of little goes through, with its prefix read', async () => {
    await git('push', '-q', remote, 'HEAD:refs/heads/agent/start');
    assert.equal(await refs('docs.git'), 'refs/heads/agent/start\n');
  });

  test('a push of many megabytes goes through: a probe, then chunks', async () => {
    // Beyond http.postBuffer (1 MiB) git probes with an empty push and then sends the pack in chunks.
    await commitFile('large', randomBytes(6 * 1024 * 1024));
    await git('push', '-q', remote, 'HEAD:refs/heads/agent/large');
    assert.match(await refs('docs.git'), /agent\/large/);
    const bodies = origin.received
      .filter(({ url }) => url.endsWith('git-receive-pack'))
      .map(({ body }) => body.length);
    assert.ok(bodies.includes(4), `a probe among ${bodies.join()}`);
    assert.ok(Math.max(...bodies) > 6 * 1024 * 1024);
  });

  test('a branch is deleted, main is not', async () => {
    await git('push', '-q', join(folder, 'acme', 'docs.git'), 'agent/start~1:refs/heads/main');
    await git('push', '-q', remote, ':refs/heads/agent/large');
    await assert.rejects(git('push', remote, ':refs/heads/main'), /403/);
    assert.equal(await refs('docs.git'), 'refs/heads/agent/start\nrefs/heads/main\n');
  });

  for (const version of ['0', '2']) {
    test(`a clone by protocol ${version} goes through, whole`, async () => {
      const target = join(folder, `clone-${version}`);
      await git('-c', `protocol.version=${version}`, 'clone', '-q', '-b', 'agent/start', remote, target);
      assert.equal(await git('-C', target, 'rev-parse', 'HEAD'), await git('rev-parse', 'agent/start~1'));
      await git('-C', target, 'fsck', '--strict');
    });
  }

  test('a fetch of what is new goes through', async () => {
    const target = join(folder, 'clone-2');
    await git('push', '-q', remote, 'HEAD:refs/heads/agent/start');
    await git('-C', target, 'pull', '-q', '--ff-only');
    assert.equal(await git('-C', target, 'rev-parse', 'HEAD'), await git('rev-parse', 'HEAD'));
  });
});
