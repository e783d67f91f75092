// Programs of this machine, copied into the root of an image with all that they load.

import { execFile } from 'node:child_process';
import { existsSync, globSync } from 'node:fs';
import { cp, mkdir, realpath } from 'node:fs/promises';
import { dirname, join } from 'node:path';
import { promisify } from 'node:util';
import { python } from '../support/python-environment.ts';

const run = promisify(execFile);

/** The interpreter and its standard library. */
export async function addPython(root: string): Promise<void> {
  const interpreter = await realpath(python);
  const { stdout } = await run(interpreter, ['-c', 'import sysconfig; print(sysconfig.get_path("stdlib"))']);
  const library = stdout.trim();
  await copyTree(library, join(root, library), /\/(?:test|idlelib|ensurepip|lib2to3|tkinter|__pycache__)$/);
  await addProgram(root, interpreter, python);
  await addLibrariesOf(root, globSync(join(root, 'usr/lib/**/*.so')));
}

export async function copyTree(from: string, to: string, without: RegExp): Promise<void> {
  await cp(from, to, {
    recursive: true,
    dereference: true,
    filter: (path) => !without.test(path),
  });
}

export async function addProgram(root: string, from: string, to: string): Promise<void> {
  await mkdir(join(root, dirname(to)), { recursive: true });
  await cp(from, join(root, to), { dereference: true });
  await addLibrariesOf(root, [from]);
}

export async function addLibrariesOf(root: string, binaries: readonly string[]): Promise<void> {
  const { stdout } = await run('ldd', [...binaries]).catch((error: { stdout?: string }) => ({
    stdout: error.stdout ?? '',
  }));
  const libraries = new Set(
    [...stdout.matchAll(/(?:=> |^\s+)(\/(?:usr\/)?lib\S*)/gm)].map(([, path = '']) => path),
  );
  for (const library of libraries) {
    if (existsSync(join(root, library))) continue;
    await mkdir(join(root, dirname(library)), { recursive: true });
    await cp(library, join(root, library), { dereference: true });
  }
}
