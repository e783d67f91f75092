// An image with what users write agents with: Node and its SDKs, Python with boto3 and requests, git, curl, Java. Made of
// this machine's own, since no registry can be asked; the SDKs are those of package.json and of PyPI.

import { execFile } from 'node:child_process';
import { globSync } from 'node:fs';
import { cp, mkdir, readdir, realpath, rm, writeFile } from 'node:fs/promises';
import { dirname, join } from 'node:path';
import { promisify } from 'node:util';
import { rolldown } from 'rolldown';
import type { ClusterNode } from '../cluster/node.ts';
import { requireCommands } from '../cluster/packages.ts';
import { installedPython } from '../support/python-environment.ts';
import { addLibrariesOf, addProgram, addPython, copyTree } from './image-root.ts';

const run = promisify(execFile);

export const sdkImage = 'localhost/sdks:1';

const pythonPackages = ['boto3==1.44.5', 'requests==2.34.2', 'google-auth==2.62.2'];
const programs = join(import.meta.dirname, 'sdks');

/** Builds the image and makes it known to the node. The programs lie in /sdks. */
export async function buildSdkImage(node: ClusterNode): Promise<void> {
  await requireCommands(['curl'], {
    '/usr/bin/git': 'git',
    '/usr/bin/jlink': 'openjdk-17-jdk-headless',
  });
  const packages = await installedPackages();
  const root = join(node.folder, 'sdks');
  await mkdir(join(root, 'sdks'), { recursive: true });
  await Promise.all([
    addPackages(root, packages),
    addGit(root),
    addJava(root),
    addNodePrograms(root),
    cp(join(programs, 'python'), join(root, 'sdks'), { recursive: true }),
  ]);
  const dockerfile = join(node.folder, 'sdks.dockerfile');
  const environment = 'ENV PYTHONPATH=/python PYTHONDONTWRITEBYTECODE=1 HOME=/tmp';
  await writeFile(dockerfile, `FROM localhost/node:26\nCOPY . /\n${environment}\n`);
  await node.buildImage({ dockerfile, context: root, tag: sdkImage });
  await rm(root, { recursive: true });
}

/** Of the environment that has them. */
async function installedPackages(): Promise<string> {
  const [packages] = globSync(join(await installedPython(pythonPackages), 'lib/python3.*/site-packages'));
  if (packages === undefined) throw new Error('the environment of Python holds no packages');
  return packages;
}

async function addPackages(root: string, packages: string): Promise<void> {
  await addPython(root);
  await copyTree(packages, join(root, 'python'), /\/(?:pip|setuptools|pkg_resources|__pycache__)$/);
  await addLibrariesOf(root, globSync(join(root, 'python/**/*.so')));
}

async function addGit(root: string): Promise<void> {
  const { stdout } = await run('git', ['--exec-path']);
  const folder = stdout.trim();
  await addProgram(root, await realpath('/usr/bin/git'), '/usr/bin/git');
  await addProgram(root, await realpath('/usr/bin/git'), join(folder, 'git'));
  await addProgram(root, await realpath(join(folder, 'git-remote-https')), join(folder, 'git-remote-https'));
}

/** A runtime of the modules that an HTTP client needs, and the compiled client. */
async function addJava(root: string): Promise<void> {
  const modules = 'java.base,java.net.http,java.naming,java.logging,jdk.crypto.ec';
  const runtime = join(root, 'usr/lib/java');
  await mkdir(dirname(runtime), { recursive: true });
  await run('jlink', ['--add-modules', modules, '--strip-debug', '--no-man-pages', '--output', runtime]);
  await run('javac', ['-d', join(root, 'sdks'), join(programs, 'java/Client.java')]);
  await addLibrariesOf(root, [join(runtime, 'bin/java'), ...globSync(join(runtime, 'lib/**/*.so'))]);
}

async function addNodePrograms(root: string): Promise<void> {
  const folder = join(programs, 'node');
  for (const name of await readdir(folder)) {
    const bundle = await rolldown({ input: join(folder, name), platform: 'node', logLevel: 'silent' });
    await bundle.write({
      file: join(root, 'sdks', name.replace(/\.ts$/, '.mjs')),
      format: 'esm',
      codeSplitting: false,
    });
    await bundle.close();
  }
}
