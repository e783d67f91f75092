import assert from 'node:assert/strict';
import { execFileSync } from 'node:child_process';
import { mkdirSync, mkdtempSync, rmSync, symlinkSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { inspect } from 'node:util';
import { after, before, describe, test } from 'node:test';
import type { FileSource } from '../../../policy/ruleset-credential.ts';
import { createFileProvider } from '../../../sidecar/credentials/file.ts';
import { createVolume } from './volume.ts';

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
  writeFileSync(join(directory, 'pair'), '{"user":"canary-u","pass":"canary-p","n":1,"empty":""}');
  writeFileSync(join(directory, 'list'), '["canary"]');
  createVolume(join(directory, 'secret.github'), { token: 'canary-volume', 'pair/x': '{"a":"canary-a"}' });
  createVolume(join(directory, 'secret.hollow'), {});
  createVolume(join(directory, 'secret.store'), { 'secret-id': 'canary-secret-id' });
  symlinkSync('../secret.store/secret-id', join(directory, 'secret.github', 'other'));
  mkdirSync(join(directory, 'csi.vault-db'));
  writeFileSync(join(directory, 'csi.vault-db', 'password'), 'canary-csi');
});
after(() => rmSync(folder, { recursive: true, force: true }));

async function read(
  source: string | Omit<FileSource, 'kind'>,
  from: string | null = directory,
): Promise<Record<string, string>> {
  const file: FileSource = { kind: 'file', ...(typeof source === 'string' ? { path: source } : source) };
  const { material, lease } = await createFileProvider({ directory: from }).read(file, {});
  assert.equal(lease, null);
  return Object.fromEntries([...material].map(([part, secret]) => [part, secret.open()]));
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
    'a file of a volume that is not named, which may be what opens a store': [
      'secret.store/secret-id',
      'FILE_PATH_INVALID',
    ],
    'a file of a CSI volume that is not named': ['csi.vault-db/password', 'FILE_PATH_INVALID'],
    'a link out of the directory': ['link-out', 'FILE_OUTSIDE'],
    'a relative link out of the directory': ['link-out-relative', 'FILE_OUTSIDE'],
    'a file through a linked folder outside': ['up/outside', 'FILE_OUTSIDE'],
    'the directory itself through a link': ['up/secrets', 'FILE_OUTSIDE'],
    'a file that is not there': ['absent', 'FILE_NOT_FOUND'],
    'a link to nothing': ['dangling', 'FILE_NOT_FOUND'],
    'a file below a file': ['token/x', 'FILE_NOT_FOUND'],
    'a link to itself': ['loop', 'FILE_UNREADABLE'],
    'a directory': ['team', 'FILE_UNREADABLE'],
    'a whole volume': ['secret.github', 'FILE_UNREADABLE'],
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

  const at = 'spec.source.file';
  const sources: Record<string, [source: Omit<FileSource, 'kind'>, code: string, field: string]> = {
    'a volume that the pod does not have': [
      { volume: { secret: 'absent' }, path: 'token' },
      'VOLUME_MISSING',
      `${at}.volume`,
    ],
    'a volume of a Secret that is not there yet': [
      { volume: { secret: 'hollow' }, path: 'token' },
      'VOLUME_MISSING',
      `${at}.volume`,
    ],
    'a key that the volume does not have': [
      { volume: { secret: 'github' }, path: 'absent' },
      'FILE_NOT_FOUND',
      `${at}.path`,
    ],
    'a volume of the other kind': [
      { volume: { csi: 'github' }, path: 'token' },
      'VOLUME_MISSING',
      `${at}.volume`,
    ],
    'a link into another volume': [
      { volume: { secret: 'github' }, path: 'other' },
      'FILE_OUTSIDE',
      `${at}.path`,
    ],
    'P-23: a field of what is no JSON': [{ path: 'token', field: 'user' }, 'SECRET_NOT_JSON', at],
    'P-23: a field of what is no object': [{ path: 'list', field: '0' }, 'SECRET_NOT_JSON', at],
    'P-23: a field that is not there': [
      { path: 'pair', field: 'nope' },
      'SECRET_FIELD_MISSING',
      `${at}.field`,
    ],
    'P-23: one of several fields that is not there': [
      { path: 'pair', fields: ['user', 'nope'] },
      'SECRET_FIELD_MISSING',
      `${at}.fields[1]`,
    ],
    'P-23: a field that is no string': [{ path: 'pair', field: 'n' }, 'SECRET_FIELD_NOT_TEXT', `${at}.field`],
    'P-23: an empty field': [{ path: 'pair', field: 'empty' }, 'SECRET_EMPTY', `${at}.field`],
  };
  for (const [what, [source, code, field]] of Object.entries(sources)) {
    test(what, async () => {
      await assert.rejects(read(source), (error: Error) => {
        const { code: thrown, field: place } = error as Error & { code?: string; field?: string };
        assert.deepEqual({ thrown, place }, { thrown: code, place: field });
        assert.doesNotMatch(inspect(error, { depth: null, showHidden: true }), /canary/);
        return true;
      });
    });
  }

  test('every file, where the sidecar was given no directory', async () => {
    await assert.rejects(read('token', null), { code: 'SOURCE_UNAVAILABLE', field: 'spec.source.file' });
  });
});

describe('read', () => {
  const cases: Record<string, [source: string | Omit<FileSource, 'kind'>, parts: Record<string, string>]> = {
    'a file, without the one line end that editors leave': ['token', { value: 'canary-token' }],
    'a field of a JSON file': [{ path: 'pair', field: 'pass' }, { value: 'canary-p' }],
    'several fields of a JSON file': [
      { path: 'pair', fields: ['user', 'pass'] },
      { user: 'canary-u', pass: 'canary-p' },
    ],
    "a key of a Secret's volume": [
      { volume: { secret: 'github' }, path: 'token' },
      { value: 'canary-volume' },
    ],
    "a key that the volume's items put into a folder": [
      { volume: { secret: 'github' }, path: 'pair/x', field: 'a' },
      { value: 'canary-a' },
    ],
    "a file of a CSI driver's volume": [
      { volume: { csi: 'vault-db' }, path: 'password' },
      { value: 'canary-csi' },
    ],
  };
  for (const [what, [source, parts]] of Object.entries(cases)) {
    test(what, async () => assert.deepEqual(await read(source), parts));
  }

  test('a name with dots that climbs nowhere', async () => {
    writeFileSync(join(directory, 'team', 'a..b'), 'dots');
    assert.deepEqual(await read('team/a..b'), { value: 'dots' });
  });

  test('a file whose name only begins as volumes do', async () => {
    writeFileSync(join(directory, 'secret.txt'), 'plain');
    assert.deepEqual(await read('secret.txt'), { value: 'plain' });
  });

  test('a volume that is swapped, at its next reading', async () => {
    const volume = createVolume(join(directory, 'secret.swapped'), { token: 'first' });
    const source = { volume: { secret: 'swapped' }, path: 'token' };
    assert.deepEqual(await read(source), { value: 'first' });
    volume.swap({ token: 'second' });
    assert.deepEqual(await read(source), { value: 'second' });
  });
});
