import { execFile } from 'node:child_process';
import { createHash } from 'node:crypto';
import { existsSync } from 'node:fs';
import {
  chmod,
  copyFile,
  mkdir,
  readFile,
  realpath,
  rename,
  rm,
  stat,
  symlink,
  writeFile,
} from 'node:fs/promises';
import { dirname, join } from 'node:path';
import { promisify } from 'node:util';
import { cacheFolder } from './cache.ts';
import { pauseImage } from './containerd.ts';
import { acquireHostLock } from './host-lock.ts';
import { createImageBuilder } from './images.ts';
import { findCommand, requireCommands } from './packages.ts';
import { createRunFolder, removeRunFolder } from './run-folder.ts';

const run = promisify(execFile);

/** What our Dockerfiles build upon, as --build-arg NODE_IMAGE, and what stands in for an agent. */
export const nodeImage = 'localhost/node:26';

export interface BaseImages {
  readonly node: string;
  readonly pause: string;
}

const applets =
  'sh cat chmod cp cut date echo env find grep head id ip kill ln ls mkdir mv nc nslookup ps rm sed sleep tail test touch tr wc wget';

/**
 * OCI archives of this machine's Node with its libraries, busybox, curl and nft, and of a pod sandbox, since no registry
 * can be asked for them. Kept in the user's cache folder under the version of everything that is in them.
 */
export async function builtBaseImages(): Promise<BaseImages> {
  await requireCommands(['busybox', 'curl', 'nft']);
  const binaries = {
    node: await realpath(process.execPath),
    curl: locate('curl'),
    nft: locate('nft'),
    busybox: locate('busybox'),
  };
  const hash = createHash('sha256').update(await readFile(import.meta.filename));
  hash.update(process.version);
  for (const path of Object.values(binaries)) hash.update(`\0${(await stat(path)).size}`);
  const folder = join(cacheFolder('images'), `base-${hash.digest('hex').slice(0, 16)}`);
  const images = { node: join(folder, 'node.tar'), pause: join(folder, 'pause.tar') };
  if (existsSync(folder)) return images;

  const lock = await acquireHostLock({ name: `build ${folder}`, timeoutMs: 5 * 60_000 });
  try {
    if (!existsSync(folder)) await buildBaseImages(folder, binaries);
    return images;
  } finally {
    await lock.release();
  }
}

async function buildBaseImages(
  folder: string,
  binaries: Readonly<Record<'node' | 'curl' | 'nft' | 'busybox', string>>,
): Promise<void> {
  process.stderr.write('cluster: building the base images (once) …\n');
  const scratch = createRunFolder();
  try {
    const images = await createImageBuilder(scratch);
    const pauseRoot = await createRoot(join(scratch.path, 'pause'), binaries.busybox, ['sleep']);
    const pause = await images.build({
      tag: pauseImage,
      context: pauseRoot,
      dockerfile: await writeDockerfile(`${pauseRoot}.dockerfile`, 'ENTRYPOINT ["/bin/sleep", "2147483647"]'),
    });
    const nodeRoot = await createRoot(join(scratch.path, 'node'), binaries.busybox, applets.split(' '));
    await copyWithLibraries(binaries.node, nodeRoot, 'usr/bin/node');
    await copyWithLibraries(binaries.curl, nodeRoot, 'usr/bin/curl');
    // Where Debian has it, and so our Dockerfile looks.
    await copyWithLibraries(binaries.nft, nodeRoot, 'usr/sbin/nft');
    await mkdir(join(nodeRoot, 'etc/ssl/certs'), { recursive: true });
    const roots = 'etc/ssl/certs/ca-certificates.crt'; // where curl looks
    if (existsSync(`/${roots}`)) await copyFile(`/${roots}`, join(nodeRoot, roots));
    const node = await images.build({
      tag: nodeImage,
      context: nodeRoot,
      dockerfile: await writeDockerfile(`${nodeRoot}.dockerfile`, 'CMD ["node"]'),
    });

    // The lock is ours, so what is here was left by a build that was killed.
    const unfinished = `${folder}.unfinished`;
    await rm(unfinished, { recursive: true, force: true });
    await mkdir(unfinished);
    await copyFile(node, join(unfinished, 'node.tar'));
    await copyFile(pause, join(unfinished, 'pause.tar'));
    await rename(unfinished, folder);
  } finally {
    await removeRunFolder(scratch.path);
  }
}

async function createRoot(root: string, busybox: string, commands: readonly string[]): Promise<string> {
  for (const name of ['bin', 'usr/bin', 'usr/sbin', 'etc', 'tmp'])
    await mkdir(join(root, name), { recursive: true });
  await chmod(join(root, 'tmp'), 0o1777);
  await copyFile(busybox, join(root, 'bin/busybox'));
  for (const command of commands) await symlink('busybox', join(root, 'bin', command));
  // The user that the official Node image has.
  await writeFile(join(root, 'etc/passwd'), 'root:x:0:0::/root:/bin/sh\nnode:x:1000:1000::/tmp:/bin/sh\n');
  await writeFile(join(root, 'etc/group'), 'root:x:0:\nnode:x:1000:\n');
  await writeFile(join(root, 'etc/nsswitch.conf'), 'hosts: files dns\n');
  return root;
}

async function writeDockerfile(path: string, lastLine: string): Promise<string> {
  await writeFile(path, `FROM scratch\nCOPY . /\nENV PATH=/usr/bin:/bin\n${lastLine}\n`);
  return path;
}

async function copyWithLibraries(binary: string, root: string, target: string): Promise<void> {
  await copyFile(binary, join(root, target));
  const { stdout } = await run('ldd', [binary]);
  for (const [library] of stdout.matchAll(/\/\S+/g)) {
    await mkdir(join(root, dirname(library)), { recursive: true });
    await copyFile(library, join(root, library));
  }
}

function locate(name: string): string {
  const path = findCommand(name);
  if (path === undefined) throw new Error(`${name} is not installed`);
  return path;
}
