// Inside the build of an image: copies Node, the programs that are named, and exactly the libraries that they load into
// /rootfs. What is not there no attacker can use: no shell, no package manager, no other program (threat K-16). Node asks
// itself what it needs, and the loader what another program does, so the base image may be of any distribution.

import { execFileSync } from 'node:child_process';
import { lookup } from 'node:dns/promises';
import { chmodSync, copyFileSync, mkdirSync, writeFileSync } from 'node:fs';
import { dirname, join } from 'node:path';

const [target = '/rootfs', ...programs] = process.argv.slice(2);

interface Report {
  readonly sharedObjects: readonly string[];
}

function copy(from: string, to: string, mode: number): void {
  const path = join(target, to);
  mkdirSync(dirname(path), { recursive: true });
  copyFileSync(from, path);
  chmodSync(path, mode);
}

// Some C libraries load what resolves names only when the first one is asked for.
await lookup('localhost').catch(() => undefined);

copy(process.execPath, '/usr/local/bin/node', 0o755);
const { sharedObjects } = process.report.getReport() as unknown as Report;
// The kernel's own, linux-vdso, has no path.
const libraries = new Set(sharedObjects.filter((path) => path.startsWith('/')));

// Both glibc's and musl's say what they would load; ldd is a shell script that not every image has.
const loader = [...libraries].find((path) => /\/ld-[^/]+$/.test(path));
for (const program of programs) {
  if (loader === undefined) throw new Error('Node has not said which loader it was started by');
  copy(program, program, 0o755);
  const listed = execFileSync(loader, ['--list', program], { encoding: 'utf8' });
  for (const [library] of listed.matchAll(/(?<==> )\/\S+/g)) libraries.add(library);
}
for (const library of libraries) copy(library, library, 0o755);

mkdirSync(join(target, 'etc'), { recursive: true });
// glibc asks only DNS without it, and a pod's own names are in /etc/hosts.
writeFileSync(join(target, 'etc/nsswitch.conf'), 'hosts: files dns\n');
mkdirSync(join(target, 'app'), { recursive: true });
// Spares Node from reading a bundle twice to find out that it is a module.
writeFileSync(join(target, 'app/package.json'), '{"type":"module"}\n');
