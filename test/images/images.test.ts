import assert from 'node:assert/strict';
import { execFile } from 'node:child_process';
import { mkdirSync, readdirSync, readFileSync, statSync } from 'node:fs';
import { join, relative } from 'node:path';
import { after, before, describe, test } from 'node:test';
import { promisify } from 'node:util';
import { builtBaseImages, nodeImage } from '../cluster/base-images.ts';
import { createImageBuilder } from '../cluster/images.ts';
import { nodeSkipReason } from '../cluster/node-availability.ts';
import { createRunFolder, removeRunFolder, type RunFolder } from '../cluster/run-folder.ts';

const run = promisify(execFile);
const root = join(import.meta.dirname, '../..');
const skip = nodeSkipReason() ?? false;

interface ImageConfig {
  readonly config: {
    readonly User: string;
    readonly Entrypoint: readonly string[];
    readonly Env?: readonly string[];
  };
}

let scratch: RunFolder;
const images: Record<string, { readonly rootfs: string; readonly config: ImageConfig['config'] }> = {};

before(async () => {
  if (skip !== false) return;
  scratch = createRunFolder();
  const rolldown = join(root, 'node_modules/rolldown/bin/cli.mjs');
  await run(process.execPath, [rolldown, '-c', 'rolldown.config.ts'], { cwd: root, timeout: 120_000 });
  const builder = await createImageBuilder(scratch);
  await builder.addBase((await builtBaseImages()).node, nodeImage);
  for (const part of ['operator', 'sidecar']) {
    const archive = await builder.build({
      dockerfile: join(root, `Dockerfile.${part}`),
      context: root,
      buildArgs: { NODE_IMAGE: nodeImage },
      tag: `localhost/outrider-${part}:test`,
    });
    images[part] = await unpack(archive, join(scratch.path, part));
  }
});
after(() => (scratch === undefined ? undefined : removeRunFolder(scratch.path)));

/** Lays the layers of an OCI archive over each other; ours remove nothing. */
async function unpack(archive: string, folder: string) {
  const rootfs = join(folder, 'rootfs');
  mkdirSync(rootfs, { recursive: true });
  await run('tar', ['-xf', archive, '-C', folder]);
  const blob = (digest: string): string => join(folder, 'blobs', digest.replace(':', '/'));
  const json = (path: string): unknown => JSON.parse(readFileSync(path, 'utf8'));
  interface Descriptors {
    readonly manifests: readonly { readonly digest: string }[];
    readonly config: { readonly digest: string };
    readonly layers: readonly { readonly digest: string }[];
  }
  const index = json(join(folder, 'index.json')) as Descriptors;
  const manifest = json(blob(index.manifests[0]?.digest ?? '')) as Descriptors;
  for (const { digest } of manifest.layers) await run('tar', ['-xf', blob(digest), '-C', rootfs]);
  return { rootfs, config: (json(blob(manifest.config.digest)) as ImageConfig).config };
}

function imageOf(part: string) {
  const image = images[part];
  assert.ok(image);
  return image;
}

const filesIn = (rootfs: string): string[] =>
  readdirSync(rootfs, { recursive: true, withFileTypes: true })
    .filter((entry) => !entry.isDirectory())
    .map((entry) => relative(rootfs, join(entry.parentPath, entry.name)));

for (const part of ['operator', 'sidecar']) {
  describe(`the image of the ${part}`, { skip }, () => {
    test('holds Node, the libraries that it has loaded, and the bundle; nothing else, and no shell (K-16)', () => {
      const unexpected = filesIn(imageOf(part).rootfs).filter(
        (file) =>
          !/^app\/[\w.-]+\.js$/.test(file) &&
          !/^(?:usr\/)?lib(?:64)?\/(?:[\w-]+\/)?[\w+.-]+\.so(?:\.[\d.]+)?$/.test(file) &&
          !['usr/local/bin/node', 'etc/nsswitch.conf', 'app/package.json'].includes(file),
      );
      assert.deepEqual(unexpected, []);
    });

    test('has one program, which is Node, and nothing that its user may write', () => {
      const { rootfs } = imageOf(part);
      const files = filesIn(rootfs).map((file) => ({ file, mode: statSync(join(rootfs, file)).mode }));
      const programs = files.filter(({ file, mode }) => (mode & 0o111) !== 0 && !file.includes('.so'));
      assert.deepEqual(
        programs.map(({ file }) => file),
        ['usr/local/bin/node'],
      );
      assert.deepEqual(
        files.filter(({ mode }) => (mode & 0o6022) !== 0),
        [],
      );
    });

    test('runs as no user of the system, and sets no variable of its own (K-20)', () => {
      const { User, Env = [], Entrypoint } = imageOf(part).config;
      assert.equal(User, '65532:65532');
      assert.deepEqual(
        Env.filter((variable) => !variable.startsWith('PATH=')),
        [],
      );
      assert.ok(Entrypoint.includes('--disable-sigusr1'));
    });

    test('starts: without its settings it says which one is missing', async () => {
      const { rootfs, config } = imageOf(part);
      const [command = '', ...args] = config.Entrypoint;
      const started = run('chroot', ['--userspec=65532:65532', rootfs, command, ...args], {
        env: { PATH: '/usr/sbin:/usr/bin:/sbin:/bin' },
        timeout: 30_000,
      });
      await assert.rejects(started, (error: { code: number; stdout: string; stderr: string }) => {
        assert.equal(error.code, 1, error.stderr);
        assert.match(error.stdout + error.stderr, /OUTRIDER_\w+ must be/);
        return true;
      });
    });
  });
}
