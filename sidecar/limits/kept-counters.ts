// This pod's counters on the state volume, so that a restart of the sidecar frees nothing.
//
// Their ages are continued by the clock that the kernel has run since the node booted, which all processes of the pod
// share and nobody can set. After a reboot there is nothing to continue them by: then no time has passed as far as we
// know, and what was counted counts anew. The wall clock is never asked.

import { readFileSync } from 'node:fs';
import { open, rename } from 'node:fs/promises';
import { join } from 'node:path';
import { createBook, readBook, type Book } from '../../policy/limits/book.ts';
import { SidecarError } from '../errors.ts';

export interface KeptCounters {
  /** What cannot be read is a book that is full for one window, and said through `onFailure`. */
  load(): Book;
  /** On disk when it resolves. @param atMs the time at which `text` was true. @throws SidecarError COUNTERS_UNWRITABLE */
  save(text: string, atMs: number): Promise<void>;
}

export interface KeptCountersOptions {
  readonly directory: string;
  readonly onFailure: (error: SidecarError) => void;
  readonly clock?: BootClock;
}

export interface BootClock {
  /** Milliseconds since the node booted. */
  now(): number;
  /** Another one after each boot; null when it is not known. */
  readonly boot: string | null;
}

export function createBootClock(): BootClock {
  return {
    // CLOCK_MONOTONIC, as it is; `performance.now()` counts from the start of the process.
    now: () => Number(process.hrtime.bigint() / 1_000_000n),
    boot: readBootId(),
  };
}

function readBootId(): string | null {
  try {
    return readFileSync('/proc/sys/kernel/random/boot_id', 'utf8').trim() || null;
  } catch {
    return null;
  }
}

export function createKeptCounters(options: KeptCountersOptions): KeptCounters {
  const { directory, onFailure, clock = createBootClock() } = options;
  const path = join(directory, 'counters.json');

  /** Ages go on from when they were written, or, after another boot, from now. */
  function read(text: string): Book | null {
    const line = text.indexOf('\n');
    const header = parseHeader(text.slice(0, line));
    if (header === null) return null;
    const now = clock.now();
    const isSameBoot = header.boot !== null && header.boot === clock.boot && header.atMs <= now;
    const writtenAtMs = isSameBoot ? header.atMs : now;
    return readBook(text.slice(line + 1), { writtenAtMs, spentUntilMs: () => now });
  }

  return {
    load() {
      try {
        const book = read(readFileSync(path, 'utf8'));
        if (book !== null) return book;
      } catch (error) {
        if ((error as NodeJS.ErrnoException).code === 'ENOENT') return createBook();
      }
      onFailure(new SidecarError('COUNTERS_UNREADABLE'));
      return createBook(clock.now());
    },
    async save(text, atMs) {
      const header = JSON.stringify({ boot: clock.boot, atMs });
      try {
        await replaceFile(path, `${header}\n${text}`);
        await syncDirectory(directory);
      } catch (error) {
        const { code } = error as NodeJS.ErrnoException;
        throw new SidecarError('COUNTERS_UNWRITABLE', code === undefined ? {} : { detail: `(${code})` });
      }
    },
  };
}

async function replaceFile(path: string, text: string): Promise<void> {
  const file = await open(`${path}.new`, 'w', 0o600);
  try {
    await file.writeFile(text);
    await file.datasync();
  } finally {
    await file.close();
  }
  await rename(`${path}.new`, path);
}

/** Else a crash of the node could bring the file back that was replaced. */
async function syncDirectory(path: string): Promise<void> {
  const directory = await open(path, 'r');
  try {
    await directory.sync();
  } finally {
    await directory.close();
  }
}

function parseHeader(text: string): { readonly boot: string | null; readonly atMs: number } | null {
  try {
    const { boot, atMs } = JSON.parse(text) as { readonly boot?: unknown; readonly atMs?: unknown };
    if ((typeof boot !== 'string' && boot !== null) || !Number.isSafeInteger(atMs)) return null;
    return { boot, atMs: atMs as number };
  } catch {
    return null;
  }
}
