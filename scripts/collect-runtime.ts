// Inside the build of an image: copies Node and exactly the libraries that it has loaded into /rootfs. What is not
// there no attacker can use: no shell, no package manager, no other program (threat K-16). Node asks itself what it
// needs, so the base image may be of any distribution.

import { lookup } from 'node:dns/promises';
import { chmodSync, copyFileSync, mkdirSync, writeFileSync } from 'node:fs';
import { dirname, join } from 'node:path';

const target = process.argv[2] ?? '/rootfs';

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
for (const library of sharedObjects.filter((path) => path.startsWith('/'))) copy(library, library, 0o755);

mkdirSync(join(target, 'etc'), { recursive: true });
// glibc asks only DNS without it, and a pod's own names are in /etc/hosts.
writeFileSync(join(target, 'etc/nsswitch.conf'), 'hosts: files dns\n');
mkdirSync(join(target, 'app'), { recursive: true });
// Spares Node from reading a bundle twice to find out that it is a module.
writeFileSync(join(target, 'app/package.json'), '{"type":"module"}\n');
