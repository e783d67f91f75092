// Tells when a file becomes another one. The kernel tells most of it at once; the rest is found by looking: inotify
// misses what changes behind an overlay or on a network, and there may be no more watches to have.

import { realpathSync, statSync, watch, type FSWatcher } from 'node:fs';
import { join } from 'node:path';

export interface FileWatchOptions {
  /** What is watched: kubelet and CSI drivers swap `..data`, a link right inside it. */
  readonly directory: string;
  readonly path: string;
  /** Also when the file goes or comes. */
  readonly onChange: () => void;
  readonly pollMs?: number | undefined;
}

const defaultPollMs = 3000;
/** A swap is several events, and an editor truncates before it writes. */
const settleMs = 100;

/** Never throws; returns how to stop. */
export function watchFile({
  directory,
  path,
  onChange,
  pollMs = defaultPollMs,
}: FileWatchOptions): () => void {
  const file = join(directory, path);
  // Synchronous, so that no change comes between this and the first read that follows.
  let last = stateOf(file);
  let settling: NodeJS.Timeout | null = null;

  function look(): void {
    settling = null;
    const state = stateOf(file);
    if (state === last) return;
    last = state;
    onChange();
  }

  const watcher = startWatcher(directory, () => {
    settling ??= setTimeout(look, settleMs).unref();
  });
  const poll = setInterval(() => {
    if (settling === null) look();
  }, pollMs).unref();

  return () => {
    clearInterval(poll);
    if (settling !== null) clearTimeout(settling);
    watcher?.close();
  };
}

/** All that differs when the content does: a swapped link leads to another inode, a rewrite changes the times. */
function stateOf(file: string): string {
  try {
    const target = realpathSync(file);
    const { dev, ino, size, mtimeNs, ctimeNs } = statSync(target, { bigint: true });
    return [target, dev, ino, size, mtimeNs, ctimeNs].join(' ');
  } catch (error) {
    return String((error as NodeJS.ErrnoException).code);
  }
}

/** Null where it cannot be had: then looking is all there is. */
function startWatcher(directory: string, onEvent: () => void): FSWatcher | null {
  try {
    const watcher = watch(directory, { persistent: false }, onEvent);
    watcher.on('error', () => watcher.close());
    return watcher;
  } catch {
    return null;
  }
}
