// Secrets from files that others fill: volumes of Secrets and CSI drivers, and the one directory of local mode.

import { isUtf8 } from 'node:buffer';
import { readdir } from 'node:fs/promises';
import { join } from 'node:path';
import { secretDirectory } from '../../policy/contract.ts';
import type { FileSource } from '../../policy/ruleset-credential.ts';
import { SidecarError, type SidecarErrorCode } from '../errors.ts';
import { watchFile } from './file-watch.ts';
import type { Provider } from './provider.ts';
import { readSecretFile } from './secret-file.ts';
import { materialOfText, type FieldPlaces } from './source-fields.ts';

export interface FileProviderOptions {
  /** With one directory for each volume; null where there is none, and each source fails with SOURCE_UNAVAILABLE. */
  readonly directory: string | null;
  /** How often files are looked at for changes that the kernel does not tell. */
  readonly pollMs?: number;
}

const at = 'spec.source.file';
const pathField = `${at}.path`;
const places: FieldPlaces = { at, missing: 'SECRET_FIELD_MISSING', notText: 'SECRET_FIELD_NOT_TEXT' };

export function createFileProvider({ directory, pollMs }: FileProviderOptions): Provider<'file'> {
  return {
    async read(source) {
      if (directory === null) throw refused('SOURCE_UNAVAILABLE', at);
      const bytes = await readFrom(directory, source);
      if (!isUtf8(bytes)) throw refused('SECRET_NOT_TEXT');
      // One line end, as editors and `kubectl create secret --from-file` leave it; more is part of the value.
      const text = bytes.toString('utf8').replace(/\r?\n$/, '');
      if (text === '') throw refused('SECRET_EMPTY');
      return { material: materialOfText(text, source, places), lease: null };
    },
    watch(source, onChange) {
      if (directory === null) return () => {};
      return watchFile({ directory: rootOf(directory, source), path: source.path, onChange, pollMs });
    },
    async forget() {},
  };
}

async function readFrom(directory: string, source: FileSource): Promise<Buffer> {
  const root = rootOf(directory, source);
  if (source.volume === undefined) {
    // What lies in a volume is read by naming the volume: in a cluster, some of them hold what opens a store.
    if (/^(?:secret|csi)\.[^/]*\//.test(source.path)) {
      throw refused('FILE_PATH_INVALID', pathField, `Name the volume under ${at}.volume.`);
    }
    return readSecretFile(root, source.path, pathField);
  }
  try {
    return await readSecretFile(root, source.path, pathField);
  } catch (error) {
    if (isNotFound(error) && (await isEmpty(root))) throw refused('VOLUME_MISSING', `${at}.volume`);
    throw error;
  }
}

function rootOf(directory: string, { volume }: FileSource): string {
  return volume === undefined ? directory : join(directory, secretDirectory(volume));
}

function isNotFound(error: unknown): boolean {
  return error instanceof SidecarError && error.code === 'FILE_NOT_FOUND';
}

/** Or not there. The kubelet's own entries begin with two dots, and are in a volume of an absent Secret as well. */
async function isEmpty(root: string): Promise<boolean> {
  try {
    return (await readdir(root)).every((name) => name.startsWith('..'));
  } catch {
    return true;
  }
}

function refused(code: SidecarErrorCode, field = pathField, detail?: string): SidecarError {
  return new SidecarError(code, { field, ...(detail === undefined ? {} : { detail }) });
}
