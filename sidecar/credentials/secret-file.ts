// Reads one file below a directory that others fill (a mounted Secret, a CSI volume, the secrets of local mode), and
// nothing beyond it, whatever the path and the links in it say.

import { constants } from 'node:fs';
import { open, realpath } from 'node:fs/promises';
import { isAbsolute, join, relative, sep } from 'node:path';
import { SidecarError, type SidecarErrorCode } from '../errors.ts';
import { maxSecretBytes } from './provider.ts';

/**
 * @param path relative to `directory`, with slashes.
 * @param field of the resource that names the path, for what is thrown.
 * @throws SidecarError FILE_PATH_INVALID, FILE_NOT_FOUND, FILE_OUTSIDE, FILE_UNREADABLE, SECRET_TOO_LARGE
 */
export async function readSecretFile(directory: string, path: string, field: string): Promise<Buffer> {
  const refused = (code: SidecarErrorCode): SidecarError => new SidecarError(code, { field });
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
    const bytes = await readRegular(target);
    if (bytes === null) throw refused('FILE_UNREADABLE');
    if (bytes.length > maxSecretBytes) throw refused('SECRET_TOO_LARGE');
    return bytes;
  } catch (error) {
    if (error instanceof SidecarError) throw error;
    const { code } = error as NodeJS.ErrnoException;
    throw refused(code === 'ENOENT' || code === 'ENOTDIR' ? 'FILE_NOT_FOUND' : 'FILE_UNREADABLE');
  }
}

/**
 * O_NOFOLLOW: what was resolved must not have become a link; O_NONBLOCK: opening a FIFO must not wait.
 * @returns null for what is no regular file; of a file that is too large, one byte more than allowed.
 */
async function readRegular(target: string): Promise<Buffer | null> {
  const file = await open(target, constants.O_RDONLY | constants.O_NOFOLLOW | constants.O_NONBLOCK);
  try {
    if (!(await file.stat()).isFile()) return null;
    // Read to a limit instead of by the size, since the file may grow meanwhile; and until nothing comes, since one
    // read may return less than there is.
    const buffer = Buffer.alloc(maxSecretBytes + 1);
    let length = 0;
    for (let read = -1; read !== 0 && length < buffer.length; length += read) {
      read = (await file.read(buffer, length, buffer.length - length, length)).bytesRead;
    }
    return buffer.subarray(0, length);
  } finally {
    await file.close();
  }
}
