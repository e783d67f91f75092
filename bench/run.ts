// The first process of the room: sets it up, measures, and leaves the figure in the run's folder. Started by main.ts.

import { writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { parseArguments } from './arguments.ts';
import type { Cores } from './cores.ts';
import { measureIntercept } from './intercept.ts';
import { measureMemory } from './memory.ts';
import { furnishRoom } from './room.ts';
import { loadSidecarImage } from './sidecar-image.ts';

const [folder = '', coresJson = '', ...argv] = process.argv.slice(2);
const args = parseArguments(argv);
if (args.command === 'decide') throw new Error('decisions are measured without a room');
const cores = JSON.parse(coresJson) as Cores;
const run = { path: folder, environment: process.env as Record<string, string> };

try {
  furnishRoom(folder);
  const image = loadSidecarImage();
  const figure =
    args.command === 'intercept'
      ? await measureIntercept(run, cores, image, args)
      : await measureMemory(run, cores, image, args);
  writeFileSync(join(folder, 'figure.json'), JSON.stringify(figure));
  // Servers, loads and neighbours end with this process.
  process.exit();
} catch (error) {
  process.stderr.write(`bench: ${(error as Error).message}\n`);
  process.exit(1);
}
