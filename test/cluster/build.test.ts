import assert from 'node:assert/strict';
import { execFile } from 'node:child_process';
import { chmod, mkdir, mkdtemp, readdir, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { after, before, describe, it } from 'node:test';
import { promisify } from 'node:util';

const run = promisify(execFile);

describe('building servers from Go modules', () => {
  let folder: string;
  before(async () => {
    folder = await mkdtemp(join(tmpdir(), 'outrider-build-test-'));
    await mkdir(join(folder, 'hello'));
    await writeFile(
      join(folder, 'hello', 'go.mod'),
      'module example.com/hello\n\ngo 1.26.0\n\nrequire example.com/none v1.2.3\n',
    );
    await writeFile(
      join(folder, 'hello', 'main.go'),
      'package main\n\nvar version = "none"\n\nfunc main() { println(version) }\n',
    );
  });
  after(() => rm(folder, { recursive: true, force: true }));

  // In a process of its own, as builds meet in reality.
  const build = (
    cache: string,
    environment: Record<string, string> = {},
  ): Promise<{ stdout: string; stderr: string }> => {
    const script = `
      import { builtModule } from ${JSON.stringify(join(import.meta.dirname, 'build.ts'))};
      console.log(await builtModule({ name: 'hello', source: ${JSON.stringify(join(folder, 'hello'))}, recipe: {
        module: 'example.com/none', package: '.', coldMinutes: 0, alsoCalled: ['bonjour'],
        variables: (version) => ({ 'main.version': version }),
      } }));`;
    return run(process.execPath, ['--input-type=module', '--eval', script], {
      env: { ...process.env, XDG_CACHE_HOME: join(folder, cache), ...environment },
      timeout: 120_000,
    });
  };
  const withGo = async (name: string, script: string): Promise<Record<string, string>> => {
    const bin = join(folder, name);
    await mkdir(bin);
    await writeFile(join(bin, 'go'), `#!/bin/sh\n${script}\n`);
    await chmod(join(bin, 'go'), 0o755);
    return { PATH: `${bin}:/usr/bin:/bin` };
  };

  it('names what to install when there is no Go', async () => {
    await assert.rejects(
      build('no-go', { PATH: join(folder, 'nowhere') }),
      /Go 1\.26\.0 or newer .*no `go` was found.*go\.dev/,
    );
  });

  it('names what to install when Go is too old', async () => {
    const old = await withGo('old-go', 'echo "go version go1.25.9 linux/amd64"');
    await assert.rejects(build('old-go-cache', old), /Go 1\.26\.0 or newer .*is 1\.25\.9: install it/);
  });

  it('fails with what the compiler said and leaves nothing that looks built', async () => {
    const failing = await withGo(
      'failing-go',
      'test "$1" = version && echo "go version go1.26.0 x" || { echo "no such thing" >&2; exit 2; }',
    );
    await assert.rejects(build('failing', failing), /go build .* exited with 2\nno such thing/);
    const left = await readdir(join(folder, 'failing', 'outrider', 'servers'));
    assert.deepEqual(
      left.filter((name) => !name.endsWith('.unfinished')),
      [],
    );
  });

  it('builds once when two processes ask at the same time, and never again', async () => {
    const both = await Promise.all([build('shared'), build('shared')]);
    assert.equal(both[0].stdout, both[1].stdout);
    assert.equal(both.filter(({ stderr }) => stderr.includes('cluster: building hello')).length, 1);
    assert.equal((await build('shared')).stderr, '');
    assert.deepEqual((await readdir(both[0].stdout.trim())).toSorted(), ['bonjour', 'hello']);
    const { stderr } = await run(join(both[0].stdout.trim(), 'bonjour'));
    assert.equal(stderr, 'v1.2.3\n', 'the version in go.mod was linked in');
  });
});
