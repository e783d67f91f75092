// Google's library for Python, which most of its SDKs for Python stand on. Installed once per machine, by pip into the
// cache folder.

import { execFile } from 'node:child_process';
import { existsSync } from 'node:fs';
import { rm, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { promisify } from 'node:util';
import { cacheFolder } from '../cluster/cache.ts';
import { acquireHostLock } from '../cluster/host-lock.ts';
import { requireCommands } from '../cluster/packages.ts';

const run = promisify(execFile);

const requirements = ['google-auth==2.62.2', 'requests==2.34.2'];
const timeoutMs = 5 * 60_000;

/** The interpreter of a virtual environment that has it, which is used only once it is whole. */
export async function pythonWithGoogleAuth(): Promise<string> {
  await requireCommands([], { '/usr/bin/python3': 'python3' });
  const folder = join(cacheFolder('python'), requirements.join('-').replaceAll('==', '-'));
  const lock = await acquireHostLock({ name: `install ${folder}`, timeoutMs });
  try {
    const python = join(folder, 'bin/python');
    const finished = join(folder, 'finished');
    if (existsSync(finished)) return python;
    // It names itself in its scripts, so that it must be made where it will be.
    await rm(folder, { recursive: true, force: true });
    process.stderr.write('cluster: installing google-auth (once, about half a minute) …\n');
    const options = { timeout: timeoutMs, killSignal: 'SIGKILL' } as const;
    await run('python3', ['-m', 'venv', folder], options);
    const pip = ['-m', 'pip', 'install', '--quiet', '--disable-pip-version-check', ...requirements];
    await run(python, pip, options);
    await writeFile(finished, '');
    return python;
  } finally {
    await lock.release();
  }
}
