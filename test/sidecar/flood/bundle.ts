// The sidecar as its image has it: bundled, since run from its sources it carries what strips their types, 30 MiB of it.

import { join } from 'node:path';
import { rolldown } from 'rolldown';
import configs from '../../../rolldown.config.ts';

/** In rolldown.config.ts. */
const sidecarAt = 1;

/** @returns the program that stands for the image's, with the paths and ports of a test (../pod-program.ts). */
export async function bundlePodProgram(folder: string): Promise<string> {
  const sidecar = Array.isArray(configs) ? configs[sidecarAt] : undefined;
  const { platform, resolve, output } = sidecar ?? {};
  if (platform === undefined || resolve === undefined || Array.isArray(output))
    throw new Error('rolldown.config.ts has no sidecar');
  const root = join(import.meta.dirname, '../../..');
  const program = join(import.meta.dirname, '../pod-program.ts');
  const build = await rolldown({
    platform,
    resolve,
    cwd: root,
    input: { program, cel: 'policy/cel/condition.ts' },
  });
  await build.write({ ...output, dir: folder });
  await build.close();
  return join(folder, 'program.js');
}
