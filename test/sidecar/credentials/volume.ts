// A volume as the kubelet writes it (pkg/volume/util/atomic_writer.go): each key a link into `..data`, which is a link to
// a folder of this generation and is swapped by a rename.

import { mkdirSync, readlinkSync, renameSync, rmSync, symlinkSync, writeFileSync } from 'node:fs';
import { dirname, join } from 'node:path';

export interface Volume {
  swap(files: Readonly<Record<string, string>>): void;
}

export function createVolume(directory: string, files: Readonly<Record<string, string>>): Volume {
  let generation = 0;

  function write(content: Readonly<Record<string, string>>): string {
    generation += 1;
    const folder = `..2026_11_21_${generation}`;
    mkdirSync(join(directory, folder), { recursive: true });
    for (const [path, text] of Object.entries(content)) {
      mkdirSync(dirname(join(directory, folder, path)), { recursive: true });
      writeFileSync(join(directory, folder, path), text);
    }
    symlinkSync(folder, join(directory, '..data_tmp'));
    return folder;
  }

  write(files);
  renameSync(join(directory, '..data_tmp'), join(directory, '..data'));
  link(directory, files);
  return {
    swap(content) {
      const before = readlinkSync(join(directory, '..data'));
      write(content);
      renameSync(join(directory, '..data_tmp'), join(directory, '..data'));
      link(directory, content);
      rmSync(join(directory, before), { recursive: true });
    },
  };
}

function link(directory: string, files: Readonly<Record<string, string>>): void {
  for (const first of new Set(Object.keys(files).map((path) => path.split('/', 1)[0] ?? ''))) {
    try {
      symlinkSync(join('..data', first), join(directory, first));
    } catch (error) {
      if ((error as NodeJS.ErrnoException).code !== 'EEXIST') throw error;
    }
  }
}
