import { mkdirSync } from 'node:fs';
import { homedir } from 'node:os';
import { isAbsolute, join } from 'node:path';

/** Where what is slow to make outlives a clone: the XDG cache folder, so that it may be deleted at any time. */
export function cacheFolder(name: string): string {
  const configured = process.env['XDG_CACHE_HOME'] ?? '';
  // The XDG base directory specification says to ignore a relative path.
  const base = isAbsolute(configured) ? configured : join(homedir(), '.cache');
  const folder = join(base, 'outrider', name);
  mkdirSync(folder, { recursive: true });
  return folder;
}
