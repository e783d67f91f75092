// The first process of the room: sets it up, measures, and leaves the figure in the run's folder. Started by main.ts.

import { writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { parseArguments } from './arguments.ts';
import type { Cores } from './cores.ts';
import { measureIntercept } from './intercept.ts';
import { measureLatency } from './latency.ts';
import { measureMemory } from './memory.ts';
import type { Figure } from './report.ts';
import { furnishRoom } from './room.ts';
import { loadSidecarImage, type SidecarImage } from './sidecar-image.ts';

const [folder = '', coresJson = '', ...argv] = process.argv.slice(2);
const args = parseArguments(argv);
const cores = JSON.parse(coresJson) as Cores;
const run = { path: folder, environment: process.env as Record<string, string> };

function measure(image: SidecarImage): Promise<Figure> {
  switch (args.command) {
    case 'intercept':
      return measureIntercept(run, cores, image, args);
    case 'memory':
      return measureMemory(run, cores, image, args);
    case 'latency':
      return measureLatency(run, cores, image, args);
    default:
      throw new Error('this is measured without a room');
  }
}

try {
  furnishRoom(folder);
  const image = loadSidecarImage();
  const figure = await measure(image);
  writeFileSync(join(folder, 'figure.json'), JSON.stringify(figure));
  // Servers, loads and neighbours end with this process.
  process.exit();
} catch (error) {
  process.stderr.write(`bench: ${(error as Error).message}\n`);
  process.exit(1);
}
