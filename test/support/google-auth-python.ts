// Google's library for Python, which most of its SDKs for Python stand on.

import { join } from 'node:path';
import { installedPython } from './python-environment.ts';

/** The interpreter of an environment that has it. */
export async function pythonWithGoogleAuth(): Promise<string> {
  return join(await installedPython(['google-auth==2.62.2', 'requests==2.34.2']), 'bin/python');
}
