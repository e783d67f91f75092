// The peers' packages, 15 MB that only this bench needs: installed once per lock file, beside what else is slow to make.

import { execFile } from 'node:child_process';
import { createHash } from 'node:crypto';
import { existsSync } from 'node:fs';
import { cp, readFile, rename, rm } from 'node:fs/promises';
import { join } from 'node:path';
import { promisify } from 'node:util';
import { cacheFolder } from '../../test/cluster/cache.ts';
import { acquireHostLock } from '../../test/cluster/host-lock.ts';

const source = join(import.meta.dirname, 'peers');
const timeoutMs = 120_000;

/** @returns a folder whose node_modules holds what `peers/package-lock.json` names. */
export async function installPeers(): Promise<string> {
  const lockFile = await readFile(join(source, 'package-lock.json'));
  const key = createHash('sha256').update(lockFile).digest('hex').slice(0, 16);
  const folder = join(cacheFolder('bench'), `peers-${key}`);
  if (existsSync(folder)) return folder;
  const lock = await acquireHostLock({ name: `install ${folder}`, timeoutMs });
  try {
    if (existsSync(folder)) return folder;
    process.stderr.write('bench: installing OPA and Cedar (once)\n');
    const unfinished = `${folder}.unfinished`;
    await rm(unfinished, { recursive: true, force: true });
    await cp(source, unfinished, { recursive: true });
    const install = ['ci', '--no-audit', '--no-fund', '--ignore-scripts', '--loglevel=error'];
    await promisify(execFile)('npm', install, { cwd: unfinished, timeout: timeoutMs });
    await rename(unfinished, folder);
    return folder;
  } finally {
    await lock.release();
  }
}
