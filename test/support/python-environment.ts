// Packages of PyPI for tests, in a virtual environment of the machine's own Python: made once, in the cache folder.

import { execFile } from 'node:child_process';
import { existsSync } from 'node:fs';
import { rm, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { promisify } from 'node:util';
import { cacheFolder } from '../cluster/cache.ts';
import { acquireHostLock } from '../cluster/host-lock.ts';
import { requireCommands } from '../cluster/packages.ts';

const run = promisify(execFile);

/** Not what PATH may name besides: its packages are known. */
export const python = '/usr/bin/python3';
const installTimeoutMs = 5 * 60_000;

/**
 * @param packages with their versions, such as `moto==5.2.5`.
 * @returns the environment's folder, whole.
 */
export async function installedPython(packages: readonly string[]): Promise<string> {
  await requireCommands([], { [python]: 'python3' });
  const stdlib = 'import sysconfig; print(sysconfig.get_path("stdlib"))';
  const { stdout } = await run(python, ['-c', stdlib]);
  await requireCommands([], { [join(stdout.trim(), 'ensurepip/__init__.py')]: 'python3-venv' });
  const name = packages.map((each) => each.replaceAll(/[^a-z0-9.]+/g, '-')).join('-');
  const folder = join(cacheFolder('python'), name);
  const lock = await acquireHostLock({ name: `install ${folder}`, timeoutMs: installTimeoutMs });
  try {
    const finished = join(folder, 'finished');
    if (existsSync(finished)) return folder;
    // It names itself in its scripts, so that it must be made where it will be.
    await rm(folder, { recursive: true, force: true });
    process.stderr.write(`cluster: installing ${packages.join(' ')} (once, about half a minute) …\n`);
    const options = { timeout: installTimeoutMs, killSignal: 'SIGKILL' } as const;
    await run(python, ['-m', 'venv', folder], options);
    const pip = ['-m', 'pip', 'install', '--quiet', '--disable-pip-version-check', ...packages];
    await run(join(folder, 'bin/python'), pip, options);
    await writeFile(finished, '');
    return folder;
  } finally {
    await lock.release();
  }
}
