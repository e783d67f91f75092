// The highest watermark that this pod was given, on the state volume: it survives a restart of the sidecar, so
// that no replica that is behind can roll a halt back (P-11, O-10).

import { readFileSync } from 'node:fs';
import { open, rename } from 'node:fs/promises';
import { join } from 'node:path';
import type { Watermark } from '../../policy/contract.ts';
import { SidecarError } from '../errors.ts';

export interface KeptWatermark {
  /** @throws SidecarError STATE_UNREADABLE: without it, an older ruleset could pass for a new one. */
  load(): Watermark;
  /** Whole and on disk when it resolves. @throws SidecarError STATE_UNWRITABLE */
  save(watermark: Watermark): Promise<void>;
}

export function createKeptWatermark({ directory }: { readonly directory: string }): KeptWatermark {
  const path = join(directory, 'watermark.json');
  const temporary = `${path}.new`;
  return {
    load() {
      try {
        const watermark = parseWatermark(JSON.parse(readFileSync(path, 'utf8')));
        if (watermark !== null) return watermark;
      } catch (error) {
        if ((error as NodeJS.ErrnoException).code === 'ENOENT') return {};
      }
      throw new SidecarError('STATE_UNREADABLE');
    },
    async save(watermark) {
      try {
        const file = await open(temporary, 'w', 0o600);
        try {
          await file.writeFile(JSON.stringify(watermark));
          // Some file systems rename before they write: after a crash of the node the file would be empty.
          await file.datasync();
        } finally {
          await file.close();
        }
        await rename(temporary, path);
      } catch (error) {
        const { code } = error as NodeJS.ErrnoException;
        throw new SidecarError('STATE_UNWRITABLE', code === undefined ? {} : { detail: `(${code})` });
      }
    },
  };
}

/** Null when it is not one: kinds with decimal resourceVersions (KEP-5504). */
export function parseWatermark(value: unknown): Watermark | null {
  if (typeof value !== 'object' || value === null || Array.isArray(value)) return null;
  const isVersion = (version: unknown): boolean =>
    typeof version === 'string' && /^(?:0|[1-9]\d{0,39})$/.test(version);
  return Object.values(value).every(isVersion) ? (value as Watermark) : null;
}
