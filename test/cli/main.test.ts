import assert from 'node:assert/strict';
import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { after, describe, it } from 'node:test';
import { rolldown } from 'rolldown';
import configuration from '../../rolldown.config.ts';
import { createCommandLine, execute, root } from './command-line.ts';

const { outrider, folder, remove } = createCommandLine();
after(remove);

const commands = ['run', 'test', 'explain', 'lint', 'diff', 'fmt'];

describe('outrider', () => {
  it('refuses to run without a command, and shows which there are', async () => {
    const { code, stdout } = await outrider();
    assert.equal(code, 2);
    for (const command of commands) assert.match(stdout, new RegExp(`^ {2}${command} `, 'm'));
  });

  it('refuses a command that does not exist, or is only a property of every object', async () => {
    for (const name of ['fly', 'constructor', '__proto__', 'toString']) {
      const { code, stderr } = await outrider(name);
      assert.equal(code, 2);
      assert.match(
        stderr,
        new RegExp(`^outrider: ${name} is no command of outrider\n\nUsage: outrider COMMAND`),
      );
    }
  });

  for (const command of commands) {
    it(`${command} --help says how it is used and what its exit codes mean`, async () => {
      for (const args of [
        [command, '--help'],
        [command, '-h'],
        ['help', command],
      ]) {
        const { code, stdout } = await outrider(...args);
        assert.equal(code, 0);
        assert.match(stdout, new RegExp(`^Usage: outrider ${command} `));
        assert.match(stdout, /exit code/i);
      }
    });
  }

  it('is documented with every option that its help has', async () => {
    const page = readFileSync(join(root, 'docs', 'cli.md'), 'utf8');
    for (const command of commands) {
      const { stdout } = await outrider(command, '--help');
      assert.ok(
        page.includes(`\`\`\`text\n${stdout.trim()}\n\`\`\``),
        `docs/cli.md lacks the help of ${command}`,
      );
    }
  });

  it('runs as one bundle, without any package beside it', async () => {
    const cli =
      configuration.find(({ output }) => JSON.stringify(output).includes('dist/cli')) ?? assert.fail();
    const build = await rolldown({ ...cli, cwd: root });
    const dir = join(folder, 'bundle');
    await build.write({ ...(cli.output as object), dir });
    await build.close();
    const gitops = join(root, 'examples', 'gitops');
    const calls = [
      ['test', gitops],
      ['lint', '--strict', gitops],
      ['fmt', '--check', gitops],
      ['diff', gitops, gitops],
      ['explain', '-f', gitops, '--as', 'research/triage', 'https://api.github.com/repos/acme/docs/issues'],
    ];
    for (const args of calls) {
      const { code, stdout, stderr } = await execute(
        process.execPath,
        [join(dir, 'main.js'), ...args],
        folder,
      );
      assert.equal(code, 0, `${args.join(' ')}\n${stdout}${stderr}`);
    }
  });
});
