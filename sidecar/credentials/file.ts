// Secrets from files in one directory, which holds nothing of ours: local mode, and volumes that others fill.

import { constants } from 'node:fs';
import { open, realpath } from 'node:fs/promises';
import { isAbsolute, join, relative, sep } from 'node:path';
import { isUtf8 } from 'node:buffer';
import { SidecarError, type SidecarErrorCode } from '../errors.ts';
import { maxSecretBytes, type Provider } from './provider.ts';
import { Secret } from './secret.ts';

/** @param directory null where the sidecar was given none: then each file source fails with SOURCE_UNAVAILABLE. */
export function createFileProvider({ directory }: { readonly directory: string | null }): Provider<'file'> {
  return {
    async read({ path }) {
      if (directory === null) throw refused('SOURCE_UNAVAILABLE', 'spec.source.file');
      const bytes = await readInside(directory, path);
      if (!isUtf8(bytes)) throw refused('SECRET_NOT_TEXT');
      // One line end, as editors and `kubectl create secret --from-file` leave it; more is part of the value.
      const text = bytes.toString('utf8').replace(/\r?\n$/, '');
      if (text === '') throw refused('SECRET_EMPTY');
      return new Secret(text);
    },
    async forget() {},
  };
}

async function readInside(directory: string, path: string): Promise<Buffer> {
  if (isAbsolute(path) || path.includes('\0') || path.split(/[/\\]/).some((part) => /^\.{0,2}$/.test(part))) {
    throw refused('FILE_PATH_INVALID');
  }
  try {
    // Kubernetes mounts files as links (`token` → `..data/token`), so links are followed, but only inside.
    const root = await realpath(directory);
    const target = await realpath(join(root, path));
    const inner = relative(root, target);
    if (inner === '' || inner === '..' || inner.startsWith(`..${sep}`) || isAbsolute(inner)) {
      throw refused('FILE_OUTSIDE');
    }
    return await readRegular(target);
  } catch (error) {
    if (error instanceof SidecarError) throw error;
    const { code } = error as NodeJS.ErrnoException;
    throw refused(code === 'ENOENT' || code === 'ENOTDIR' ? 'FILE_NOT_FOUND' : 'FILE_UNREADABLE');
  }
}

/** O_NOFOLLOW: what was resolved must not have become a link; O_NONBLOCK: opening a FIFO must not wait. */
async function readRegular(target: string): Promise<Buffer> {
  const file = await open(target, constants.O_RDONLY | constants.O_NOFOLLOW | constants.O_NONBLOCK);
  try {
    if (!(await file.stat()).isFile()) throw refused('FILE_UNREADABLE');
    // One byte more than allowed, since the file may grow while it is read.
    const { buffer, bytesRead } = await file.read(Buffer.alloc(maxSecretBytes + 1), 0, maxSecretBytes + 1, 0);
    if (bytesRead > maxSecretBytes) throw refused('SECRET_TOO_LARGE');
    return buffer.subarray(0, bytesRead);
  } finally {
    await file.close();
  }
}

function refused(code: SidecarErrorCode, field = 'spec.source.file.path'): SidecarError {
  return new SidecarError(code, { field });
}
