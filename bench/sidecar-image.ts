// The sidecar as it is shipped: the bundle, and Node's flags from the image's own recipe.

import { readFileSync } from 'node:fs';
import { join } from 'node:path';

export const repository = join(import.meta.dirname, '..');

export interface SidecarImage {
  /** Folder of the bundle. */
  readonly folder: string;
  /** The entry's file name in it. */
  readonly script: string;
  readonly nodeFlags: readonly string[];
  readonly environment: Readonly<Record<string, string>>;
}

export function loadSidecarImage(): SidecarImage {
  const recipe = readFileSync(join(repository, 'Dockerfile.sidecar'), 'utf8');
  return {
    folder: join(repository, 'dist/sidecar'),
    environment: parseEnvironment(recipe),
    ...parseEntrypoint(recipe),
  };
}

/** @throws Error where the recipe starts anything else than `node [flags] script`. */
export function parseEntrypoint(recipe: string): Pick<SidecarImage, 'script' | 'nodeFlags'> {
  const json = /^ENTRYPOINT\s+(\[(?:[^\]\\]|\\\n)*\])/m.exec(recipe)?.[1]?.replaceAll('\\\n', '') ?? '[]';
  const [command = '', ...rest] = JSON.parse(json) as string[];
  const script = rest.at(-1) ?? '';
  const nodeFlags = rest.slice(0, -1);
  if (!/(?:^|\/)node$/.test(command) || script === '' || !nodeFlags.every((flag) => flag.startsWith('-'))) {
    throw new Error('the ENTRYPOINT of Dockerfile.sidecar is not ["node", flags…, script]');
  }
  return { script: script.slice(script.lastIndexOf('/') + 1), nodeFlags };
}

/** What `ENV NAME=value` says in the recipe. */
export function parseEnvironment(recipe: string): SidecarImage['environment'] {
  return Object.fromEntries(
    [...recipe.matchAll(/^ENV (\w+)=(\S+)$/gm)].map(([, name = '', value = '']) => [name, value]),
  );
}
