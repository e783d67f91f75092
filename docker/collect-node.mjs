// Copies this Node and exactly the libraries that it has loaded into a folder that becomes an image's root. Asking
// the running process needs no shell and no ldd in the base image.

import { chmodSync, copyFileSync, mkdirSync, realpathSync } from 'node:fs';
import { dirname, join } from 'node:path';

const [target] = process.argv.slice(2);
// Resolving a name loads what glibc needs for it; without, getaddrinfo would miss libraries at run time.
await import('node:dns/promises').then(({ lookup }) => lookup('localhost')).catch(() => undefined);

const libraries = process.report.getReport().sharedObjects.filter((path) => path.startsWith('/') && path.includes('.so'));
for (const path of libraries) {
  // The loader looks under the name that it was asked for, which is often a link.
  const copy = join(target, path);
  mkdirSync(dirname(copy), { recursive: true });
  copyFileSync(realpathSync(path), copy);
  chmodSync(copy, 0o755);
}
const node = join(target, 'usr/local/bin/node');
mkdirSync(dirname(node), { recursive: true });
copyFileSync(process.execPath, node);
chmodSync(node, 0o755);
// The operator and Vault's client resolve names by glibc: files first, as in every other image.
mkdirSync(join(target, 'etc'), { recursive: true });
mkdirSync(join(target, 'tmp'), { recursive: true });
chmodSync(join(target, 'tmp'), 0o1777);
