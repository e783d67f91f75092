import assert from 'node:assert/strict';
import { execFileSync } from 'node:child_process';
import { mkdirSync, mkdtempSync, renameSync, rmSync, symlinkSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { after, before, describe, test } from 'node:test';
import { createFileProvider } from '../../../sidecar/credentials/file.ts';
import { renderSlot } from '../../../sidecar/credentials/inject/inject.ts';

let folder = '';
let directory = '';

before(() => {
  folder = mkdtempSync(join(tmpdir(), 'outrider-file-'));
  directory = join(folder, 'secrets');
  mkdirSync(join(directory, 'team'), { recursive: true });
  writeFileSync(join(folder, 'outside'), 'canary-outside');
  symlinkSync(join(folder, 'outside'), join(directory, 'link-out'));
  symlinkSync('../outside', join(directory, 'link-out-relative'));
  symlinkSync(folder, join(directory, 'up'));
  symlinkSync('absent', join(directory, 'dangling'));
  symlinkSync('loop', join(directory, 'loop'));
  execFileSync('mkfifo', [join(directory, 'fifo')]);
  writeFileSync(join(directory, 'empty'), '');
  writeFileSync(join(directory, 'newline'), '\n');
  writeFileSync(join(directory, 'large'), 'x'.repeat(64 * 1024 + 1));
  writeFileSync(join(directory, 'binary'), Buffer.from([0x66, 0xff, 0xfe]));
  writeFileSync(join(directory, 'token'), 'canary-token\n');
});
after(() => rmSync(folder, { recursive: true, force: true }));

async function read(path: string, from: string | null = directory): Promise<string> {
  const secret = await createFileProvider({ directory: from }).read({ kind: 'file', path }, {});
  return renderSlot({ kind: 'bearer' }, secret).value;
}

describe('refused', () => {
  const cases: Record<string, [path: string, code: string]> = {
    'an absolute path': ['/etc/passwd', 'FILE_PATH_INVALID'],
    'a path that climbs': ['../outside', 'FILE_PATH_INVALID'],
    'a path that climbs later': ['team/../../outside', 'FILE_PATH_INVALID'],
    'a path with a dot segment': ['./token', 'FILE_PATH_INVALID'],
    'a path with an empty segment': ['team//token', 'FILE_PATH_INVALID'],
    'a path with a NUL': ['token\0', 'FILE_PATH_INVALID'],
    'an empty path': ['', 'FILE_PATH_INVALID'],
    'a link out of the directory': ['link-out', 'FILE_OUTSIDE'],
    'a relative link out of the directory': ['link-out-relative', 'FILE_OUTSIDE'],
    'a file through a linked folder outside': ['up/outside', 'FILE_OUTSIDE'],
    'the directory itself through a link': ['up/secrets', 'FILE_OUTSIDE'],
    'a file that is not there': ['absent', 'FILE_NOT_FOUND'],
    'a link to nothing': ['dangling', 'FILE_NOT_FOUND'],
    'a file below a file': ['token/x', 'FILE_NOT_FOUND'],
    'a link to itself': ['loop', 'FILE_UNREADABLE'],
    'a directory': ['team', 'FILE_UNREADABLE'],
    'a FIFO, without waiting for its writer': ['fifo', 'FILE_UNREADABLE'],
    'P-23: an empty file': ['empty', 'SECRET_EMPTY'],
    'P-23: a file of one line end': ['newline', 'SECRET_EMPTY'],
    'P-23: a file of more than 64 KiB': ['large', 'SECRET_TOO_LARGE'],
    'P-23: a file that is not text': ['binary', 'SECRET_NOT_TEXT'],
  };
  for (const [what, [path, code]] of Object.entries(cases)) {
    test(what, async () => {
      await assert.rejects(read(path), { code, field: 'spec.source.file.path' });
    });
  }

  test('every file, where the sidecar was given no directory', async () => {
    await assert.rejects(read('token', null), { code: 'SOURCE_UNAVAILABLE', field: 'spec.source.file' });
  });
});

describe('read', () => {
  test('a file, without the one line end that editors leave', async () => {
    assert.equal(await read('token'), 'Bearer canary-token');
  });

  test('a name with dots that climbs nowhere', async () => {
    writeFileSync(join(directory, 'team', 'a..b'), 'dots');
    assert.equal(await read('team/a..b'), 'Bearer dots');
  });

  test('a volume of Kubernetes, whose files are links inside it that are swapped when it changes', async () => {
    const volume = join(folder, 'volume');
    for (const [generation, value] of [
      ['..1', 'first'],
      ['..2', 'second'],
    ] as const) {
      mkdirSync(join(volume, generation), { recursive: true });
      writeFileSync(join(volume, generation, 'token'), value);
    }
    symlinkSync('..1', join(volume, '..data'));
    symlinkSync('..data/token', join(volume, 'token'));
    assert.equal(await read('token', volume), 'Bearer first');
    symlinkSync('..2', join(volume, '..next'));
    renameSync(join(volume, '..next'), join(volume, '..data'));
    assert.equal(await read('token', volume), 'Bearer second');
  });
});
