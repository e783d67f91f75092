import { randomBytes } from 'node:crypto';
import { chmodSync, renameSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { SidecarError } from '../errors.ts';

/**
 * A file of the trust volume, which agents read whatever their uid is and whatever our umask. It appears whole or not at
 * all: an agent's start must not race with it.
 * @throws SidecarError TRUST_UNWRITABLE
 */
export function writeTrustFile(directory: string, name: string, contents: string | Uint8Array): void {
  const temporary = join(directory, `.${name}.${randomBytes(4).toString('hex')}`);
  try {
    writeFileSync(temporary, contents, { flag: 'wx' });
    chmodSync(temporary, 0o444);
    renameSync(temporary, join(directory, name));
  } catch (error) {
    throw new SidecarError('TRUST_UNWRITABLE', {
      detail: `${name}: ${(error as NodeJS.ErrnoException).code}.`,
    });
  }
}
