import assert from 'node:assert/strict';
import { execFile } from 'node:child_process';
import { mkdirSync, readdirSync, readFileSync, statSync } from 'node:fs';
import { join, relative } from 'node:path';
import { after, before, describe, test } from 'node:test';
import { promisify } from 'node:util';
import { encodePlan } from '../../policy/capture-plan.ts';
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

/** The sidecar's image is also that of the init container that captures a pod's traffic. */
const programs: Readonly<Record<string, readonly string[]>> = {
  operator: ['usr/local/bin/node'],
  sidecar: ['usr/local/bin/node', 'usr/sbin/nft'],
};

for (const part of ['operator', 'sidecar']) {
  describe(`the image of the ${part}`, { skip }, () => {
    test('holds its programs, the libraries that they load, and the bundle; nothing else, and no shell (K-16)', () => {
      const unexpected = filesIn(imageOf(part).rootfs).filter(
        (file) =>
          !/^app\/[\w.-]+\.js$/.test(file) &&
          !/^(?:usr\/)?lib(?:64)?\/(?:[\w-]+\/)?[\w+.-]+\.so(?:\.[\d.]+)?$/.test(file) &&
          ![...(programs[part] ?? []), 'etc/nsswitch.conf', 'app/package.json'].includes(file),
      );
      assert.deepEqual(unexpected, []);
    });

    test('has Node, for a sidecar nft, no other program, and nothing that its user may write', () => {
      const { rootfs } = imageOf(part);
      const files = filesIn(rootfs).map((file) => ({ file, mode: statSync(join(rootfs, file)).mode }));
      const executable = files.filter(({ file, mode }) => (mode & 0o111) !== 0 && !file.includes('.so'));
      assert.deepEqual(executable.map(({ file }) => file).toSorted(), programs[part]);
      assert.deepEqual(
        files.filter(({ mode }) => (mode & 0o6022) !== 0),
        [],
      );
    });

    test('runs as no user of the system, and sets no variable but what the C library’s heap needs (K-20)', () => {
      const { User, Env = [], Entrypoint } = imageOf(part).config;
      assert.equal(User, '65532:65532');
      assert.deepEqual(
        Env.filter((variable) => !variable.startsWith('PATH=')),
        part === 'sidecar' ? ['MALLOC_ARENA_MAX=1'] : [],
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

describe('the init container in the image of the sidecar', { skip }, () => {
  const capture = ['/usr/local/bin/node', '--disable-sigusr1', '--no-addons', '/app/capture.js'];
  const start = (args: readonly string[]) => {
    const { rootfs } = imageOf('sidecar');
    // Linux says in /proc which capabilities a process has; the mount ends with its namespace.
    const inNamespaces = 'mkdir -p "$0/proc" && mount -t proc none "$0/proc" && exec chroot "$0" "$@"';
    return run('unshare', ['--net', '--mount', 'sh', '-c', inNamespaces, rootfs, ...capture, ...args], {
      env: { PATH: '/usr/sbin:/usr/bin:/sbin:/bin' },
      timeout: 30_000,
    });
  };
  const fails = (pattern: RegExp) => (error: { code: number; stderr: string }) => {
    assert.equal(error.code, 1, error.stderr);
    assert.match(error.stderr, pattern);
    return true;
  };

  test('says which argument is missing', async () => {
    await assert.rejects(start([]), fails(/CAPTURE_ARGUMENTS_INVALID.*--uid must be/));
  });

  test('writes its rules with the nft of the image, and says that nothing proves them where there is no way out', async () => {
    mkdirSync(join(imageOf('sidecar').rootfs, 'var/run/outrider/keys'), { recursive: true });
    const args = ['--uid=40000', '--gid=40001', `--plan=${encodePlan({ ports: [], relays: [] })}`];
    await assert.rejects(start(args), fails(/CAPTURE_UNPROVED.*no route/));
  });

  test('costs the image less than 6 MB', (context) => {
    const bytes = (part: string): number => {
      const { rootfs } = imageOf(part);
      const files = filesIn(rootfs).filter((file) => !file.startsWith('app/'));
      return files.reduce((sum, file) => sum + statSync(join(rootfs, file)).size, 0);
    };
    const megabytes = (bytes('sidecar') - bytes('operator')) / 1e6;
    context.diagnostic(`nft and its libraries: ${megabytes.toFixed(1)} MB`);
    assert.ok(megabytes < 6, `${megabytes} MB`);
  });
});
